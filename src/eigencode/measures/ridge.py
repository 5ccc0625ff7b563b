"""Accuracy of a ridge read-out of a code, cross-validated over the test images: no second training, no confound."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.groups import Groups
from eigencode.base.record import Record
from eigencode.base.seeding import stream
from eigencode.base.symmetric import eigenvectors, gram
from eigencode.measures import _reweighted
from eigencode.measures.accuracy import Accuracy
from eigencode.measures.protocol import Count, Measure, Reading, Some, Subject
from eigencode.representation._modes import borrowed

STRENGTHS = tuple(10 ** (k / 2) for k in range(-12, 7))
"""Penalties to choose from, 1e-6 to 1e3, in units of the mean positive eigenvalue of the scatter matrix."""

COLUMNS = 4096
"""With more features than images, products of images are summed over blocks of this many features, to bound memory."""

Scores = tuple[Tensor, Tensor, Tensor]
"""Eigenvalues s of a scatter matrix, and whitened scores of training images (U, orthonormal columns) and of others."""


@dataclass(frozen=True, eq=False)
class RidgeAccuracy(Accuracy):
    """Share of the images classified correctly by a read-out that was fitted on the other folds.

    `correct`: which images; `strength`: the penalty chosen in each fold, in units of the mean eigenvalue.
    """

    strength: Float[Tensor, " fold"] = field(default_factory=lambda: torch.empty(0, dtype=torch.float64))
    units: int = 0
    place: str = ""


@dataclass(frozen=True)
class RidgeMeasure(Measure):
    """Accuracy of a ridge regression from a code to one-hot classes, cross-validated over the test images.

    Folds are stratified by class and drawn from the seed.  The penalty is chosen within the training folds by the
    squared leave-one-out error, in closed form.  The images are never those the network was trained on, and nothing
    is trained by gradient, so codes can be compared at any moment of training.

    Needs images · units numbers of the code, some matrices of min(images, units)² doubles, and per fold an
    eigendecomposition of that size: 10 000 images of 24 576 units need 1 GB for the code and 0.8 GB per matrix.

    Args:
        images: number of test images; None: all.
        folds: number of parts; each is classified by a read-out fitted on the others.
    """

    images: Some = None
    folds: Count = 5
    kind: ClassVar[str] = "ridge"
    record: ClassVar[type[Record]] = RidgeAccuracy
    default_place: ClassVar[str] = "latent"

    def label(self) -> str:
        return "ridge accuracy"

    def names(self) -> tuple[str, ...]:
        return ("",)

    def check(self, units: int, images: int) -> None:
        count = min(self.images or images, images)
        if count < 2 * self.folds:
            raise InputError("ridge: too few images for the folds", got=count, wanted=f">= {2 * self.folds}")

    def measure(self, subject: Subject) -> RidgeAccuracy:
        test, code = subject.some(self.images), subject.code()
        self.check(0, len(test))
        with borrowed(code), torch.no_grad():
            z = torch.cat([code(x) for x in torch.split(test.x, subject.batch_size)]).cpu()
        correct, strength = cross_validated(z, test.y.cpu(), self.folds, subject.seed, groups=test.groups)
        share = Accuracy.of(correct, test.groups)
        return RidgeAccuracy(
            *(share.value, share.low, share.high, share.n, share.method, share.correct, share.groups),
            strength=strength,
            units=z.shape[1],
            place=subject.place,
        )

    def readings(self, record: RidgeAccuracy) -> Iterator[Reading]:
        folds = len(record.strength)
        told = f"share of {record.n} test images right, ridge read-out of {record.place}, {folds} folds of these images"
        yield Reading.of("", record, told)

    def draws(self, record: RidgeAccuracy, what: str) -> Tensor | None:
        return _reweighted.mean(record.correct, torch.arange(record.n), record.groups)


def cross_validated(
    z: Float[Tensor, "images units"],
    y: Int[Tensor, " images"],
    folds: int,
    seed: int,
    dual: bool | None = None,
    groups: Int[Tensor, " images"] | None = None,
) -> tuple[Bool[Tensor, " images"], Float[Tensor, " fold"]]:
    """Whether a ridge read-out fitted on the other folds classifies each image correctly, and the chosen strengths.

    `dual`: work with products of images instead of products of features, the same numbers; None: if that is smaller.
    `groups`: images that belong together and stay in one fold.  The penalty is chosen as if they did not.

    >>> z = torch.eye(2).repeat(10, 1)
    >>> cross_validated(z, torch.arange(20) % 2, folds=5, seed=0)[0].all()
    tensor(True)
    """
    if not bool(torch.isfinite(z).all()):
        raise InputError("responses hold NaN or Inf", got=f"{int((~torch.isfinite(z)).sum())} values")
    target = F.one_hot(y).double()
    dual = z.shape[1] > len(z) if dual is None else dual
    held = _products(z) if dual else _centred(z)
    part = fold_of(y, folds, seed, groups)
    predicted, strengths = torch.empty_like(y), torch.empty(folds, dtype=torch.float64)
    for fold in range(folds):
        train, rest = (part != fold).nonzero()[:, 0], (part == fold).nonzero()[:, 0]
        s, u, others = (_of_products if dual else _of_features)(held, train, rest)
        mean = target[train].mean(0)
        right = u.T @ (target[train] - mean)
        level = float(s.sum()) / max(1, len(s))
        errors = [_leave_one_out(s, u, right, target[train] - mean, strength * level) for strength in STRENGTHS]
        best = STRENGTHS[int(torch.tensor(errors).argmin())]
        predicted[rest] = (mean + others @ (right * (s / (s + best * level))[:, None])).argmax(1)
        strengths[fold] = best
    return predicted == y, strengths


def fold_of(
    y: Int[Tensor, " images"], folds: int, seed: int, groups: Int[Tensor, " images"] | None = None
) -> Int[Tensor, " images"]:
    """Number of the fold of every image: each class is shuffled and dealt out in turn, groups as a whole.

    >>> sorted(fold_of(torch.tensor([0, 0, 0, 1, 1, 1]), 3, seed=0)[3:].tolist())
    [0, 1, 2]
    """
    together = Groups.of(groups)
    if together is not None:
        if together.count < folds:
            raise InputError("ridge: too few groups for the folds", got=together.count, wanted=f">= {folds}")
        first = torch.empty(together.count, dtype=y.dtype).index_copy_(0, together.of_row.flip(0), y.flip(0))
        return fold_of(first, folds, seed)[together.of_row]
    order = torch.randperm(len(y), generator=stream(seed, "folds"))
    order = order[y[order].argsort(stable=True)]
    return torch.empty_like(order).index_copy_(0, order, torch.arange(len(y)) % folds)


def _leave_one_out(s: Tensor, u: Tensor, right: Tensor, target: Tensor, penalty: float) -> float:
    """Squared error of every training image when the fit leaves it out: (y − ŷ) / (1 − h), h of the hat matrix."""
    shrunk = s / (s + penalty)
    hat = 1 / len(u) + u.square() @ shrunk
    return float(((target - u @ (right * shrunk[:, None])) / (1 - hat)[:, None]).square().sum())


def _of_features(z: Tensor, train: Tensor, rest: Tensor) -> Scores:
    mean = z[train].mean(0)
    s, v = _positive(*eigenvectors(gram(z[train] - mean)))
    v = v / s.sqrt()
    return s, (z[train] - mean) @ v, (z[rest] - mean) @ v


def _of_products(k: Tensor, train: Tensor, rest: Tensor) -> Scores:
    inner, outer = k[train][:, train], k[rest][:, train]
    column = inner.mean(0)
    s, u = _positive(*eigenvectors(inner - column - column[:, None] + column.mean()))
    return s, u, (outer - column) @ u / s  # the columns of u sum to zero, so the mean of each row drops out


def _positive(values: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The eigenvalues that are not rounding errors of zero, and their vectors."""
    kept = values > values.max() * len(values) * torch.finfo(values.dtype).eps
    return values[kept], vectors[:, kept]


def _products(z: Tensor) -> Tensor:
    """Products of all images, centred on their mean."""
    total = z.new_zeros(len(z), len(z), dtype=torch.float64)
    for i in range(0, z.shape[1], COLUMNS):
        total += gram(_centred(z[:, i : i + COLUMNS]).T)
    return total


def _centred(z: Tensor) -> Tensor:
    z = z.double()
    return z - z.mean(0)
