"""`python -m tools.publish STUDY [--store DIR]`: copy a study's results into published/ and refresh README's tables.

A table in a Markdown file stands between `<!-- table: published/STUDY/results.json -->` and `<!-- end of table -->`;
`tests/unit/test_published.py` fails if it does not say what the JSON says.
"""

import argparse
import json
import re
import shutil
from pathlib import Path

from eigencode.base.strict_json import number
from eigencode.report.numbers import measured

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(r"(<!-- table: (\S+) -->\n)(.*?)(<!-- end of table -->)", re.S)
QUOTING = ("README.md", "docs/*.md")


def table(results: dict) -> str:
    """The headline table of results.json as Markdown."""
    lines = []
    for data in dict.fromkeys(s["data"] for s in results["summary"]):
        entries = [s for s in results["summary"] if s["data"] == data]
        lines += [
            f"| {data} | " + " | ".join(results["headline"]) + " |",
            "|---" * (len(results["headline"]) + 1) + "|",
        ]
        for model in dict.fromkeys(s["model"] for s in entries):
            found = {s["quantity"]: s for s in entries if s["model"] == model}
            texts = [_text(found[q]) if q in found else "" for q in results["headline"]]
            lines.append(f"| {model} | " + " | ".join(texts) + " |")
    return "\n".join(lines) + "\n"


def refreshed(text: str) -> str:
    """The Markdown text with every marked table made anew from its JSON; a table without a file is left empty."""

    def fill(match: re.Match[str]) -> str:
        path = ROOT / match[2]
        return match[1] + (table(json.loads(path.read_text("utf-8"))) if path.is_file() else "") + match[4]

    return MARKED.sub(fill, text)


def quoting_files() -> list[Path]:
    """The Markdown files that may quote numbers."""
    return [path for pattern in QUOTING for path in sorted(ROOT.glob(pattern))]


def _text(entry: dict) -> str:
    return measured(number(entry["mean"]), number(entry["spread"])) + (" !" if entry["warnings"] else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--store", type=Path, default=Path("store"))
    chosen = parser.parse_args()
    source, target = chosen.store / "reports" / chosen.study, ROOT / "published" / chosen.study
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("report.html"))
    for path in quoting_files():
        path.write_text(refreshed(path.read_text("utf-8")), "utf-8")
    print(f"published {chosen.study} to {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
