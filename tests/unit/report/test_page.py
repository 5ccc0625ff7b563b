"""Figures and page: there, repeatable to the byte, closed to the outside, and safe from names."""

import base64
import csv
import hashlib
import html
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hostile import NAMES, edit, renamed

from eigencode.base.errors import InputError
from eigencode.report import StudyRun, build
from eigencode.report._numbers import ranged
from eigencode.report.build import _file_names
from eigencode.report.figures import FIGURES
from eigencode.report.figures._style import HEIGHT, label, style
from eigencode.report.figures.plot import COLUMNS
from eigencode.report.figures.robustness import robustness
from eigencode.report.view import MODELS, View
from eigencode.robustness.curve import Curve
from eigencode.study._integrity import META, sealed

DRAWN = [
    *("pruning", "receptive_fields", "robustness", "robustness2", "seeds", "slopes", "spectra", "tradeoff"),
    *("training", "windows", "windows2"),
]


class Reader(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page_of(run: StudyRun) -> str:
    return (run.folder / "report.html").read_text("utf-8")


def svg_of(run: StudyRun, name: str) -> str:
    return (run.folder / "figures" / f"{name}.svg").read_text("utf-8")


KINDS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-1", "csv": b'"run","data"'}


def test_all_figures_are_written_in_four_kinds(built: StudyRun) -> None:
    files = {p.name: p.read_bytes() for p in (built.folder / "figures").iterdir()}
    assert sorted(files) == sorted(f"{name}.{kind}" for name in DRAWN for kind in KINDS)
    for name, content in files.items():
        assert content.startswith(KINDS[name.rpartition(".")[2]]), name
        assert len(content) > (200 if name.endswith("csv") else 4000), name
        if name.endswith("svg"):
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_no_date_and_no_version_of_matplotlib_is_in_a_figure(built: StudyRun) -> None:
    """That the same results give the same bytes is tested with `eigencode report` in end_to_end/test_run.py."""
    drawn = {p: p.read_bytes() for p in built.folder.rglob("*.*") if p.suffix in (".svg", ".pdf")}
    assert len(drawn) == 2 * len(DRAWN)
    assert not any(re.search(rb"20\d\d-\d\d-\d\d|D:20\d\d|[Mm]atplotlib v", c) for c in drawn.values())


def test_every_model_and_fit_is_named_in_the_figures(built: StudyRun) -> None:
    spectra, robustness = svg_of(built, "spectra"), svg_of(built, "robustness") + svg_of(built, "robustness2")
    for entry in built.results["summary"]:
        if entry["quantity"] in ("α images", "α noise"):
            assert f"{entry['model']}  {ranged(entry['mean'], entry['low'], entry['high'])}" in spectra
    for word in (*built.models, "relative accuracy", "critical size, FGSM", "ε, linf, unit space"):
        assert word in robustness


@pytest.mark.parametrize("left_out", ["curve", "critical", None])
def test_no_panel_is_empty(run: StudyRun, left_out: str | None) -> None:
    edit(run, cells=[c for c in run.results["cells"] if c["kind"] != left_out])
    plots = list(robustness(View([run]), "digits"))
    assert len(plots) == (2 if left_out is None else 1)
    for plot in plots:
        assert all(axes.lines and axes.axison for axes in plot.panels)
        assert sum(axes.axison for axes in plot.figure.axes) == len(plot.panels)


@pytest.mark.parametrize("study", ["built", "learned"])
def test_every_figure_names_its_axes_and_models_and_fits_on_a_page(request: pytest.FixtureRequest, study: str) -> None:
    view = View([request.getfixturevalue(study)])
    with style():
        for name, (draw, caption, note) in FIGURES.items():
            for plot in draw(view, "digits"):
                plot.finish()
                assert plot.figure.get_figheight() <= HEIGHT
                assert (caption[-1] != ".", note[-1]) == (True, ".")
                for axes in plot.panels:
                    if axes.axison:
                        assert axes.get_xlabel() or axes.get_xticklabels(), name
                        assert axes.get_ylabel() or axes.get_yticklabels(), name
                legends = [*plot.figure.legends, *(a.get_legend() for a in plot.panels if a.get_legend())]
                words = [
                    t.get_text()
                    for a in plot.panels
                    for t in (a.title, *a.texts, *a.get_yticklabels(), *a.get_xticklabels())
                ]
                told = " ".join([*words, *(t.get_text() for found in legends for t in found.get_texts())])
                for mark in plot.marks:
                    assert mark["series"].model in told, name
                assert all(len(found.get_texts()) <= 8 for found in legends), name


def test_the_csv_of_a_figure_has_the_numbers_of_the_store(built: StudyRun) -> None:
    path = built.folder / "figures" / "robustness.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    assert tuple(rows[0]) == COLUMNS
    mine = [r for r in rows if (r["model"], r["panel"]) == ("BP", "FGSM")]
    found = built.load(Curve, data="digits", model="BP", quantity=mine[0]["panel"])
    assert [float(r["x"]) for r in mine] == pytest.approx(found[0].eps.tolist(), rel=1e-4)
    mean = sum(c.relative_accuracy for c in found) / len(found)
    assert [float(r["y"] or "nan") for r in mine] == pytest.approx(mean.tolist(), rel=1e-4, nan_ok=True)
    assert all(float(r["low"]) <= float(r["y"]) <= float(r["high"]) for r in mine if r["y"])


def test_the_page_asks_nothing_of_the_network(built: StudyRun) -> None:
    page = page_of(built)
    read = Reader(page)
    assert not {"link", "iframe", "object", "embed", "form", "base", "img"} & set(read.tags)
    addresses = [v for n, v in read.attributes if n in ("src", "href", "srcset", "action", "poster", "data")]
    assert all(re.match(r"#[\w-]+$|data:image/png;base64,\s", a) for a in addresses)
    assert not re.search(r"url\((?!#)|@import|https?://", page)


def test_only_the_script_and_the_style_of_the_page_count(built: StudyRun) -> None:
    page = page_of(built)
    head = html.unescape(page.split("<style>")[0])
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        (source,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        (rule,) = re.findall(rf"{name} ([^;]*);", head)
        assert rule == f"'sha256-{digest(source)}'"
    assert not re.search(r"<[^>]*\s(on\w+|style)\s*=", page.split("<script")[0].replace("</style>", ""))


def digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def test_the_page_is_small_and_its_data_strict(built: StudyRun) -> None:
    page = page_of(built)
    assert len(page.encode()) < 1_500_000
    (text,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page)
    assert not set(text) & set("<>&\u2028\u2029")
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["models"] == ["Init", "KH", "BP", "data"]
    assert sorted(found["figures"]) == DRAWN
    assert all(entry["sums"] for entry in found["figures"]["spectra"]["spectra"])


def test_what_the_script_moves_is_in_the_figure(built: StudyRun) -> None:
    page = page_of(built)
    (text,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page)
    identities = [v for n, v in Reader(page).attributes if n == "id"]
    assert len(set(identities)) == len(identities)
    for name, figure in json.loads(text)["figures"].items():
        numbered = {int(m) for i in identities for m in re.findall(rf"^{name}-mark-(\d+)-", i)}
        shown = {k for k, mark in enumerate(figure["marks"]) if "x" in mark and not {"aside", "z"} & set(mark)}
        assert shown <= numbered, name
        for piece in figure["pieces"]:
            assert {f"{name}-{i}" for i in piece["ids"]} <= set(identities), name


def test_the_page_says_what_the_table_says(built: StudyRun) -> None:
    read = Reader(page_of(built))
    text = " ".join(" ".join(read.words).split())
    words = ("A tiny study", "the local layer has not converged", "torch", "The study as it was run")
    words = (
        *words,
        "hidden layer trained by the local Krotov–Hopfield rule",
        "unit space",
        "the differences may be chance",
    )
    for word in (*built.models, *built.results["headline"], *words):
        assert word in text
    for entry in (s for s in built.results["summary"] if s["quantity"] in built.results["headline"]):
        assert entry["convention"] in text
        assert ranged(entry["mean"], entry["low"], entry["high"]) in text


SHAPES = {"svg", "g", "defs", "path", "use", "text", "tspan", "clippath", "rect", "image", "circle", "lineargradient"}


def outside(page: str) -> str:
    """A page without its figures: the layout of a figure depends on the length of its words."""
    return re.sub(r"<svg.*?</svg>", "", page, flags=re.S)


SIX_AT_A_TIME = [tuple(NAMES.values())[i : i + 6] for i in range(0, len(NAMES), 6)]


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("names", SIX_AT_A_TIME, ids=["first", "second", "third"])
def test_a_name_is_only_a_name(built: StudyRun, run: StudyRun, names: tuple[str, ...]) -> None:
    plain = Reader(outside(page_of(built)))
    renamed(run, *names)
    build(run)
    page = page_of(run)
    read = Reader(outside(page))
    assert read.tags == plain.tags
    assert [n for n, _ in read.attributes] == [n for n, _ in plain.attributes]
    drawn = [Reader(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.S)]
    assert {t for svg in drawn for t in svg.tags} <= SHAPES
    assert not [n for svg in drawn for n, _ in svg.attributes if n.startswith("on") or n == "style"]
    assert not set(page) & set("\x00\x07\x1b\x9b\u202e\u2066\u2028")
    assert len(page) - len(page_of(built)) < 60_000
    assert [p.name for p in run.folder.parent.iterdir()] == ["tiny"]
    files = [p.name for p in (run.folder / "figures").iterdir()]
    assert sorted(files) == sorted(f"{n}.{kind}" for n in DRAWN for kind in KINDS)
    for name in DRAWN:
        assert not [e for e in ElementTree.fromstring(svg_of(run, name)).iter() if e.tag.endswith("script")]


@pytest.mark.usefixtures("coarse")
def test_a_study_of_which_nothing_was_finished_still_has_a_page(run: StudyRun, tmp_path: Path) -> None:
    edit(run, rows=[], summary=[])
    page = build(replace(run, store=tmp_path / "empty")).read_text("utf-8")
    assert "A tiny study" in page


def test_a_spectrum_without_a_fit_is_drawn_without_a_line(run: StudyRun, only_figure: Callable[[str], None]) -> None:
    only_figure("spectra")
    cells = [{**c, "read": {**c["read"], "window": [11, 500]}} for c in run.results["cells"]]
    edit(run, cells=cells)
    build(run)
    assert not re.search(r">\s*α<", svg_of(run, "spectra"))
    assert "KH" in svg_of(run, "spectra")


def test_a_record_of_another_version_is_told_from_a_defect(finished: StudyRun, run: StudyRun, tmp_path: Path) -> None:
    key = run.cells(kind="curve")[0]["key"]
    shutil.copytree(finished.store / "steps" / key, tmp_path / "store" / "steps" / key)
    path = tmp_path / "store" / "steps" / key / "record.json"
    path.write_text(path.read_text().replace('"seed"', '"sprout"'))
    (path.parent / META).write_text(json.dumps(sealed(path.parent, key, {})))
    with pytest.raises(InputError, match="another version of this package"):
        build(replace(run, store=tmp_path / "store"))


def test_data_sets_have_figures_of_their_own() -> None:
    names = ["digits", "folder:a/b", "folder:a_b", "folder:A_b", "../../x", "x" * 300, "x" * 301, "日本", "語学", ""]
    files = _file_names(names)
    assert list(files) == names
    assert len({f.lower() for f in files.values()}) == len(names)
    for file in files.values():
        assert re.fullmatch(r"[A-Za-z0-9._-]{0,90}", file)
        assert "/" not in file


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_labels_are_short_and_literal(name: str) -> None:
    from matplotlib.text import Text

    text = label(name)
    assert len(text.replace(r"\$", "$")) <= 41
    assert not text.startswith("_")
    shown, formula = Text()._preprocess_math(text)
    assert formula is False
    assert "$" in shown or "$" not in name


def test_the_same_model_has_the_same_colour_and_marker_wherever_it_stands(built: StudyRun) -> None:
    looks: dict[str, set[tuple[str, str]]] = {}
    for view in (View([built]), View([built, built])):
        for series in view.series("digits"):
            looks.setdefault(series.model, set()).add((series.colour, series.marker))
    assert [len(found) for found in looks.values()] == [1, 1, 1, 1]
    assert len(set.union(*looks.values())) == 4
    assert len(set(MODELS)) == 16
