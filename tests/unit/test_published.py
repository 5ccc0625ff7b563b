"""Numbers quoted in README and docs are those of the files a command wrote."""

import json
import re
import sys
from pathlib import Path

import pytest

from eigencode.base.strict_json import number
from eigencode.study import plan, read_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "tools", raising=False)
    from tools import publish

    return publish


def test_quoted_tables_are_the_published_results(publish) -> None:
    for path in publish.quoting_files():
        text = path.read_text("utf-8")
        assert publish.refreshed(text) == text, f"{path.name} quotes other numbers than published/: run tools.publish"


@pytest.mark.parametrize("path", sorted((ROOT / "published").rglob("results.json")), ids=lambda p: p.parent.name)
def test_no_published_number_lies_outside_its_own_interval(path: Path) -> None:
    found = json.loads(path.read_text("utf-8"))
    for entry in (*found["rows"], *found["summary"], *found["claims"]):
        low, value, high = (number(entry[k]) for k in ("low", "mean" if "mean" in entry else "value", "high"))
        assert not value < low - 1e-12, entry
        assert not value > high + 1e-12, entry


def test_the_demo_of_readme_is_of_this_code() -> None:
    """A change of a step's code makes its published numbers old: `make demo`, then `python -m tools.publish demo`."""
    found = json.loads((ROOT / "published/demo/results.json").read_text("utf-8"))
    place = ("data", "model", "seed", "quantity")
    published = {tuple(cell[k] for k in place): cell["key"] for cell in found["cells"]}
    now = {
        tuple(getattr(cell, k) for k in place): cell.step.key for cell in plan(read_study(ROOT / "studies/demo.toml"))
    }
    assert published == now


def test_every_picture_and_file_that_is_linked_exists(publish) -> None:
    for path in publish.quoting_files():
        for target in re.findall(r"\]\(((?!https?:|#)[^)]+)\)", path.read_text("utf-8")):
            assert (path.parent / target.split("#")[0]).exists(), f"{path.name} links to {target}"


def test_a_wrong_number_would_be_noticed(publish) -> None:
    for kind in ("table: published/demo/results.json", "claims: published/demo/results.json"):
        text = f"<!-- {kind} -->\n| 0.123 |\n<!-- end of table -->"
        made = publish.refreshed(text)
        assert made != text
        assert publish.refreshed(made) == made


VERDICTS = re.compile(r"\b(reproduced|reversed|undecided|rejects?|accepts?|proves?|proved)\b")
SAID = re.compile(r"(?<![\d.−])(?!95 %)−?\d+(?:\.\d+| %)(?!\.?\d)")


@pytest.mark.parametrize(
    "path", [ROOT / "docs/paper.md", *sorted(ROOT.glob("docs/appendix/*.md"))], ids=lambda p: p.stem
)
def test_every_number_and_verdict_about_the_paper_is_held_to_a_file(publish, path: Path) -> None:
    text = path.read_text("utf-8")
    for prose, held in publish.paragraphs(re.sub(r"\]\([^)]*\)|`[^`\n]*`|arXiv \d+\.\d+", "]", text)):
        figures = {fact.rsplit(" | ", 1)[-1] for comment in held for fact in publish.SEPARATOR.split(comment)}
        free = set(SAID.findall(prose)) - figures
        assert not free, f"no file holds {free} in: {prose[:200]}"
        assert held or not VERDICTS.search(prose), f"no file holds the verdict in: {prose[:200]}"


def test_what_is_held_to_a_file_stands_there(publish) -> None:
    found = []
    for path in publish.quoting_files():
        for prose, held in publish.paragraphs(path.read_text("utf-8")):
            found += [f"{path.name}: {why}" for comment in held for why in publish.broken(prose, comment)]
    assert not found, "\n".join(found)


