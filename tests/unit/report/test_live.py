"""The line that moves says what runs and how long it will take, and is gone when the work is."""

import io
import time
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from fake_steps import Write
from rich.console import Console

from eigencode.base import progress as bars
from eigencode.measures import SpectrumMeasure
from eigencode.report import _live as module
from eigencode.report._live import Live
from eigencode.study.plan import Cell


@dataclass
class Watch:
    """A clock that moves when it is told to."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    monkeypatch.setattr(module, "time", found)
    return found


STEPS = [Write(text=str(i)) for i in range(4)]


def live(workers: int = 1) -> Live:
    return Live(
        [Cell("digits", "KH", i, "spectrum", "α", step, "α", SpectrumMeasure()) for i, step in enumerate(STEPS)],
        workers,
    )


def test_time_left_is_that_of_the_steps_to_come(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    told = live()
    told("start", STEPS[0], 0.0, 0, 4)
    assert told.line() == "[0/4] KH, seed 0: write"
    told("done", STEPS[0], 10.0, 1, 4)
    assert capsys.readouterr().err == "[1/4] done KH, seed 0: write  10.0 s\n"
    told("start", STEPS[1], 0.0, 1, 4)
    assert told.line() == "[1/4] KH, seed 1: write; about 30 s left"
    watch.now += 4
    assert told.left() == 26
    told("done", STEPS[1], 20.0, 2, 4)
    assert told.left() == 30  # two steps of 15 s
    told("failed", STEPS[2], 0.1, 3, 4)
    told("skipped", STEPS[3], 0.0, 4, 4)
    assert told.left() == 0
    assert capsys.readouterr().err.endswith("[4/4] skipped KH, seed 3: write  0.0 s\n")


def test_steps_of_other_processes_show_how_long_they_run(watch: Watch) -> None:
    told = live(2)
    told("cached", STEPS[0], 0.0, 1, 4)
    for step in STEPS[1:3]:
        told("start", step, 0.0, 1, 4)
    watch.now += 75
    assert told.line() == "[1/4] KH, seed 1: write 1 min 15 s, KH, seed 2: write 1 min 15 s"
    told("done", STEPS[1], 80.0, 2, 4)
    assert told.left() == (5 + 80) / 2


def test_finished_steps_of_a_second_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = live()
    told("start", STEPS[0], 0.0, 0, 4)
    told("done", STEPS[0], 0.2, 1, 4)
    told("done", STEPS[1], 2.0, 2, 4)
    assert capsys.readouterr().err == "[2/4] done KH, seed 1: write  2.0 s\n"


def test_a_narrow_terminal_never_breaks_the_line() -> None:
    told = live()
    told("start", STEPS[0], 0.0, 0, 4)
    (line,) = Console(width=20).render_lines(told)
    assert "".join(segment.text for segment in line) == "[0/4] KH, seed 0: w…"


def test_the_line_moves_by_itself_and_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen, told = Screen(), live(2)
    console = Console(file=screen, _environ={"TERM": "xterm"})
    monkeypatch.setattr(bars, "sys", SimpleNamespace(stderr=screen))
    monkeypatch.setattr(bars, "_console", lambda: console)

    def interrupted() -> None:
        with bars.shown(told):
            told("start", STEPS[0], 0.0, 0, 4)
            end = time.monotonic() + 20
            while "[0/4] KH, seed 0: write" not in screen.getvalue() and time.monotonic() < end:
                time.sleep(0.01)
            assert "[0/4] KH, seed 0: write" in screen.getvalue()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert screen.getvalue().endswith("\x1b[1A\x1b[2K")
