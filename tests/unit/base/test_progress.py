"""A progress bar for people only, gone when the work is."""

import io
import re
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from eigencode.base import progress as module
from eigencode.base.progress import clock, progress, quiet, shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    screen = Terminal()
    console = Console(file=screen, width=100, _environ={"TERM": "xterm"})
    monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=screen))
    monkeypatch.setattr(module, "_console", lambda: console)
    return screen


@pytest.fixture
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock takes a second."""
    seconds = iter(range(10_000))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))


def frames(terminal: Terminal) -> list[tuple[str, str]]:
    """(fraction, time left) of all that was drawn."""
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())
    return re.findall(r"counting sheep.*?(\d+)%\s+(\S+ \S+) left", plain)


@pytest.mark.usefixtures("slow_clock")
def test_it_shows_label_fraction_and_time_left_and_cleans_up(terminal: Terminal) -> None:
    assert list(progress(range(10), "counting sheep")) == list(range(10))
    assert frames(terminal)[0] == ("30", "7.0 s")  # patience 2 s: after item 3, 3 s gone, 7 items of 1 s left
    assert frames(terminal)[-1] == ("100", "0.0 s")
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K")  # the line is gone


def test_quick_work_shows_nothing(terminal: Terminal) -> None:
    assert list(progress([1, 2, 3], "quick")) == [1, 2, 3]
    assert terminal.getvalue() == ""


@pytest.mark.usefixtures("slow_clock")
def test_quiet_files_and_unknown_lengths_show_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    with quiet():
        with shown("a line"):
            assert list(progress(range(10), "x")) == list(range(10))
        assert terminal.getvalue() == ""
        with quiet(False):
            list(progress(range(10), "x"))
            assert terminal.getvalue() != ""
    written = terminal.getvalue()
    assert list(progress(iter(range(10)), "x")) == list(range(10))
    assert list(progress([], "x")) == []
    assert terminal.getvalue() == written
    plain = io.StringIO()
    monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=plain))
    with shown("a line"):
        assert list(progress(range(10), "x")) == list(range(10))
    assert plain.getvalue() == ""


@pytest.mark.usefixtures("slow_clock")
def test_an_iterator_with_a_total_is_shown(terminal: Terminal) -> None:
    assert list(progress(iter(range(10)), "counting sheep", total=10)) == list(range(10))
    assert frames(terminal)[-1][0] == "100"


@pytest.mark.usefixtures("slow_clock")
def test_the_line_is_cleared_when_the_work_fails(terminal: Terminal) -> None:
    def work() -> None:
        for i in progress(range(10), "counting sheep"):
            if i == 5:
                raise KeyError

    with pytest.raises(KeyError):
        work()
    assert frames(terminal)
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K")


@pytest.mark.usefixtures("slow_clock")
def test_a_bar_stands_below_the_line_that_is_kept_in_sight(terminal: Terminal) -> None:
    with shown("the run"):
        for _ in progress(range(10), "counting sheep"):
            time.sleep(0.08)  # drawn every quarter of a second
    assert re.search(r"the run\s+counting sheep", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue()))
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.7, "1 min 00 s"),
        (60, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (7260, "2 h 01 min"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
