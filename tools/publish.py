"""`python -m tools.publish STUDY [--store DIR] [--to FOLDER]`: copy results into published/ and refresh tables.

A table in a Markdown file stands between a line such as `<!-- table: published/STUDY/results.json -->` and `<!-- end of
table -->`; `tests/unit/test_published.py` fails if it does not say what the JSON says.  There are seven kinds:

    <!-- table: FILE -->                    models by quantities; `FILE; α images; α noise` for some of the quantities
    <!-- claims: FILE -->                   the verdict on every claim
    <!-- deviations: FILE -->               every departure of the published code, switched on and off
    <!-- relations: FILE -->                the effects of every relation over networks, with their intervals
    <!-- faults: FILE -->                   the trials of `tools.faults`
    <!-- comparison: FILE; TOPIC; TOPIC --> numbers of several tools, of `benchmarks.compare`
    <!-- matrix: HEAD = FILE + FILE; HEAD = FILE; CLAIM; CLAIM -->    the verdicts on some claims, a column per HEAD

A number in a sentence is held to a file by a comment below the paragraph: the place in the JSON, and what stands there.

    <!-- held: FILE; summary > KH > test accuracy > mean | 0.416; claims > STATEMENT | reproduced -->

A step of a place is a key, the index in a list, or a value of entries of a list (with * for any characters); "count" is
the number of entries.  The number must be that of the file, rounded to its own digits, and stand in the paragraph; one
in parentheses need not.
"""

import argparse
import functools
import json
import math
import re
import shutil
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from eigencode.base.strict_json import number
from eigencode.report._table import judged, marks, sign, text, worded
from eigencode.study.results import summarise
from tools.combine import rows_of
from tools.fault_bench import WRONG

ROOT = Path(__file__).resolve().parents[1]
HELD = re.compile(r"<!-- held: (.*?) -->", re.S)
QUOTING = ("README.md", "docs/*.md", "docs/appendix/*.md")
SEPARATOR = re.compile(r";\s+")
COLOURS = {"good": "🟢", "bad": "🔴", "open": "⚪"}
COUNTED = {"none": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}


def table(results: dict, *wanted: str) -> str:
    """The headline table of results.json as Markdown, or that of the quantities `wanted`."""
    lines, columns, seeds = [], list(wanted or results["headline"]), len(results["study"]["seeds"])
    summary = [asdict(s) for s in summarise(r for r in rows_of(results) if r.epoch is None)]
    for data in dict.fromkeys(s["data"] for s in summary):
        entries = [s for s in summary if s["data"] == data]
        lines += [*([""] if lines else []), *_head(data, *columns)]
        for model in dict.fromkeys(s["model"] for s in entries):
            found = {s["quantity"]: s for s in entries if s["model"] == model}
            lines.append(_row(model, *(_text(found[q], seeds) if q in found else "" for q in columns)))
    return "\n".join(lines) + "\n"


def claims(results: dict) -> str:
    """The verdicts of results.json as Markdown."""
    corrected = any("p_holm" in c for c in results["claims"])  # older results are not
    lines = _head("claim", "compared", "measured", "published", "verdict", *["after Holm"] * corrected)
    for c in results["claims"]:
        said = (c["statement"], f"{c['quantity']}: {c['compared']}", _ranged(c, "value"), c["published"])
        lines.append(_row(*said, *judged(c)[: 1 + corrected]))
    return "\n".join(lines) + "\n"


def deviations(results: dict) -> str:
    """The departures of results.json as Markdown."""
    lines = _head("", "model", "quantity", "as published", "corrected", "published − corrected")
    for d in results["deviations"]:
        both = (_ranged(d, "published", "published_"), _ranged(d, "corrected", "corrected_"))
        lines.append(_row(d["id"], d["model"], d["quantity"], *both, _ranged(d, "difference")))
    return "\n".join(lines) + "\n"


def relations(results: dict) -> str:
    """The relations of results.json as Markdown: a row per predictor, then what all predictors of it do together."""
    own, joint = ("pooled", "within", "between", "partial R2"), ("R2", "prediction R2", "prediction gain")
    lines = _head("relation", "networks", "predictor", *own, *joint)
    for r in results["relations"]:
        found = {(e["predictor"], e["effect"]): _ranged(e, "value") for e in r["effects"]}
        named = r["name"] + (f", given {', '.join(r['controls'])}" if r["controls"] else "")
        for p in r["predictors"]:
            last = [found.get(("", e), "") if p == r["predictors"][-1] else "" for e in joint]
            lines.append(_row(named, str(len(r["points"])), p, *(found.get((p, e), "") for e in own), *last))
    return "\n".join(lines) + "\n"


def faults(results: dict) -> str:
    """The trials of `tools.faults`, and how often something was wrong, as Markdown."""
    shown = ("trials", *WRONG)
    lines = _head("fault", "", *shown)
    lines += [_row(r["fault"], r["where"], *(str(r[name]) for name in shown)) for r in results["rows"]]
    total = [str(sum(r[name] for r in results["rows"])) for name in shown]
    return "\n".join([*lines, _row("all", "", *total)]) + "\n"


def comparison(results: dict, *topics: str) -> str:
    """Some topics of `benchmarks.compare` as Markdown: a row per tool and quantity, ± the spread over draws."""
    lines = _head("same input", "tool", "number", "value", "right", "seconds")
    for r in (r for topic in topics for r in results["results"] if r["topic"] == topic):
        value, spread, truth, seconds = (number(r[k]) for k in ("value", "spread", "truth", "seconds"))
        shown = f"{value:.4g}" if math.isnan(spread) else f"{value:.4g} ± {spread:.2g}"
        known, took = ("" if math.isnan(v) else f"{v:.{d}g}" for v, d in ((truth, 4), (seconds, 2)))
        lines.append(_row(r["topic"], r["tool"], r["quantity"], shown, known, took))
    return "\n".join(lines) + "\n"


