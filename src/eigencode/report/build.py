"""Build the figures and the page of a study from its results."""

from itertools import count
from pathlib import Path

from eigencode.report.figures import FIGURES
from eigencode.report.figures.style import save, style
from eigencode.report.html.page import page
from eigencode.report.run import StudyRun


def build(run: StudyRun) -> Path:
    """Write `figures/*.png`, `figures/*.svg` and `index.html` into the folder of the run; return the page's path."""
    folder = run.folder / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    shown: dict[str, list[tuple[str, str, Path]]] = {}
    names = _safe(run.datasets)
    with style():
        for data in run.datasets:
            shown[data] = []
            for name, (draw, caption) in FIGURES.items():
                figure = draw(run, data)
                if figure is not None:
                    full = name if len(run.datasets) == 1 else f"{name}-{names[data]}"
                    shown[data].append((full, caption, save(figure, folder / full)[1]))
    path = run.folder / "index.html"
    path.write_text(page(run, shown), encoding="utf-8")
    return path


def _safe(names: list[str]) -> dict[str, str]:
    """File names: letters, digits, dot, dash and underscore only, no two equal even where capitals are."""
    found: dict[str, str] = {}
    for name in names:
        short = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)[:80]
        taken = {f.lower() for f in found.values()}
        found[name] = next(s for i in count(1) if (s := short if i == 1 else f"{short}-{i}").lower() not in taken)
    return found
