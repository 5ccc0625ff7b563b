"""In which order steps are run: that of the study, each after its inputs."""

from graphlib import TopologicalSorter
from heapq import heappop, heappush

from eigencode.study.step import Step


def ordered(goals: list[Step]) -> list[Step]:
    """All steps the goals need, inputs before the steps that need them, each once."""
    seen: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.key not in seen:
            for needed in step.inputs():
                visit(needed)
            seen[step.key] = step

    for goal in goals:
        visit(goal)
    return list(seen.values())


class Queue:
    """Steps waiting for their inputs; inputs that are not among them count as finished.

    `steps` are in the order in which they start where there is a choice.
    """

    def __init__(self, steps: list[Step]) -> None:
        self._steps = {s.key: s for s in steps}
        self._place = {key: i for i, key in enumerate(self._steps)}
        needed = {k: [n.key for n in s.inputs() if n.key in self._steps] for k, s in self._steps.items()}
        self._sorter = TopologicalSorter(needed)
        self._sorter.prepare()
        self._ready: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        """Some steps are not done yet."""
        return self._sorter.is_active()

    def __contains__(self, step: Step) -> bool:
        return step.key in self._steps

    def next(self) -> Step | None:
        """The first step that may start; None while all that are left wait for running ones."""
        for key in self._sorter.get_ready():
            heappush(self._ready, (self._place[key], key))
        return self._steps[heappop(self._ready)[1]] if self._ready else None

    def done(self, step: Step) -> None:
        """This step has ended, well or not: those it was the last input of may start."""
        self._sorter.done(step.key)
