"""The line that moves says what runs and how long it will take, and is gone when the work is."""

import io
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from fake_steps import Write

from eigencode.base import progress as bars
from eigencode.measures import SpectrumMeasure
from eigencode.report import live as module
from eigencode.report.live import Live
from eigencode.study.plan import Cell


class Screen(io.StringIO):
    """Standard error, as a terminal or not."""

    terminal = True

    def isatty(self) -> bool:
        return self.terminal


@dataclass
class Watch:
    """A clock that moves when it is told to."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    found = Screen()
    for place in (module, bars):
        monkeypatch.setattr(place, "sys", SimpleNamespace(stderr=found))
    monkeypatch.setenv("COLUMNS", "120")
    return found


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    for place in (module, bars):
        monkeypatch.setattr(place, "time", found)
    return found


STEPS = [Write(text=str(i)) for i in range(4)]


def live(workers: int = 1) -> Live:
    return Live(
        [Cell("digits", "KH", i, "spectrum", "α", step, "α", SpectrumMeasure()) for i, step in enumerate(STEPS)],
        workers,
    )


def last(screen: Screen) -> str:
    return screen.getvalue().rpartition("\r\033[K")[2]


def test_time_left_is_that_of_the_steps_to_come(screen: Screen, watch: Watch) -> None:
    told = live()
    told("start", STEPS[0], 0.0, 0, 4)
    assert last(screen) == "[0/4] KH, seed 0: write"
    told("done", STEPS[0], 10.0, 1, 4)
    assert screen.getvalue().count("[1/4] done KH, seed 0: write  10.0 s\n") == 1
    told("start", STEPS[1], 0.0, 1, 4)
    assert last(screen) == "[1/4] KH, seed 1: write; about 30 s left"
    watch.now += 4
    assert told.left() == 26
    told("done", STEPS[1], 20.0, 2, 4)
    assert told.left() == 30  # two steps of 15 s
    told("failed", STEPS[2], 0.1, 3, 4)
    told("skipped", STEPS[3], 0.0, 4, 4)
    assert told.left() == 0
    assert screen.getvalue().endswith("[4/4] skipped KH, seed 3: write  0.0 s\n\r\033[K")


def test_steps_of_other_processes_show_how_long_they_run(screen: Screen, watch: Watch) -> None:
    told = live(2)
    told("cached", STEPS[0], 0.0, 1, 4)
    for step in STEPS[1:3]:
        told("start", step, 0.0, 1, 4)
    watch.now += 75
    told.show()
    assert last(screen) == "[1/4] KH, seed 1: write 1 min 15 s, KH, seed 2: write 1 min 15 s"
    told("done", STEPS[1], 80.0, 2, 4)
    assert told.left() == (5 + 80) / 2


def test_the_bar_of_a_step_stands_behind_the_line(screen: Screen, watch: Watch) -> None:
    told = live()
    told("start", STEPS[0], 0.0, 0, 4)
    for _ in bars.progress(range(4), "counting"):
        watch.now += 3
    frames = screen.getvalue().split("\r\033[K")
    assert any(f.startswith("[0/4] KH, seed 0: write  counting") and f.endswith("50%  6.0 s left") for f in frames)
    assert last(screen) == "[0/4] KH, seed 0: write"
    told("done", STEPS[0], 0.5, 1, 4)
    assert last(screen) == ""
    for _ in bars.progress(range(4), "counting"):
        watch.now += 3
    assert screen.getvalue().split("\r\033[K")[-2].startswith("counting")


def test_a_narrow_terminal_never_breaks_the_line(screen: Screen, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "76")
    told = live()
    told("start", STEPS[0], 0.0, 0, 4)
    for _ in bars.progress(range(4), "counting"):
        watch.now += 3
    assert max(len(f) for f in screen.getvalue().split("\r\033[K")) <= 75
    assert "50%  6.0 s left" in screen.getvalue()


def test_without_a_terminal_only_finished_steps_are_told(screen: Screen) -> None:
    screen.terminal = False
    told = live()
    with told.ticking():
        told("start", STEPS[0], 0.0, 0, 4)
        told("done", STEPS[0], 0.2, 1, 4)
        told("done", STEPS[1], 2.0, 2, 4)
    assert screen.getvalue() == "[2/4] done KH, seed 1: write  2.0 s\n"


def test_the_line_moves_by_itself_and_is_gone_afterwards(screen: Screen) -> None:
    import time

    told = live(2)

    def interrupted() -> None:
        with told.ticking(every=0.01):
            told("start", STEPS[0], 0.0, 0, 4)
            before, end = screen.getvalue(), time.monotonic() + 20
            while screen.getvalue() == before and time.monotonic() < end:
                time.sleep(0.01)
            assert len(screen.getvalue()) > len(before)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert screen.getvalue().endswith("\r\033[K")
    assert bars._heading.get() == ""
