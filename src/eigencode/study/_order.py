"""The order in which steps run: each after its inputs; that of the study, or the most urgent first."""

from collections.abc import Mapping
from graphlib import TopologicalSorter
from heapq import heappop, heappush

from eigencode.study.step import Step


def ordered(goals: list[Step]) -> list[Step]:
    """List the goals and all steps they depend on, each once and after its inputs."""
    seen: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.key not in seen:
            for needed in step.inputs():
                visit(needed)
            seen[step.key] = step

    for goal in goals:
        visit(goal)
    return list(seen.values())


def chains(steps: list[Step], seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds of each step and the longest chain of steps that wait for it, by key.

    Args:
        steps: each after its inputs.
        seconds: of a step of each kind, by name; others are taken to last as long as their mean.
    """
    usual = sum(seconds.values()) / len(seconds) if seconds else 1.0
    after = dict.fromkeys((s.key for s in steps), 0.0)
    found: dict[str, float] = {}
    for step in reversed(steps):
        found[step.key] = seconds.get(step.name, usual) + after[step.key]
        for needed in step.inputs():
            after[needed.key] = max(after.get(needed.key, 0.0), found[step.key])
    return found


class Queue:
    """Steps waiting for their inputs; inputs that are not among them count as finished.

    Of several steps that may start, the one with the highest `urgency` starts first, then the first in `steps`.
    """

    def __init__(self, steps: list[Step], urgency: Mapping[str, float] | None = None) -> None:
        self._steps = {s.key: s for s in steps}
        self._place = {key: (-(urgency or {}).get(key, 0.0), i) for i, key in enumerate(self._steps)}
        needed = {k: [n.key for n in s.inputs() if n.key in self._steps] for k, s in self._steps.items()}
        self._sorter = TopologicalSorter(needed)
        self._sorter.prepare()
        self._ready: list[tuple[tuple[float, int], str]] = []

    def __bool__(self) -> bool:
        """True while some steps are not done."""
        return self._sorter.is_active()

    def __contains__(self, step: Step) -> bool:
        return step.key in self._steps

    def next(self) -> Step | None:
        """Take the first step whose inputs are done; None while all remaining steps wait for running ones."""
        for key in self._sorter.get_ready():
            heappush(self._ready, (self._place[key], key))
        return self._steps[heappop(self._ready)[1]] if self._ready else None

    def done(self, step: Step) -> None:
        """Mark a step as ended, successfully or not, so that steps waiting only for it may start."""
        self._sorter.done(step.key)
