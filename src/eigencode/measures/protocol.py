"""Base class of measures: fields are the settings, `measure` returns a record, `readings` the numbers in tables."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from eigencode.base.border import Admitted
from eigencode.base.record import Estimate, Record
from eigencode.base.types import Images, Space
from eigencode.representation.at import Code, at
from eigencode.robustness.masking import Masking


def _increasing(pair: tuple[float, float]) -> tuple[float, float]:
    if not 0 < pair[0] < pair[1]:
        raise ValueError("wanted 0 < eps[0] < eps[1]")
    return pair


def _at_least_three_ranks(window: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= window[0] <= window[1] - 2:
        raise ValueError("wanted 1 <= n_min and n_min + 2 <= n_max")
    return window


Window = Annotated[tuple[int, int], AfterValidator(_at_least_three_ranks)]
"""First and last rank of a fit."""

Range = Annotated[tuple[float, float], AfterValidator(_increasing)]
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
    """Input of a measure: network, test images, place of the representation and seed; never training images.

    Attributes:
        net: a module whose output is logits; None: measure the images themselves.
        test: test images.
        place: where the representation is read, as in `ec.at`.
        seed: seed of every random number the measure draws.
        subset: indices of the test images for measures that use only some; None: the first ones.
        check: results of masking checks already made, for attacks to reuse; True: make them.
        batch_size: images per forward pass.
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
        """The network, for measures that need one."""
        assert self.net is not None
        return self.net

    @property
    def normed(self) -> bool:
        """True if the network starts with a layer `norm` and so has a unit space."""
        return isinstance(getattr(self.net, "norm", None), nn.Module)

    def code(self, space: Space = "pixel") -> Code:
        """The representation at `place`, as a callable."""
        return at(self.network, self.place, space)

    def some(self, images: int | None) -> Images:
        """The test images `subset`, or else the first `images` ones (None: all)."""
        return self.test[: images or len(self.test)] if self.subset is None else self.test[self.subset]

    def attacked(self, images: int | None) -> dict[str, Any]:
        """Keyword arguments for an attack on `some(images)`; `subset` keeps the indices within the data set."""
        test = self.some(images) if self.subset is None else self.test
        common = {"check": self.check, "seed": self.seed, "batch_size": self.batch_size}
        return {"test": test, "subset": self.subset, **common}


@dataclass(frozen=True)
class Reading:
    """One number read from a record, with its interval over images (NaN: no interval).

    Attributes:
        what: name of the number; "" for the main one of the record.
        value, low, high: the number and the ends of its interval.
        convention: definition of the number, shown in tables.
        warnings: what could reverse a comparison of the number; `{name}` is replaced by its name.
        bound: the largest size tried; a value at or beyond it, such as an infinite one, is known to be at least this.
        notes: how to read the number, each with the sign that marks it in tables before its colon: "s: the shape ...".
    """

    what: str
    value: float
    low: float = math.nan
    high: float = math.nan
    convention: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bound: float = math.nan

    @classmethod
    def of(
        cls,
        what: str,
        found: Estimate,
        convention: str,
        warnings: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
        bound: float = math.nan,
    ) -> "Reading":
        """Build a reading from an estimate."""
        return cls(what, found.value, found.low, found.high, convention, warnings, notes, bound)


class Readable(ABC):
    """Base of classes that read numbers from a stored record; the names are known before the record exists.

    Class attributes:
        kind: one word by which figures and tables select records.
        record: type of the record.
        joint: separator between the name of a measurement and the name of a number other than the main one.
    """

    kind: ClassVar[str]
    record: ClassVar[type[Record]]
    joint: ClassVar[str] = ", "

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names (`Reading.what`) of all numbers that `readings` may yield; the main one, "", is the first if any."""

    @abstractmethod
    def readings(self, record: Any) -> Iterator[Reading]:
        """Read the numbers from a record."""

    def draws(self, record: Any, what: str) -> Tensor | None:
        """The reading `what` for random reweightings of the test images, see `measures._reweighted`; None: unknown.

        A study of one seed compares two networks by them, since both were measured on the same images.
        """
        return None

    def size_of(self, what: str) -> tuple[str, ...] | None:
        """Norm, space and images of a reading that is the size of a perturbation; None for any other number."""
        return None

    def quantity(self, name: str, what: str) -> str:
        """Name of a number in tables and claims, composed of the measurement `name` and `what`."""
        return self.joint.join(part for part in (name, what) if part)

    def title(self, name: str) -> str:
        """Title of the record in figures."""
        return name


class Measure(Admitted, Readable):
    """Base class of measurements of a network on test images.

    A subclass is a frozen dataclass; its fields are the settings a study may give.  It does not change the network,
    and it draws all random numbers from `subject.seed`.

    Class attributes:
        reading_only: settings used only by `readings` (e.g. the window of a fit); changing them repeats no measurement.
        default_place: place of the representation if a study gives none; "" if the whole network is measured.
        stage: the version of the network that is measured: "last" (after all training), "local" or "pruned".
        of_data: True if the measure is also applied to the images themselves, without a network.
        before_pruning: True if the measure is also applied to a locally trained layer before it is pruned.
    """

    reading_only: ClassVar[tuple[str, ...]] = ()
    default_place: ClassVar[str] = ""
    stage: ClassVar[str] = "last"
    of_data: ClassVar[bool] = False
    before_pruning: ClassVar[bool] = False

    def label(self) -> str:
        """Default name of the measurement, if a study gives none."""
        return self.kind

    def check(self, units: int, images: int) -> None:
        """Refuse settings for which a place of so many units and a set of so many test images are too small.

        Raises:
            InputError: they are; a study finds it before it trains anything.
        """

    def fits(self, net: nn.Module) -> bool:
        """False for a network that this measure is not defined for; a study does not measure it there."""
        return True

    @property
    def needs_norm(self) -> bool:
        """True if the network must start with a layer `norm`: the measure has a setting `space`, and it is "unit"."""
        return getattr(self, "space", "pixel") == "unit"

    @abstractmethod
    def measure(self, subject: Subject) -> Record:
        """Measure the network and return the record."""


def logarithmic(eps: tuple[float, float], points: int) -> Tensor:
    """`points` logarithmically spaced values from `eps[0]` to `eps[1]`, float64.

    >>> logarithmic((0.01, 1.0), 3)
    tensor([0.0100, 0.1000, 1.0000], dtype=torch.float64)
    """
    low, high = (math.log10(e) for e in eps)
    return torch.logspace(low, high, points, dtype=torch.float64)
