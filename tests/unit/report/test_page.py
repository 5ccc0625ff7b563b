"""Figures and page: there, repeatable to the byte, closed to the outside, and safe from names."""

import base64
import hashlib
import html
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
from eigencode.report.figures._style import colours, label
from eigencode.report.figures.robustness import robustness
from eigencode.report.html._embedded import plotly
from eigencode.report.html.parts import PARTS
from eigencode.study._integrity import META, sealed

FIGURES = ["pruning", "receptive_fields", "robustness", "seeds", "slopes", "spectra", "tradeoff", "windows"]


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


KINDS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-1"}


def test_all_figures_are_written_in_three_kinds(built: StudyRun) -> None:
    files = {p.name: p.read_bytes() for p in (built.folder / "figures").iterdir()}
    assert sorted(files) == sorted(f"{name}.{kind}" for name in FIGURES for kind in KINDS)
    for name, content in files.items():
        assert content.startswith(KINDS[name.rpartition(".")[2]]), name
        assert len(content) > 4000, name
        if name.endswith("svg"):
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_no_date_and_no_version_of_matplotlib_is_in_a_figure(built: StudyRun) -> None:
    """That the same results give the same bytes is tested with `eigencode report` in end_to_end/test_run.py."""
    drawn = {p: p.read_bytes() for p in built.folder.rglob("*.*") if p.suffix in (".svg", ".pdf")}
    assert len(drawn) == 2 * len(FIGURES)
    assert not any(re.search(rb"20\d\d-\d\d-\d\d|D:20\d\d|[Mm]atplotlib v", c) for c in drawn.values())


def test_every_model_and_fit_is_named_in_the_figures(built: StudyRun) -> None:
    spectra, robustness = svg_of(built, "spectra"), svg_of(built, "robustness")
    for entry in built.results["summary"]:
        if entry["quantity"] in ("α images", "α noise"):
            assert f"{entry['model']}  α = {entry['mean']:.2f}" in spectra
    for word in (*built.models, "relative accuracy", "critical size, FGSM", "ε, linf, unit space"):
        assert word in robustness


@pytest.mark.parametrize("left_out", ["curve", "critical", None])
def test_no_panel_is_empty(run: StudyRun, left_out: str | None) -> None:
    edit(run, cells=[c for c in run.results["cells"] if c["kind"] != left_out])
    figure = robustness(run, "digits")
    assert figure is not None
    assert [bool(a.lines) for a in figure.axes] == [a.axison for a in figure.axes]
    assert sum(a.axison for a in figure.axes) == {"curve": 2, "critical": 1, None: 3}[left_out]


def test_the_page_asks_nothing_of_the_network(built: StudyRun) -> None:
    page = page_of(built)
    read = Reader(page)
    assert not {"link", "iframe", "object", "embed", "form", "base", "img"} & set(read.tags)
    addresses = [v for n, v in read.attributes if n in ("src", "href", "srcset", "action", "poster", "data")]
    assert any(a.startswith("figures/") for a in addresses)
    for address in addresses:
        assert address.startswith("#") or (built.folder / address).is_file(), address
    own = page.replace(str(plotly()), "")
    assert len(own) < len(page) - 10**6
    assert not re.search(r"url\(|@import|https?://", own.replace("http://www.w3.org/2000/svg", ""))


def test_only_the_scripts_of_the_page_may_run(built: StudyRun) -> None:
    page = page_of(built)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(scripts) == 2
    (rule,) = re.findall(r"script-src ([^;]*);", html.unescape(page.split("<style>")[0]))
    assert rule == " ".join(f"'sha256-{digest(s)}'" for s in scripts)
    assert "unsafe" not in rule
    assert not re.search(r"<[^>]*\son\w+\s*=", page.replace(str(plotly()), "").split("<script")[0])


def digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def test_the_page_is_small_and_its_data_strict(built: StudyRun) -> None:
    page = page_of(built)
    assert len(page.encode()) < 8_000_000
    (text,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page)
    assert not set(text) & set("<>&\u2028\u2029")
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["models"] == ["Init", "KH", "BP", "data"]
    assert {k for k in PARTS if found[k]} == set(PARTS) - {"widths", "landscapes"}
    assert found["spectra"]["entries"]


def test_the_page_says_what_the_table_says(built: StudyRun) -> None:
    read = Reader(page_of(built))
    text = " ".join(" ".join(read.words).split())
    words = ("A tiny study", "the local layer has not converged", "torch", "The study as it was run")
    for word in (*built.models, *built.results["headline"], *words):
        assert word in text
    for entry in (s for s in built.results["summary"] if s["quantity"] in built.results["headline"]):
        assert entry["convention"] in text
        assert ranged(entry["mean"], entry["low"], entry["high"]) in text


SIX_AT_A_TIME = [tuple(NAMES.values())[i : i + 6] for i in range(0, len(NAMES), 6)]


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("names", SIX_AT_A_TIME, ids=["first", "second", "third"])
def test_a_name_is_only_a_name(built: StudyRun, run: StudyRun, names: tuple[str, ...]) -> None:
    plain = Reader(page_of(built))
    renamed(run, *names)
    build(run)
    page = page_of(run)
    read = Reader(page)
    assert read.tags == plain.tags
    assert [n for n, _ in read.attributes] == [n for n, _ in plain.attributes]
    assert not set(page) & set("\x00\x07\x1b\x9b\u202e\u2066\u2028")
    assert len(page) - len(page_of(built)) < 60_000
    assert [p.name for p in run.folder.parent.iterdir()] == ["tiny"]
    files = [p.name for p in (run.folder / "figures").iterdir()]
    assert sorted(files) == sorted(f"{n}.{kind}" for n in FIGURES for kind in KINDS)
    for name in FIGURES:
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
    assert "α =" not in svg_of(run, "spectra")
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


def test_the_same_model_has_the_same_colour_wherever_it_stands() -> None:
    assert colours(["A", "B"])["B"] == colours(["A", "B", "C"])["B"]
    assert len(set(colours(list("ABCDEFGHIJKLMNOP")).values())) == 16
