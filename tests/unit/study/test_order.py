"""Whatever needs whatever: each step once, after its inputs, in the order of the study where there is a choice."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fake_steps import GoWrong, Write
from hypothesis import given, settings, strategies as st
from same_process import same_process

from eigencode.study import Step, Store, execute, executor
from eigencode.study._order import Queue, chains, ordered


@st.composite
def studies(draw: st.DrawFn) -> list[Step]:
    """Some steps, each needing any of those before it; the goals are a shuffled part of them."""
    steps: list[Step] = []
    for i in range(draw(st.integers(1, 12))):
        needs = draw(st.lists(st.sampled_from(steps), max_size=3)) if steps else []
        steps.append(Write(str(i), tuple(needs)))
    return draw(st.permutations(draw(st.lists(st.sampled_from(steps), min_size=1))))


def depth_first(goals: list[Step]) -> list[Step]:
    """The order of a study, the slow way."""
    found: list[Step] = []
    for goal in goals:
        found += [s for s in [*depth_first(list(goal.inputs())), goal] if s not in found]
    return found


def needed_before(steps: list[Step]) -> bool:
    return all(s in steps[:i] for i, step in enumerate(steps) for s in step.inputs())


@given(studies())
def test_the_order_of_a_study(goals: list[Step]) -> None:
    found = ordered(goals)
    assert found == list(dict.fromkeys(found)) == list(dict.fromkeys(depth_first(goals)))
    assert needed_before(found)


@given(studies(), st.integers(1, 5), st.integers(0, 2**32))
def test_any_number_of_workers_that_end_in_any_order(goals: list[Step], workers: int, seed: int) -> None:
    steps, chance = ordered(goals), random.Random(seed)
    queue, running, started, ended = Queue(steps), list[Step](), list[Step](), list[Step]()
    while queue:
        while len(running) < workers and (step := queue.next()) is not None:
            assert all(s in ended for s in step.inputs())
            earlier = [s for s in steps if s not in started and all(n in ended for n in s.inputs())]
            assert step == earlier[0], "the first of those that may start"
            running.append(step)
            started.append(step)
        step = running.pop(chance.randrange(len(running)))
        ended.append(step)
        queue.done(step)
    assert sorted(s.key for s in started) == sorted(s.key for s in steps)
    assert workers > 1 or started == steps


@given(studies(), st.sampled_from([{}, {"write": 3.0}]))
def test_the_longest_chain_comes_first(goals: list[Step], seconds: dict[str, float]) -> None:
    steps = ordered(goals)

    def longest(step: Step) -> int:
        return 1 + max((longest(s) for s in steps if step in s.inputs()), default=0)

    found = chains(steps, seconds)
    assert found == {s.key: seconds.get("write", 1.0) * longest(s) for s in steps}
    first = Queue(steps, found).next()
    assert first is not None
    assert longest(first) == max(map(longest, steps))


@settings(max_examples=30, deadline=None)
@given(studies(), st.sampled_from([1, 2, 5]))
def test_execution_gives_the_same_whatever_the_workers(goals: list[Step], workers: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "engine", same_process)
        store, started = Store(Path(folder)), list[Step]()
        outcome = execute(
            goals, store, workers, lambda event, step, *_: started.append(step) if event == "start" else None
        )
        assert outcome.ok
        assert started == outcome.done or workers > 1
        assert sorted(s.key for s in started) == sorted(s.key for s in ordered(goals))
        assert needed_before(started)
        for step in started:
            texts = [(store.folder(s) / "out.txt").read_text() for s in step.inputs()]
            assert (store.folder(step) / "out.txt").read_text() == "".join([*texts, step.text])  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_failure_blocks_what_needs_it_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(executor, "engine", same_process)
    bad, good = GoWrong("bad"), Write("good")
    below = [Write("child", (bad,)), Write("both", (good, bad))]
    last = Write("grandchild", tuple(below))
    events: list[tuple[str, Step]] = []
    outcome = execute([last, Write("free", (good,))], Store(tmp_path), workers, lambda e, s, *_: events.append((e, s)))
    assert list(outcome.failed) == [bad.key]
    assert set(outcome.skipped) == {*below, last}
    assert {s.text for s in outcome.done} == {"good", "free"}  # type: ignore[attr-defined]
    assert not {("start", s) for s in outcome.skipped} & set(events)


def test_the_key_of_a_step_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [Write("0")]
    for i in range(1, 20):
        steps.append(Write(str(i), (steps[-1],)))
    asked: list[Step] = []
    settings_of = Write.settings
    monkeypatch.setattr(Write, "settings", lambda self: asked.append(self) or settings_of(self))
    assert len(ordered(list(steps))) == 20
    queue = Queue(ordered(list(steps)))
    while (step := queue.next()) is not None:
        queue.done(step)
    assert len(asked) == 20
