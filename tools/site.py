"""What the documentation builds instead of keeping by hand: API pages, the benchmark page, readable docstrings."""

import importlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GENERATED = "generated"
"""The folder below docs/ that a build fills; git does not keep it."""

MODULES = ("data", "rules", "models", "training", "spectra", "geometry", "robustness", "penalties", "measures", "study")
"""Public modules, in the order in which data flow through them."""

API = """# {title}

```{{eval-rst}}
.. automodule:: eigencode.{name}
   :members:
   :imported-members:
   :show-inheritance:
```
"""

BENCHMARKS = """# Benchmarks

Time of the straightforward implementation (the published way, or a plain loop) over the time of this package, both
measured in the same run on the same machine; `make bench` measures again. *Wanted* is the ratio the package was
designed for: a row below it says so. This page is written from `published/bench.json`.

{table}

{machines}
"""


def write(docs: Path) -> None:
    """Write every generated page below `docs`; a page that says the same already is left alone."""
    rows = json.loads((ROOT / "published" / "bench.json").read_text("utf-8"))["results"]
    pages = {f"api-{name}": api(name) for name in ("eigencode", *MODULES)} | {"benchmarks": benchmarks(rows)}
    folder = docs / GENERATED
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def api(name: str) -> str:
    """The page of one public module: everything it exports, from its docstrings."""
    if name != "eigencode":
        return API.format(title=f"eigencode.{name}", name=name)
    package = importlib.import_module("eigencode")
    homes = [f"{home}.{n}" for home, names in package._NAMES.items() for n in names]
    kinds = {path: isinstance(getattr(package, path.rpartition(".")[2]), type) for path in homes}
    lines = [
        f".. autoclass:: {p}\n   :members:\n" if is_class else f".. autofunction:: {p}\n"
        for p, is_class in kinds.items()
    ]
    found = [line for line, path in zip(lines, homes) if path.startswith("eigencode.base.")]
    elsewhere = [p for p in homes if not p.startswith("eigencode.base.")]
    listed = "\n".join(f"* `ec.{p.rpartition('.')[2]}` is `{p}`" for p in elsewhere)
    return (
        "# eigencode\n\nThe names of `import eigencode as ec`. What every module shares stands here; the others have "
        f"pages of their own:\n\n{listed}\n\n```{{eval-rst}}\n" + "\n".join(found) + "```\n"
    )


def benchmarks(rows: list[dict]) -> str:
    """The benchmark page from the rows of published/bench.json."""
    lines = ["| work | straightforward | here | ratio | wanted | the same numbers? |", "|---|---:|---:|---:|---:|---|"]
    for row in rows:
        wanted = row["wanted"]
        missed = " (missed)" if wanted is not None and row["ratio"] < wanted else ""
        cells = (
            row["work"] + (f"; {row['note']}" if row["note"] else ""),
            f"{row['straightforward_s']:.4g} s",
            f"{row['product_s']:.4g} s",
            f"{row['ratio']:.1f}{missed}",
            "" if wanted is None else f"{wanted:.1f}",
            row["agreement"],
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return BENCHMARKS.format(table="\n".join(lines), machines="\n".join(sorted({_machine(r) for r in rows})))


def _machine(row: dict) -> str:
    where = row["provenance"]
    names = ", ".join(f"{k} {v}" for k, v in where["versions"].items())
    return (
        f"* Measured on {where['processor']}, {where['threads']} threads, accelerator: {where['accelerator']}; {names}."
    )


def escaped(lines: list[str]) -> list[str]:
    """A docstring whose formulae survive reStructuredText: |x|, W* and x_ mean themselves, and so does what is indented
    for display.

    >>> escaped(["Scales by |W|.", "", "    y = |x|", "", "and `|W|`."])
    ['Scales by \\\\|W\\\\|.', '', '::', '', '    y = |x|', '', 'and `|W|`.']
    """
    found: list[str] = []
    doctest = section = shown = False
    for i, line in enumerate(lines):
        indented = line.startswith("    ")
        before = lines[i - 1] if i else ""
        if not line.strip():
            doctest = False
        elif line.lstrip().startswith(">>>"):
            doctest = True
        if line.strip() and not indented:
            section, shown = bool(re.fullmatch(r"[A-Z][a-z]+:", line)), False
        elif indented and not before.strip() and not section and not doctest and not shown:
            found += ["::", ""]
            shown = True
        found.append(line if doctest or shown else _marked(line))
    return found


def _marked(line: str) -> str:
    """A line with its special characters escaped, outside of `code`."""
    parts = re.split(r"(`+[^`]*`+)", line)
    return "".join(p if i % 2 else re.sub(r"(?<!\\)([|*]|_\b(?!\w))", r"\\\1", p) for i, p in enumerate(parts))