def test_the_answer_in_readme_is_that_of_the_page(publish) -> None:
    answers = [
        [re.sub(r"\]\([^)]*\)", "]", prose) for prose, held in publish.paragraphs(text) if re.match(r"\d\. ", prose)]
        for text in (
            (ROOT / "README.md").read_text("utf-8"),
            (ROOT / "docs/paper.md").read_text("utf-8").split("\n## ")[0],
        )
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 4


BRISK = "published/paper/brisk_cifar10/results.json"
CLAIMS = len(json.loads((ROOT / BRISK).read_text("utf-8"))["claims"])


@pytest.mark.parametrize(
    ("prose", "held", "agrees"),
    [
        ("is 0.418 here", "summary > KH > test accuracy > mean | 0.418", True),
        ("is 41.8 % here", "summary > KH > test accuracy > mean | 41.8 %", True),
        ("is 0.419 here", "summary > KH > test accuracy > mean | 0.419", False),
        ("is 0.4189 here", "summary > KH > test accuracy > mean | 0.418", False),
        ("nothing", "claims > local learning gives a power law on images | reversed", True),
        ("nothing", "claims > local learning withstands more PGD than BP | reproduced, not after Holm", True),
        ("nothing", "claims > local learning withstands more PGD than BP | reproduced", False),
        ("is 12.5", "deviations > D7 > KH > corrected | 12.5", True),
        ("one of them", "claims > undecided* > published* > count | one", False),
        (f"all {CLAIMS} claims", f"claims > count | {CLAIMS}", True),
    ],
)
def test_a_sentence_is_compared_with_its_file(publish, prose: str, held: str, agrees: bool) -> None:
    assert (publish.broken(prose, f"{BRISK}; {held}") == []) is agrees


def test_a_place_that_is_not_in_the_file_is_an_error(publish) -> None:
    with pytest.raises((KeyError, ValueError)):
        publish.broken("0.4", f"{BRISK}; summary > KH > no such quantity > mean | 0.4")


def test_a_matrix_of_verdicts(publish) -> None:
    claim = "local learning gives a power law on noise"
    made = publish.matrix(f"here = {BRISK}", "MNIST = published/paper/brisk_mnist/results.json", claim)
    assert made.splitlines()[2] == f"| {claim} | a power law | ⚪ undecided, opposite sign | 🔴 reversed |"


def test_a_table_of_some_quantities(publish) -> None:
    found = publish.refreshed("<!-- table: published/demo/results.json; α noise -->\n<!-- end of table -->")
    assert found.splitlines()[1] == "| mnist5k | α noise |"


def test_deviations_as_a_table(publish) -> None:
    entry = {"id": "D7", "model": "KH", "quantity": "noise", "published": 1.0, "corrected": 2.0, "difference": None}
    entry |= dict.fromkeys(("published_low", "corrected_low", "low"), -1.5)
    entry |= {"published_high": "Infinity", "corrected_high": 2.5, "high": None}
    assert publish.deviations({"deviations": [entry]}).splitlines()[2] == (
        "| D7 | KH | noise | 1 | 2 [-1.5, 2.5] | – |"
    )


def test_relations_as_a_table(publish) -> None:
    shown = (("a", "pooled", 1.0), ("b", "pooled", -1.0), ("", "R2", 0.5))
    effects = [{"predictor": p, "effect": e, "value": v, "low": v - 1, "high": v + 1} for p, e, v in shown]
    relation = {"name": "R", "controls": ["c"], "predictors": ["a", "b"], "points": [{}] * 3, "effects": effects}
    assert publish.relations({"relations": [relation]}).splitlines()[2:] == [
        "| R, given c | 3 | a | 1 [0, 2] |  |  |  |  |  |  |",
        "| R, given c | 3 | b | -1 [-2, 0] |  |  |  | 0.5 [-0.5, 1.5] |  |  |",
    ]


def test_a_comparison_of_tools(publish) -> None:
    one = {
        "topic": "A",
        "tool": "x",
        "quantity": "α",
        "value": 1.23456,
        "spread": 0.01234,
        "truth": 1,
        "seconds": 0.123,
    }
    two = {**one, "tool": "y", "spread": None, "truth": None, "seconds": None}
    lines = publish.comparison({"results": [two, {**one, "topic": "B"}, one]}, "A").splitlines()
    assert lines[2:] == ["| A | y | α | 1.235 |  |  |", "| A | x | α | 1.235 ± 0.012 | 1 | 0.12 |"]


def test_the_comparison_with_other_tools_agrees_where_it_must() -> None:
    found = json.loads((ROOT / "published/compare.json").read_text("utf-8"))["results"]
    value = {(r["topic"], r["tool"], r["quantity"]): r["value"] for r in found}
    for images in ("2000", "500"):
        topic = f"α = 1, {images} images"
        assert value[topic, "reptrix", "α"] == pytest.approx(value[topic, "eigencode", "α, plain fit"], abs=1e-4)
    exact = [r for r in found if r["quantity"] == "exact"]
    assert len(exact) == 2
    for r in (*exact, *(r for r in found if (r["tool"], r["quantity"]) == ("eigencode", "RankMe"))):
        assert r["value"] == pytest.approx(r["truth"], rel=1e-5)


def test_a_tool_that_is_not_installed_is_named(publish) -> None:
    from benchmarks.compare import Missing, tool

    with pytest.raises(Missing, match=r"^no_such_tool$"):
        tool("no_such_tool.part")
