"""Build the figures and the page of a study from its results, or one page that compares several."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from eigencode.base.disk_errors import FULL
from eigencode.base.durable import replacing
from eigencode.base.errors import InputError
from eigencode.report.figures import FIGURES
from eigencode.report.figures._style import save, style
from eigencode.report.html._drawing import Drawing
from eigencode.report.html._page import MARK, page
from eigencode.report.run import StudyRun
from eigencode.report.view import View

PAGE = "report.html"


def build(run: StudyRun) -> Path:
    """Write `figures/*` (PDF, PNG, SVG, CSV) and `report.html` into the folder of the run; return the page's path."""
    folder = run.folder / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    view = View([run])
    return _write(run.folder / PAGE, page(view, list(drawings(view, folder))))


def compare(runs: Sequence[StudyRun], path: Path) -> Path:
    """Write one page that compares several runs; return its path.

    Raises:
        InputError: `path` exists and is not such a page.
    """
    if path.exists() and not _is_page(path):
        raise InputError("there is a file already", got=path, fix="another --out")
    view = View(runs)
    return _write(path, page(view, list(drawings(view))))


def drawings(view: View, folder: Path | None = None) -> Iterator[Drawing]:
    """Draw all figures of all data sets, and write their files into a folder, if there is one."""
    names = _file_names(view.data)
    with style():
        for data in view.data:
            for kind, (draw, caption, note) in FIGURES.items():
                for i, plot in enumerate(draw(view, data), 1):
                    name = kind + (str(i) if i > 1 else "") + (f"-{names[data]}" if len(view.data) > 1 else "")
                    plot.finish()
                    svg = None
                    if folder is not None:
                        _, file, _ = save(plot.figure, folder / name)
                        svg = file.read_text(encoding="utf-8")
                        with replacing(folder / f"{name}.csv") as part:
                            part.write_text(plot.csv(), encoding="utf-8", newline="")
                    yield Drawing.of(plot, name, view.data.index(data), caption, note, svg)


def _is_page(path: Path) -> bool:
    """True if the file is a page written by this package."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return MARK.encode() in file.read(4000)


def _write(path: Path, text: str) -> Path:
    """Write the page atomically."""
    try:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError("cannot write the page", got=error, fix="another --out") from error
    return path


def _file_names(names: list[str]) -> dict[str, str]:
    """Map names to file names of ASCII letters, digits, dot, dash and underscore, distinct even without case."""
    found: dict[str, str] = {}
    for name in names:
        short = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)[:80]
        taken = {f.lower() for f in found.values()}
        found[name] = next(s for i in count(1) if (s := short if i == 1 else f"{short}-{i}").lower() not in taken)
    return found
