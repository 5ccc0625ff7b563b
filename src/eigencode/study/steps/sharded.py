"""The steps of a measure whose images are shared out: one for each share, and one that joins their records."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from eigencode.measures.sharded import Sharded
from eigencode.study.step import Inputs
from eigencode.study.steps.measured import Measured


@dataclass(frozen=True)
class Shard(Measured):
    """The record of a measure on share `number` of `of` of its images."""

    number: int
    of: int

    def describe(self) -> str:
        return f"{super().describe()}, shard {self.number + 1} of {self.of}"

    def run(self, folder: Path, inputs: Inputs) -> None:
        measure, subject = sharded(self), self.subject(inputs)
        measure.shard(subject, self.number, self.of).save(folder)


@dataclass(frozen=True)
class Joined(Measured):
    """The record of a measure on all images, from those of all shares."""

    shards: tuple[Shard, ...]

    def run(self, folder: Path, inputs: Inputs) -> None:
        measure = sharded(self)
        assert measure.shard_record is not None
        records = (measure.shard_record.load(inputs.folder(shard)) for shard in self.shards)
        measure.joined(self.subject(inputs), records).save(folder)


def sharded(step: Measured) -> Sharded:
    """The measure of a step, which can be split."""
    assert isinstance(step.made, Sharded)
    return step.made


def split(step: Measured, shards: int) -> Measured:
    """The step that gives the record of `step`, with so many steps before it that share its work."""
    if shards == 1:
        return step
    same = {f.name: getattr(step, f.name) for f in dataclasses.fields(step)}
    return Joined(**same, shards=tuple(Shard(**same, number=i, of=shards) for i in range(shards)))
