"""`python -m tools.publish STUDY [--store DIR] [--to FOLDER]`: copy results into published/ and refresh tables.

A table in a Markdown file stands between a line such as `<!-- table: published/STUDY/results.json -->` and `<!-- end of
table -->`; `tests/unit/test_published.py` fails if it does not say what the JSON says.  There are four kinds:

    <!-- table: FILE -->                    models by quantities; `FILE; α images; α noise` for some of the quantities
    <!-- claims: FILE -->                   the verdict on every claim
    <!-- deviations: FILE -->               every departure of the published code, switched on and off
    <!-- faults: FILE -->                   the trials of `tools.faults`
"""

import argparse
import json
import math
import re
import shutil
from dataclasses import asdict
from pathlib import Path

from eigencode.base.strict_json import number
from eigencode.report._table import judged, marks, text
from eigencode.study.results import summarise
from tools.combine import rows_of
from tools.fault_bench import WRONG

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(
    r"(<!-- (table|claims|deviations|faults): ([^;\n]+?)((?:; [^;\n]+)*) -->\n)(.*?)(<!-- end of table -->)", re.S
)
QUOTING = ("README.md", "docs/*.md")


def table(results: dict, *wanted: str) -> str:
    """The headline table of results.json as Markdown, or that of the quantities `wanted`."""
    lines, columns, seeds = [], list(wanted or results["headline"]), len(results["study"]["seeds"])
    summary = [asdict(s) for s in summarise(r for r in rows_of(results) if r.epoch is None)]
    for data in dict.fromkeys(s["data"] for s in summary):
        entries = [s for s in summary if s["data"] == data]
        lines += _head(data, *columns)
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


def faults(results: dict) -> str:
    """The trials of `tools.faults`, and how often something was wrong, as Markdown."""
    shown = ("trials", *WRONG)
    lines = _head("fault", "", *shown)
    lines += [_row(r["fault"], r["where"], *(str(r[name]) for name in shown)) for r in results["rows"]]
    total = [str(sum(r[name] for r in results["rows"])) for name in shown]
    return "\n".join([*lines, _row("all", "", *total)]) + "\n"


KINDS = {"table": table, "claims": claims, "deviations": deviations, "faults": faults}


def refreshed(text: str) -> str:
    """The Markdown text with every marked table made anew from its JSON; a table without a file is left empty."""

    def fill(match: re.Match[str]) -> str:
        path, words = ROOT / match[3], [w for w in match[4].split("; ") if w]
        made = KINDS[match[2]](json.loads(path.read_text("utf-8")), *words) if path.is_file() else ""
        return match[1] + made + match[6]

    return MARKED.sub(fill, text)


def quoting_files() -> list[Path]:
    """The Markdown files that may quote numbers."""
    return [path for pattern in QUOTING for path in sorted(ROOT.glob(pattern))]


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
    for path in quoting_files():
        path.write_text(refreshed(path.read_text("utf-8")), "utf-8")
    print(f"published {chosen.study} to {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
