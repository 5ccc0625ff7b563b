"""Build the figures and the page of a study from its results, or one page that compares several."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

from eigencode.base.errors import InputError
from eigencode.base.files import replacing
from eigencode.report.figures import FIGURES
from eigencode.report.figures.style import save, style
from eigencode.report.html.page import MARK, page
from eigencode.report.run import StudyRun

PAGE = "report.html"


def build(run: StudyRun) -> Path:
    """Write `figures/*` (PDF, PNG, SVG) and `report.html` into the folder of the run; return the page's path."""
    folder = run.folder / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[tuple[str, str]] = []
    names = _safe(run.datasets)
    with style():
        for data in run.datasets:
            for name, (draw, caption) in FIGURES.items():
                figure = draw(run, data)
                if figure is not None:
                    full = name if len(run.datasets) == 1 else f"{name}-{names[data]}"
                    save(figure, folder / full)
                    drawn.append((full, caption if full == name else f"{caption} ({data})"))
    return _written(run.folder / PAGE, page([run], drawn))


def compare(runs: Sequence[StudyRun], path: Path) -> Path:
    """Write one page with several runs; return its path.

    Raises:
        InputError: there is a file of another kind already.
    """
    if path.exists() and not _ours(path):
        raise InputError("there is a file already", got=path, fix="another --out")
    return _written(path, page(runs))


def _ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return MARK.encode() in file.read(4000)


def _written(path: Path, text: str) -> Path:
    """The page appears when it is complete."""
    try:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError("cannot write the page", got=error, fix="another --out") from error
    return path


def _safe(names: list[str]) -> dict[str, str]:
    """File names: letters, digits, dot, dash and underscore only, no two equal even where capitals are."""
    found: dict[str, str] = {}
    for name in names:
        short = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)[:80]
        taken = {f.lower() for f in found.values()}
        found[name] = next(s for i in count(1) if (s := short if i == 1 else f"{short}-{i}").lower() not in taken)
    return found
