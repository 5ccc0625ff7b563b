"""Base class of measures whose images can be shared out over several steps and workers."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from eigencode.base.record import Record
from eigencode.measures.protocol import Measure, Subject


class Sharded(Measure):
    """A measure of many images that studies can split: `shards = N` measures N shares of them, then joins the records.

    The joined record equals that of `measure` up to rounding; the rounding depends on N, not on the workers.

    Class attributes:
        shard_record: type of the record of one share; None in a subclass with a `measure` and no `shard` of its own,
            which cannot be split.
    """

    shard_record: ClassVar[type[Record] | None] = None

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "measure" in vars(cls) and "shard" not in vars(cls):
            cls.shard_record = None

    @abstractmethod
    def used(self, images: int) -> int:
        """How many of this many test images are measured."""

    @abstractmethod
    def shard(self, subject: Subject, number: int, of: int) -> Record:
        """Measure share `number`, 0 .. `of` - 1, of the images."""

    @abstractmethod
    def joined(self, subject: Subject, shards: Iterable[Any]) -> Record:
        """The record of all images, from the records of all shares in their order."""


def share(n: int, number: int, of: int) -> slice:
    """Share `number` of `of` nearly equal ones of n images.

    >>> [share(10, i, 3) for i in range(3)]
    [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
    """
    return slice(n * number // of, n * (number + 1) // of)
