"""Steps run once, inputs first; what goes wrong stays where it is."""

import warnings
from pathlib import Path

import pytest
from fake_steps import GoWrong, Subnormal, Write
from tiny import tree, write

from eigencode.base.errors import ConvergenceWarning
from eigencode.study import Step, Store, execute, plan, read_study
from eigencode.study.executor import Outcome

Events = list[tuple[str, str, int, int]]


def watched(goals: list[Step], store: Store, workers: int = 1) -> tuple[Outcome, Events]:
    events: Events = []

    def watch(event: str, step: Step, seconds: float, done: int, total: int) -> None:
        events.append((event, step.key, done, total))

    return execute(goals, store, workers, watch), events


def test_inputs_run_first_and_each_step_once(tmp_path: Path) -> None:
    a, b = Write("a"), Write("b")
    c = Write("c", (a, b))
    d = Write("d", (c, a))
    outcome, events = watched([d, c], Store(tmp_path))
    assert outcome.ok
    assert [s.key for s in outcome.done] == [a.key, b.key, c.key, d.key]
    assert (Store(tmp_path).folder(d) / "out.txt").read_text() == "abcad"
    assert [e[0] for e in events] == ["start", "done"] * 4
    assert events[-1][2:] == (4, 4)
    assert Store(tmp_path).meta(d)["inputs"] == {c.key: Store(tmp_path).content(c), a.key: Store(tmp_path).content(a)}


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    c = Write("c", (Write("a"), Write("b")))
    execute([c], Store(tmp_path))
    before = tree(tmp_path)
    outcome, events = watched([c], Store(tmp_path))
    assert outcome.ok
    assert (len(outcome.done), len(outcome.cached)) == (0, 3)
    assert [e[0] for e in events] == ["cached"] * 3
    assert tree(tmp_path) == before


def test_only_the_missing_part_is_run(tmp_path: Path) -> None:
    a = Write("a")
    execute([a], Store(tmp_path))
    outcome = execute([Write("b", (a,))], Store(tmp_path))
    assert [s.text for s in outcome.done] == ["b"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("how", "says"), [("defect", "ZeroDivisionError: a defect"), ("input", "wanted: 4")])
def test_a_failed_step_stops_only_what_needs_it(tmp_path: Path, how: str, says: str) -> None:
    good, bad = Write("good"), GoWrong("bad", how=how)
    child = Write("child", (bad, good))
    grandchild = Write("grandchild", (child,))
    outcome, events = watched([grandchild, Write("after", (good,))], Store(tmp_path))
    assert not outcome.ok
    assert {s.text for s in outcome.done} == {"good", "after"}  # type: ignore[attr-defined]
    assert list(outcome.failed) == [bad.key]
    assert says in outcome.failed[bad.key]
    assert ("Traceback" in outcome.failed[bad.key]) == (how == "defect")
    assert outcome.skipped == [child, grandchild]
    assert sorted({e[0] for e in events}) == ["done", "failed", "skipped", "start"]
    assert events[-1][2:] == (5, 5)


def test_a_failed_step_is_tried_again_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = GoWrong("bad")
    assert not execute([bad], Store(tmp_path)).ok
    monkeypatch.setattr(GoWrong, "run", Write.run)
    assert execute([bad], Store(tmp_path)).done == [bad]


def test_an_interrupt_keeps_what_is_finished(tmp_path: Path) -> None:
    store, first, second = Store(tmp_path), Write("a"), GoWrong("b", how="interrupt")
    with pytest.raises(KeyboardInterrupt):
        execute([first, second, Write("c")], store)
    assert store.has(first)
    assert [p.name for p in (tmp_path / "steps").iterdir()] == [first.key]
    assert (store.scratch(second) / "checkpoint").is_file()


def test_our_warnings_are_kept_with_the_result(tmp_path: Path) -> None:
    class Warns(Write):
        name = "warns"

        def run(self, folder: Path, inputs: object) -> None:
            for _ in range(2):
                warnings.warn("not converged", ConvergenceWarning, stacklevel=2)

    step = Warns("a")
    assert execute([step], Store(tmp_path)).ok
    meta = Store(tmp_path).meta(step)
    assert meta["warnings"] == ["not converged"]
    assert meta["seconds"] >= 0
    assert meta["settings"] == {"text": "a", "needs": []}
    assert {"versions", "platform", "commit", "time", "threads"} <= set(meta["provenance"])


def contents(store: Store, steps: list[Step]) -> dict[str, dict[str, bytes]]:
    """Everything a result says, except when and how long."""
    found = {}
    for step in steps:
        files = {p.name: p for p in store.folder(step).rglob("*") if p.is_file()}
        found[step.key] = {n: p.read_bytes() for n, p in files.items() if p.suffix == ".safetensors"}
    return found


def test_a_pool_gives_the_same_results_and_survives_a_worker_that_dies(tmp_path: Path) -> None:
    study = read_study(write(tmp_path), ["seeds=[0]", 'models={"KH"={recipe="KH", units=12, local={epochs=2}}}'])
    study = study.model_copy(update={"models": {"KH": study.models["KH"].model_copy(update={"supervised": None})}})
    real = [c.step for c in plan(study)]
    dies, cannot = GoWrong("dies", how="exit"), Write("cannot", where=Path("x"))  # type: ignore[arg-type]
    child, late = Write("child", (dies,)), Write("late", (Write("early"),))
    goals: list[Step] = [dies, child, cannot, *real, late]
    pooled, single = Store(tmp_path / "pooled"), Store(tmp_path / "single")
    outcome = execute(goals, pooled, workers=2)
    assert set(outcome.failed) == {dies.key, cannot.key}, outcome.failed
    assert "its process died" in outcome.failed[dies.key]
    assert "cannot be sent to a worker" in outcome.failed[cannot.key]
    assert outcome.skipped == [child]
    assert all(pooled.has(s) for s in [*real, late])
    assert pooled.meta(real[0])["provenance"]["threads"] == 1
    assert execute(real, single).ok
    assert contents(pooled, real) == contents(single, real)
    assert any(contents(single, real).values())
    assert len(execute(goals[3:], pooled, workers=2).cached) == len(outcome.done)


@pytest.mark.parametrize("workers", [1, 2])
def test_subnormal_numbers_are_zero_in_every_step(tmp_path: Path, workers: int) -> None:
    step = Subnormal("s")
    assert execute([step], Store(tmp_path), workers).ok
    assert (Store(tmp_path).folder(step) / "out.txt").read_text() == "[0.0, 0.0]"