def matrix(*words: str) -> str:
    """The verdicts on some claims as Markdown: a column per study, and the published results, if claims give any."""
    columns = dict(w.split(" = ", 1) for w in words if "= published/" in w)
    found = {
        head: {c["statement"]: c for path in files.split(" + ") for c in _read(path)["claims"]}
        for head, files in columns.items()
    }
    statements = [w for w in words if "= published/" not in w]
    judged_by = {s: [by_statement.get(s) for by_statement in found.values()] for s in statements}
    published = {s: next(c["published"] for c in judged_by[s] if c) for s in statements}
    papers = ["the paper"] if any(published.values()) else []
    lines = _head("claim", *papers, *columns)
    for s in statements:
        verdicts = (f"{COLOURS[sign(c['verdict'])[1]]} {worded(c)}" if c else "not tested" for c in judged_by[s])
        lines.append(_row(s, *([published[s]] if papers else []), *verdicts))
    return "\n".join(lines) + "\n"


KINDS = {f.__name__: f for f in (table, claims, deviations, relations, faults, comparison)}
MARKED = re.compile(
    rf"(<!-- ({'|'.join((*KINDS, 'matrix'))}): ((?:(?!-->).)+?) -->\n)(.*?)(<!-- end of table -->)",
    re.S,
)


def refreshed(text: str) -> str:
    """The Markdown text with every marked table made anew from its JSON; a table without a file is left empty."""

    def fill(match: re.Match[str]) -> str:
        words = SEPARATOR.split(match[3])
        if match[2] == "matrix":
            made = matrix(*words)
        else:
            made = KINDS[match[2]](_read(words[0]), *words[1:]) if (ROOT / words[0]).is_file() else ""
        return match[1] + made + match[5]

    return MARKED.sub(fill, text)


def paragraphs(text: str) -> list[tuple[str, list[str]]]:
    """Paragraphs and items of lists of a Markdown text, without tables, each with its comments `held`."""
    text = re.sub(r"^> ?", "", MARKED.sub("", text), flags=re.M)
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:\d+\.|\*) )", text)
    return [(" ".join(HELD.sub("", part).split()), [" ".join(h.split()) for h in HELD.findall(part)]) for part in parts]


def broken(prose: str, held: str) -> list[str]:
    """Complaints about a comment `held` of a paragraph: the file says something else, or the prose does."""
    path, *facts = SEPARATOR.split(held)
    complaints = []
    for fact in facts:
        place, said = fact.rsplit(" | ", 1)
        found = _at(_read(path), place.split(" > "))
        if isinstance(found, dict):
            agrees = said == worded(found)
        elif isinstance(found, str):
            agrees = said == found
        else:
            figure = said.strip("()")
            quoted = said != figure or re.search(rf"(?<![\d.]){re.escape(said)}(?!\.?\d)", prose)
            agrees = quoted and _rounds(float(found), figure)
        if not agrees:
            complaints.append(f"{path}, {place}: {worded(found) if isinstance(found, dict) else found}, not {said}")
    return complaints


def _at(found: Any, steps: list[str]) -> Any:
    """What stands at a place of a JSON file, such as summary > KH > test accuracy > mean."""
    for step in steps:
        if not isinstance(found, list):
            found = found[step]
        elif step == "count":
            found = len(found)
        elif step.isdigit():
            found = found[int(step)]
        elif len(found) == 1 and step in found[0]:
            found = found[0][step]
        else:
            found = [entry for entry in found if any(_named(value, step) for value in entry.values())]
    if isinstance(found, list):
        (found,) = found
    return found


def _named(value: Any, step: str) -> bool:
    return fnmatchcase(str(value), step) if "*" in step else str(value) == step


def _rounds(value: float, said: str) -> bool:
    if said in COUNTED:
        return value == COUNTED[said]
    digits, factor = said.removesuffix(" %").replace("−", "-"), 100 if said.endswith(" %") else 1
    return f"{factor * value:.{len(digits.partition('.')[2])}f}" == digits


@functools.cache
def _read(path: str) -> dict:
    return json.loads((ROOT / path).read_text("utf-8"))


def quoting_files() -> list[Path]:
    """The Markdown files that may quote numbers."""
    return [path for pattern in QUOTING for path in sorted(ROOT.glob(pattern))]


def refresh() -> None:
    """Write all tables anew from the published files."""
    for path in quoting_files():
        path.write_text(refreshed(path.read_text("utf-8")), "utf-8")


def _head(*names: str) -> list[str]:
    return [_row(*names), "|---" * len(names) + "|"]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _ranged(entry: dict, name: str, prefix: str = "") -> str:
    value, low, high = (number(entry[k]) for k in (name, f"{prefix}low", f"{prefix}high"))
    if not math.isfinite(value):
        return "∞" if value > 0 else "–"
    return f"{value:.3g} [{low:.3g}, {high:.3g}]" if math.isfinite(low) and math.isfinite(high) else f"{value:.3g}"


def _text(entry: dict, seeds: int) -> str:
    return f"{text(entry, seeds)} {marks(entry)}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--store", type=Path, default=Path("store"))
    parser.add_argument("--to", help="folder below published/; default: the name of the study")
    chosen = parser.parse_args()
    source, target = chosen.store / "reports" / chosen.study, ROOT / "published" / (chosen.to or chosen.study)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("report.html"))
    refresh()
    print(f"published {chosen.study} to {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
