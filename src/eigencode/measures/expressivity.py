"""Expressivity of a code: ridge read-outs of its leading principal directions, and of dichotomies of the classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pydantic import AfterValidator, Field
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import Record
from eigencode.base.seeding import stream
from eigencode.geometry._intervals import mean_estimate
from eigencode.measures import _reweighted
from eigencode.measures.accuracy import Accuracy
from eigencode.measures.protocol import Count, Measure, Reading, Some, Subject
from eigencode.measures.ridge import (
    STRENGTHS,
    _centred,
    _leave_one_out,
    _of_features,
    _of_products,
    _products,
    fold_of,
)
from eigencode.representation._modes import borrowed


def _rising(numbers: tuple[int, ...]) -> tuple[int, ...]:
    if not numbers or numbers[0] < 1 or any(a >= b for a, b in pairwise(numbers)):
        raise ValueError("wanted rising numbers >= 1")
    return numbers


Rising = Annotated[tuple[int, ...], AfterValidator(_rising)]


@dataclass(frozen=True)
class Expressivity(Record):
    """Which held-out images ridge read-outs classify correctly.

    Attributes:
        directions: numbers of leading principal directions of the code that a read-out gets.
        correct: whether it classifies each image correctly, with so many directions.
        side: the dichotomies; True for the classes on one side.
        right: share of the dichotomies in which an image is classified correctly.
        chance: share of the images on the larger side, mean over the dichotomies.
        folds: number of parts; every image is classified by read-outs fitted on the others.
        place, units: of the code.
        groups: number of the group of each image, over which the intervals are; None: images are independent.
    """

    directions: Int[Tensor, " direction"]
    correct: Bool[Tensor, "direction image"]
    side: Bool[Tensor, "dichotomy class"]
    right: Float[Tensor, " image"]
    chance: float
    folds: int
    place: str = ""
    units: int = 0
    groups: Int[Tensor, " image"] | None = None

    def accuracy(self, directions: int) -> Accuracy:
        """Share of the images classified correctly from so many leading directions, with its Wilson interval."""
        return Accuracy.of(self.correct[self.directions.tolist().index(directions)], self.groups)


@dataclass(frozen=True)
class ExpressivityMeasure(Measure):
    """Accuracy of ridge read-outs of a code, cross-validated over the test images, as in `RidgeMeasure`.

    One is fitted on the scores of the first k principal directions, for each k in `directions`; principal directions
    and penalty are those of the training folds.  With all directions it is the read-out of `RidgeMeasure`.

    Others separate two halves of the classes, drawn at random (`dichotomies`, all different; fewer if there are not so
    many): on held-out images chance is one half for classes of equal size.  Dichotomies of single images are not
    offered: a held-out image of a random side can only be guessed.

    Args:
        directions: rising numbers of leading directions; a number above the rank of the code takes all.
        dichotomies: their number.
        images: number of test images; None: all.
        folds: number of parts.

    Source: dichotomies of conditions and held-out trials as in Bernardi, Benna, Rigotti, Munuera, Fusi and Salzman
    2020, Cell 183, 954 ("shattering dimensionality"), here over classes and images.
    """

    directions: Rising = (1, 2, 5, 10, 20, 50, 100, 200)
    dichotomies: Annotated[int, Field(ge=1)] = 20
    images: Some = None
    folds: Count = 5
    kind: ClassVar[str] = "expressivity"
    record: ClassVar[type[Record]] = Expressivity
    default_place: ClassVar[str] = "latent"

    def names(self) -> tuple[str, ...]:
        return (*(_named(k) for k in self.directions), "dichotomies")

    def check(self, units: int, images: int) -> None:
        count = min(self.images or images, images)
        if count < 2 * self.folds:
            raise InputError("expressivity: too few images for the folds", got=count, wanted=f">= {2 * self.folds}")

    def measure(self, subject: Subject) -> Expressivity:
        test, code = subject.some(self.images), subject.code()
        self.check(0, len(test))
        with borrowed(code), torch.no_grad():
            z = torch.cat([code(x) for x in torch.split(test.x, subject.batch_size)]).cpu()
        drawn = {"directions": self.directions, "dichotomies": self.dichotomies, "folds": self.folds}
        return expressivity(z, test.y.cpu(), **drawn, seed=subject.seed, groups=test.groups, place=subject.place)  # type: ignore[arg-type]

    def readings(self, record: Expressivity) -> Iterator[Reading]:
        n = record.correct.shape[1]
        told = f"ridge read-out of {record.place}, {record.folds} folds of {n} test images"
        for k in record.directions.tolist():
            said = f"share of images right from the {k} leading of {record.units} principal directions, {told}"
            yield Reading.of(_named(k), record.accuracy(k), said)
        said = f"mean share right over {len(record.side)} random dichotomies of the classes, chance {record.chance:.3g}"
        yield Reading.of("dichotomies", mean_estimate(record.right, record.groups), f"{said}, {told}")

    def draws(self, record: Expressivity, what: str) -> Tensor | None:
        values = record.right if what == "dichotomies" else record.accuracy(int(what.split()[0])).correct
        return _reweighted.mean(values, torch.arange(len(values)), record.groups)


def expressivity(
    z: Float[Tensor, "images units"],
    y: Int[Tensor, " images"],
    directions: Sequence[int],
    dichotomies: int,
    folds: int,
    seed: int,
    groups: Int[Tensor, " images"] | None = None,
    place: str = "",
) -> Expressivity:
    """Cross-validated ridge read-outs of leading principal directions, and of random dichotomies of the classes.

    >>> found = expressivity(torch.eye(4).repeat(10, 1), torch.arange(40) % 4, [1, 3], 3, folds=5, seed=0)
    >>> float(found.accuracy(3)), float(found.right.mean())
    (1.0, 1.0)
    """
    if not bool(torch.isfinite(z).all()):
        raise InputError("responses hold NaN or Inf", got=f"{int((~torch.isfinite(z)).sum())} values")
    side = halves(y, dichotomies, seed)
    classes, members = F.one_hot(y).double(), side[:, y].T
    signs = members.double() * 2 - 1
    dual = z.shape[1] > len(z)
    held = _products(z) if dual else _centred(z)
    part = fold_of(y, folds, seed, groups)
    correct, right = torch.empty(len(directions), len(z), dtype=torch.bool), torch.empty(len(z), dtype=torch.float64)
    for fold in range(folds):
        train, rest = (part != fold).nonzero()[:, 0], (part == fold).nonzero()[:, 0]
        scores = (_of_products if dual else _of_features)(held, train, rest)
        for i, k in enumerate(directions):
            correct[i, rest] = _predicted(scores, classes[train], k).argmax(1) == y[rest]
        on_side = (_predicted(scores, signs[train], len(scores[0])) > 0) == members[rest]
        right[rest] = on_side.double().mean(1)
    share = members.double().mean(0)
    return Expressivity(
        directions=torch.tensor(list(directions)),
        correct=correct,
        side=side,
        right=right,
        chance=float(torch.maximum(share, 1 - share).mean()),
        folds=folds,
        place=place,
        units=z.shape[1],
        groups=None if groups is None else groups.cpu(),
    )


def halves(y: Int[Tensor, " images"], count: int, seed: int) -> Bool[Tensor, "dichotomy class"]:
    """Different random dichotomies into two halves of the classes that occur, at most `count`.

    Of an odd number of classes one side has one more; other classes are on no side.

    >>> halves(torch.arange(4), 9, seed=0).sum(1).tolist()
    [2, 2, 2]
    """
    known = torch.unique(y)
    n = len(known)
    if n < 2:
        raise InputError("no dichotomy of the classes", got=f"images of {n} class", wanted="at least two classes")
    possible = comb(n, n // 2) // (1 if n % 2 else 2)
    generator, found = stream(seed, "dichotomies"), dict[tuple[int, ...], None]()
    while len(found) < min(count, possible):
        half = tuple(sorted(torch.randperm(n, generator=generator)[: n // 2].tolist()))
        if n % 2 or half[0] == 0:  # of two complementary halves of an even number, that with the first class
            found[half] = None
    side = torch.zeros(len(found), int(known.max()) + 1, dtype=torch.bool)
    for i, chosen in enumerate(found):
        side[i, known[list(chosen)]] = True
    return side


def _predicted(scores: tuple[Tensor, Tensor, Tensor], target: Tensor, k: int) -> Tensor:
    """Ridge regression on the first k scores, with the penalty of the least leave-one-out error."""
    s, u, others = scores[0][:k], scores[1][:, :k], scores[2][:, :k]
    mean = target.mean(0)
    right, level = u.T @ (target - mean), float(s.sum()) / max(1, len(s))
    errors = [_leave_one_out(s, u, right, target - mean, strength * level) for strength in STRENGTHS]
    best = STRENGTHS[int(torch.tensor(errors).argmin())] * level
    return mean + others @ (right * (s / (s + best))[:, None])


def _named(directions: int) -> str:
    return f"{directions} direction{'s' * (directions != 1)}"
