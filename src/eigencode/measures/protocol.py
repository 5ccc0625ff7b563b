"""The contract of a measure: settings in, a record out, and the numbers that a table reads from that record."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from eigencode.base.record import Estimate, Record
from eigencode.base.types import Images, Space
from eigencode.representation.at import Code, at
from eigencode.robustness.masking import Masking


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if not 0 < pair[0] < pair[1]:
        raise ValueError("wanted 0 < eps[0] < eps[1]")
    return pair


def _wide(window: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= window[0] <= window[1] - 2:
        raise ValueError("wanted 1 <= n_min and n_min + 2 <= n_max")
    return window


Window = Annotated[tuple[int, int], AfterValidator(_wide)]
"""First and last rank of a fit."""

Range = Annotated[tuple[float, float], AfterValidator(_rising)]
"""Smallest and largest eps of a grid."""

Count = Annotated[int, Field(ge=2)]
Some = Annotated[int, Field(ge=1)] | None
"""A number of images, or None for all of them."""


CORRECT, ALL = "those classified correctly", "all of them"


def images_of(some: int | None, which: str) -> tuple[str, str]:
    """The images of a median, in words."""
    return f"images = {some}", which


@dataclass(frozen=True)
class Subject:
    """Everything a measure may look at: a network, the test images, the place and the seed; no training images.

    Attributes:
        net: a module whose output is logits; None: the images themselves.
        place: where a representation is read, as in `ec.at`.
        subset: numbers of the images that measures of some images get; None: the first ones.
        check: masking checks that were already made, for attacks to use; True: make them.
        batch_size: images at a time.
    """

    net: nn.Module | None
    test: Images
    place: str = "logits"
    seed: int = 0
    subset: Tensor | None = None
    check: bool | Masking = True
    batch_size: int = 1000

    @property
    def network(self) -> nn.Module:
        """The network of a measure that cannot do without one."""
        assert self.net is not None
        return self.net

    @property
    def normed(self) -> bool:
        """Does the network scale its images first, so that it has a unit space?"""
        return isinstance(getattr(self.net, "norm", None), nn.Module)

    def code(self, space: Space = "pixel") -> Code:
        """The representation at the place."""
        return at(self.network, self.place, space)

    def some(self, images: int | None) -> Images:
        """The chosen test images; by default the first ones, or all of them."""
        return self.test[: images or len(self.test)] if self.subset is None else self.test[self.subset]

    def attacked(self, images: int | None) -> dict[str, Any]:
        """The arguments of an attack on these images, which keep the numbers they have in the data set."""
        test = self.some(images) if self.subset is None else self.test
        common = {"check": self.check, "seed": self.seed, "batch_size": self.batch_size}
        return {"test": test, "subset": self.subset, **common}


@dataclass(frozen=True)
class Reading:
    """One number with its interval over images (NaN where there is none).

    Attributes:
        what: "" for the headline of the record, else the name of a further number.
        convention: the definition of the number, for a reader of the table.
        warnings: sentences the number must be read with; `{name}` stands for its name.
    """

    what: str
    value: float
    low: float = math.nan
    high: float = math.nan
    convention: str = ""
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, what: str, found: Estimate, convention: str, warnings: tuple[str, ...] = ()) -> "Reading":
        """An estimate as a reading."""
        return cls(what, found.value, found.low, found.high, convention, warnings)


class Readable(ABC):
    """Numbers read from a stored record, with names that are known before anything has run.

    Class attributes:
        kind: one word that figures and tables choose records by.
        record: the type of the record.
        joint: text between the name of a measurement and that of a further reading.
    """

    kind: ClassVar[str]
    record: ClassVar[type[Record]]
    joint: ClassVar[str] = ", "

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """`Reading.what` of every number `readings` may give, the headline "" first if there is one."""

    @abstractmethod
    def readings(self, record: Any) -> Iterator[Reading]:
        """The numbers of a record."""

    def size_of(self, what: str) -> tuple[str, ...] | None:
        """Norm, space and images of a reading that is the size of a perturbation; None for any other number."""
        return None

    def quantity(self, name: str, what: str) -> str:
        """The name of a number in tables and claims: that of the measurement, and what is read."""
        return self.joint.join(part for part in (name, what) if part)

    def title(self, name: str) -> str:
        """The name of the record itself, for figures."""
        return name


class Measure(Readable):
    """One kind of measurement of a network on test images.

    A subclass is a frozen dataclass; its fields are the settings a study may give.  It changes nothing of the network,
    and draws random numbers from `subject.seed` alone.

    Class attributes:
        reading_only: settings that only decide which numbers are read from the record (the window of a fit, say): a
            change of them measures nothing again.
        default_place: where the measure looks if a study does not say; "" if it measures the network as a whole.
        stage: the network it measures: "last" (finished), "local" (after local training), "pruned".
        of_data: also made of the images themselves, without a network.
        before_pruning: also made of a locally trained layer before it is pruned.
    """

    reading_only: ClassVar[tuple[str, ...]] = ()
    default_place: ClassVar[str] = ""
    stage: ClassVar[str] = "last"
    of_data: ClassVar[bool] = False
    before_pruning: ClassVar[bool] = False

    def label(self) -> str:
        """The name of the measurement if a study gives none."""
        return self.kind

    @abstractmethod
    def measure(self, subject: Subject) -> Record:
        """The record."""


def logarithmic(eps: tuple[float, float], points: int) -> Tensor:
    """`points` logarithmic steps from `eps[0]` to `eps[1]`, float64.

    >>> logarithmic((0.01, 1.0), 3)
    tensor([0.0100, 0.1000, 1.0000], dtype=torch.float64)
    """
    low, high = (math.log10(e) for e in eps)
    return torch.logspace(low, high, points, dtype=torch.float64)
