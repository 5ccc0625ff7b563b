"""The table of the terminal: every number, every warning, and no name that is more than a name."""

import io
import json
import re

import pytest
from hostile import NAMES, edit, renamed
from rich.console import Console

from eigencode.base.errors import EigencodeError, InputError
from eigencode.report import StudyRun
from eigencode.report._numbers import ranged
from eigencode.report._table import grid, marks, show, warning_lines

CLAIM = {
    **{"data": "digits", "statement": "A is better", "quantity": "test accuracy", "compared": "A − B", "published": ""},
    **{"value": 1.0, "low": 0.5, "high": 1.5, "seeds": 2},
}


def shown(run: StudyRun, width: int = 10_000, terminal: bool = False) -> str:
    out = io.StringIO()
    show(
        run.results,
        Console(file=out, width=width, force_terminal=terminal, color_system="truecolor" if terminal else None),
    )
    return out.getvalue()


def test_every_number_of_the_headline_is_there(run: StudyRun) -> None:
    text = shown(run)
    assert "digits: mean of 2 seeds ± half of the 95 % interval over seeds and images" in text
    shown_in_table = [s for s in run.results["summary"] if s["quantity"] in run.results["headline"]]
    assert len(shown_in_table) == 3 * 5 + 2
    for entry in shown_in_table:
        number = ranged(entry["mean"], entry["low"], entry["high"])
        missing = "" if entry["seeds"] == 2 else " (1 of 2 seeds)"
        assert f"│ {number}{missing} {marks(entry)}".rstrip() in re.sub("│ +", "│ ", text)
    rows = [line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│")]
    assert rows == ["data", "Init", "KH", "BP"]
    header = [cell.strip() for cell in text.splitlines()[2].split("┃")]
    assert header[1:-1] == ["", *run.results["headline"]]


def test_a_warning_stands_beside_its_numbers_and_once_below(run: StudyRun) -> None:
    text = shown(run)
    (kh,) = (line for line in text.splitlines() if line.startswith("│ KH"))
    assert kh.count("!") == len(run.results["headline"])
    said: dict[str, list[str]] = {}
    for entry in run.results["summary"]:
        for word in entry["warnings"]:
            if entry["model"] not in said.setdefault(word, []):
                said[word].append(entry["model"])
    assert any("the local layer has not converged" in w and models == ["KH"] for w, models in said.items())
    lines = [line for line in text.splitlines() if line.startswith("! ")]
    more = [int(n) for line in lines for n in re.findall(r"\(and (\d+) more like it\)$", line)]
    assert len(lines) + sum(more) == len(said)
    for line in lines:
        who, word = line[2:].split(": ", 1)
        assert said[re.sub(r" \(and \d+ more like it\)$", "", word)] == who.split(", ")


def test_every_column_says_its_unit(run: StudyRun) -> None:
    lines = shown(run).splitlines()
    assert "test accuracy: share of 60 test images" in lines
    assert "critical size, noise, critical size, FGSM: median L2, unit space" in lines
    said = [
        name for line in lines for name in run.results["headline"] if re.match(rf"(.*, )?{re.escape(name)}[,:]", line)
    ]
    assert sorted(said) == sorted(run.results["headline"])


def test_warnings_that_differ_in_a_number_are_said_once(run: StudyRun) -> None:
    entry = {"data": "digits", "quantity": "q", "mean": 1.0, "spread": None, "seeds": 1, "convention": ""}
    words = {"A": ["3 of 9 never", "4 of 9 never", "other"], "B": ["5 of 9 never", "other"]}
    edit(run, summary=[{**entry, "model": m, "warnings": w} for m, w in words.items()])
    assert warning_lines(run.results) == [
        "! A: 3 of 9 never (and 1 more like it)",
        "! A, B: other",
        "! B: 5 of 9 never",
    ]


def test_missing_seeds_are_told(run: StudyRun) -> None:
    summary = [s for s in json.loads((run.folder / "results.json").read_text("utf-8"))["summary"] if s["model"] == "BP"]
    edit(run, summary=[{**s, "seeds": 1, "spread": None} for s in summary])
    assert shown(run).count("(1 of 2 seeds)") == len(run.results["headline"])
    assert {m["name"] for m in grid(run.results, "digits")} == {"BP"}


def test_numbers_that_do_not_exist(run: StudyRun) -> None:
    entry = {"data": "digits", "model": "A", "quantity": "test accuracy", "seeds": 2, "convention": "", "warnings": []}
    odd = [
        {**entry, "model": "A", "mean": "Infinity", "spread": None},
        {**entry, "model": "B", "mean": None, "spread": None},
    ]
    edit(run, summary=odd)
    lines = [line.split("│") for line in shown(run).splitlines() if line.startswith("│")]
    assert [line[2].strip() for line in lines] == ["∞", "–"]


def test_numbers_that_do_not_exist_are_read_back(run: StudyRun) -> None:
    row = json.loads((run.folder / "results.json").read_text("utf-8"))["rows"][0]
    edit(run, rows=[{**row, "value": None, "low": "-Infinity", "high": "Infinity"}])
    (found,) = run.results["rows"]
    assert [str(found[k]) for k in ("value", "low", "high")] == ["nan", "-inf", "inf"]


def test_a_number_without_an_upper_end(run: StudyRun) -> None:
    (entry,) = [s for s in run.results["summary"] if (s["model"], s["quantity"]) == ("BP", "test accuracy")]
    edit(run, summary=[{**entry, "mean": 2.0, "low": 1.5, "high": "Infinity", "warnings": []}])
    assert re.search(r"│ +2 \(> 1\.5\) │", shown(run))


def test_results_of_an_older_version_have_no_intervals_and_no_correction(run: StudyRun) -> None:
    summary = [{k: v for k, v in entry.items() if k not in ("low", "high")} for entry in run.results["summary"]]
    edit(run, summary=summary, claims=[CLAIM | {"verdict": "partly"}])
    text = shown(run)
    assert "partly" in text
    assert " ± " not in "".join(line for line in text.splitlines() if line.startswith("│ BP"))


@pytest.mark.parametrize(
    ("verdict", "p_holm", "said"),
    [
        ("reproduced", 0.01, "yes"),
        ("reversed", 0.06, "no"),
        ("outside", 0.06, "no"),
        ("undecided, same sign", 0.01, ""),
        ("reproduced", None, ""),
    ],
)
def test_a_verdict_stands_beside_the_same_among_all_claims(
    run: StudyRun, verdict: str, p_holm: float | None, said: str
) -> None:
    edit(run, claims=[{**CLAIM, "verdict": verdict, "p_holm": p_holm}])
    (line,) = [line for line in shown(run).splitlines() if f" {verdict} " in line]
    assert [cell.strip() for cell in line.split("│")][6:8] == [verdict, said]


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_loses_no_digit(run: StudyRun, width: int) -> None:
    text = shown(run, width)
    assert max(map(len, text.splitlines())) <= width
    digits = sum(c.isdigit() for line in shown(run).splitlines() if line.startswith("│") for c in line)
    assert sum(c.isdigit() for line in text.splitlines() if line.startswith("│") for c in line) == digits


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
@pytest.mark.parametrize("terminal", [False, True])
def test_a_name_is_only_a_name(run: StudyRun, name: str, terminal: bool) -> None:
    plain = shown(run, terminal=terminal)
    renamed(run, name)
    text = shown(run, terminal=terminal)
    assert len(text.splitlines()) == len(plain.splitlines())
    colours = {part.split("m")[0] for part in plain.split("\x1b[")[1:]}
    assert {part.split("m")[0] for part in text.split("\x1b[")[1:]} == colours
    assert not {"\x07", "\x00", "\r", "\x9b", "\u202e", "\u2066", "\u2028"} & set(text)
    assert "\x1b]" not in text
    assert len(text) < 40_000
    if name.startswith("["):
        assert name in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no results here"),
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"rows": [], "summary": [{"mean": "many"}]}', "cannot be read"),
        ('{"summary": []}', "cannot be read"),
    ],
)
def test_a_file_that_is_no_result(run: StudyRun, content: str | None, says: str) -> None:
    path = run.folder / "results.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(EigencodeError, match=says):
        show(run.results, Console(file=io.StringIO()))


def test_a_report_is_found_again_with_its_store(finished: StudyRun, run: StudyRun) -> None:
    assert StudyRun.found(finished.folder).store == finished.store.resolve()
    assert len(StudyRun.found(run.folder, finished.store).cells()) == 48
    with pytest.raises(InputError, match="none of the steps"):
        StudyRun.found(run.folder)
