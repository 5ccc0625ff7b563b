"""Critical sizes: the smallest perturbation found that changes the prediction of each image."""

import math
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.record import Estimate, Record, host
from eigencode.base.types import Bounds, Images, Norm, Space
from eigencode.representation._modes import borrowed
from eigencode.robustness._balls import length, reach
from eigencode.robustness._paths import Path
from eigencode.robustness._search import Ladder, smallest
from eigencode.robustness.masking import Masking, checked_for_masking
from eigencode.robustness.minimal import MinimumNorm
from eigencode.robustness.protocol import Perturbation
from eigencode.robustness.subject import Batch, Subject, Subset
from eigencode.robustness.survival import quantile

LOWEST = 1e-6
PATH_POINTS = 2000


@dataclass(frozen=True)
class CriticalSizes(Record):
    """Size of the smallest adversarial perturbation found for each correctly classified image.

    Attributes:
        index: number of each image in the data set.
        eps: the smallest eps that breaks the image; the largest eps tried for a censored one.
        size: L2 norm of the perturbation there.
        distance: its norm in the norm of the attack.
        censored: True if the image was never broken; `eps`, `size`, `distance` are then the largest possible.
        n, n_correct: number of images considered, and of those classified correctly.
        attack, norm, space, seed: of the attack and of the measured sizes.
        tolerance: relative accuracy of eps.
        eps_max: largest eps tried.
        evaluations, gradients: total number of images evaluated and differentiated.
        masking: result of `masking_checks`; `masking.n == 0` without checks.
        zero_gradients: share of zero gradients; NaN for an attack without gradients.
        alone: True where the largest noise alone, without the image, is given the class of the image, so that no size
            need break it (about one in as many images as there are classes); None for attacks that are not noise.
        groups, wrong_groups: number of the group of each image, and of each image that is wrong without perturbation;
            intervals are then over groups.  None: images are independent.
    """

    index: Int[Tensor, " image"]
    eps: Float[Tensor, " image"]
    size: Float[Tensor, " image"]
    distance: Float[Tensor, " image"]
    censored: Bool[Tensor, " image"]
    n: int
    n_correct: int
    attack: str
    norm: Norm
    space: Space
    seed: int
    tolerance: float
    eps_max: float
    evaluations: int
    gradients: int
    zero_gradients: float
    masking: Masking = field(default_factory=Masking)
    alone: Bool[Tensor, " image"] | None = None
    groups: Int[Tensor, " image"] | None = None
    wrong_groups: Int[Tensor, " wrong"] | None = None

    @property
    def changeable(self) -> Estimate:
        """Median of `size` over the images whose class the noise alone is not given; NaN for other attacks."""
        kept = torch.zeros_like(self.censored) if self.alone is None else ~self.alone
        return self.median_of(kept)

    @property
    def median(self) -> Estimate:
        """Kaplan-Meier median of `size` (L2) with its 95 % interval; `inf` if half of the images were never broken."""
        return self.quantile(0.5)

    def median_of(self, kept: Bool[Tensor, " image"]) -> Estimate:
        """Kaplan-Meier median of `size` over some of the images."""
        groups = None if self.groups is None else self.groups[kept]
        return quantile(self.size[kept], self.censored[kept], groups=groups)

    def quantile(self, q: float, of: str = "size", errors_as_zero: bool = False, confidence: float = 0.95) -> Estimate:
        """Kaplan-Meier quantile of `"size"`, `"distance"` or `"eps"`.

        `errors_as_zero=True` counts the images that are wrong without any perturbation as broken at size 0;
        otherwise an inaccurate network looks robust on the few easy images that it classifies correctly.
        """
        admit(CriticalSizes.quantile, locals())
        if of not in ("size", "distance", "eps"):
            raise InputError("no such size", got=of, wanted="'size', 'distance' or 'eps'")
        values: Tensor = getattr(self, of)
        censored, groups = self.censored, self.groups
        if errors_as_zero:
            wrong = self.n - self.n_correct
            groups = joined(self.wrong_groups, groups)
            values = torch.cat([values.new_zeros(wrong), values])
            censored = torch.cat([censored.new_zeros(wrong), censored])
        return quantile(values, censored, q, confidence, groups)


def joined(one: Tensor | None, two: Tensor | None) -> Tensor | None:
    """Groups of the images of two parts; None without groups."""
    return None if one is None or two is None else torch.cat([one, two])


Part = tuple[Tensor, Tensor, Tensor, Tensor]
"""eps, size, distance, censored of a batch."""


def critical_size(
    net: object,
    test: Images | Array,
    attack: Perturbation | MinimumNorm,
    space: Space = "pixel",
    *,
    eps_max: float | None = None,
    eps_min: float = LOWEST,
    tolerance: float = 1e-2,
    finish: bool = True,
    subset: Subset = None,
    target: Int[Tensor, " n"] | None = None,
    check: bool | Masking = True,
    seed: int = 0,
    batch_size: int = 1000,
) -> CriticalSizes:
    """Find the smallest perturbation by `attack` that changes the prediction of each correctly classified image.

    Along a straight line (noise, FGSM) the first success on a geometric grid of 2000 eps is located, then refined by
    bisection to `tolerance`.  For an iterated attack eps is doubled and halved; each success counts with the distance
    of its adversarial image, after `finish` has moved that towards the original image.

    Args:
        net, test, attack, space, subset, target, check, seed, batch_size: as in `curve`.
        eps_max: largest eps; images unbroken there are censored.  Default: the diameter of [0, 1]^inputs in the norm
            of the attack, and 10^0.916 for Gaussian noise.
        eps_min: smallest eps.
        tolerance: relative accuracy of eps.
        finish: bisect between each image and its adversarial image (iterated and minimum-norm attacks).

    Raises:
        InputError: limits or tolerance out of range, images outside the box, outputs that are not logits.

    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2, bias=False))
    >>> _ = net[1].weight.data.copy_(torch.eye(2))
    >>> test = Images(torch.tensor([[0.6, 0.4], [0.5, 0.9]]).reshape(2, 1, 1, 2), torch.tensor([0, 1]))
    >>> from eigencode.robustness import FGSM
    >>> critical_size(net, test, FGSM()).eps.round(decimals=2)
    tensor([0.1000, 0.2000], dtype=torch.float64)
    """
    test = Images.of(test, "test")
    admit(critical_size, locals())
    box = attack.box(space)
    eps_max = _limit(attack, test, eps_min, eps_max, tolerance)
    subject = Subject(net, test, space, subset, target, seed, batch_size)
    ladder = Ladder.geometric(eps_min, eps_max, tolerance)
    grid = torch.logspace(math.log10(eps_min), math.log10(eps_max), PATH_POINTS, dtype=torch.float64)
    parts: list[Part] = []
    alone: list[Tensor] = []
    with borrowed(subject.model.logits):
        for batch in subject.batches(f"critical {type(attack).__name__}", box):
            if isinstance(attack, MinimumNorm):
                part = _nearest(subject, batch, attack, eps_max, box, finish)
            elif attack.path:
                part = _along(subject, batch, attack, grid, tolerance, box)
                if attack.blind:
                    alone.append(_alone(subject, batch, attack, eps_max, box))
            else:
                part = _searched(subject, batch, attack, ladder, box, finish)
            parts.append(part)
    masking = checked_for_masking(check, attack.blind, subject)
    found = sizes_of(subject, attack, parts, tolerance, eps_max, masking)
    return replace(found, alone=torch.cat(alone).cpu()) if alone else found


def sizes_of(
    subject: Subject,
    attack: Perturbation | MinimumNorm,
    parts: list[Part],
    tolerance: float,
    eps_max: float,
    masking: Masking,
) -> CriticalSizes:
    """Combine the results of all batches into a record."""
    none = torch.zeros(0, dtype=torch.float64)
    parts = [(none, none, none, none.bool()), *parts]  # no image may be classified correctly
    eps, size, distance, censored = (torch.cat([p[i].cpu() for p in parts]) for i in range(4))
    model = subject.model
    return CriticalSizes(
        index=subject.attacked(),
        eps=host(eps),
        size=host(size),
        distance=host(distance),
        censored=censored,
        n=subject.n,
        n_correct=subject.n_correct,
        attack=attack.name,
        norm=attack.norm,
        space=subject.space,
        seed=subject.seed,
        tolerance=tolerance,
        eps_max=eps_max,
        evaluations=model.evaluations,
        gradients=model.gradients,
        zero_gradients=model.zero_gradients / model.gradients if model.gradients else float("nan"),
        masking=masking,
        groups=subject.groups(subject.correct),
        wrong_groups=subject.groups(~subject.correct),
    )


def _along(subject: Subject, batch: Batch, attack: Perturbation, grid: Tensor, tolerance: float, box: Bounds) -> Part:
    """Critical sizes of a perturbation along a path: first success on the grid, then bisection."""
    model, x, goal = subject.model, batch.x, batch.goal
    prepared = attack.prepare(model, x, goal, box, batch.draws)
    grid = grid.to(x.device)
    broken = Path(attack, model, x, goal, box, prepared, subject.batch_size).broken(grid, first=True)
    censored = ~broken.any(1)
    first = torch.where(censored, len(grid) - 1, broken.int().argmax(1))
    high = grid[first]
    low = torch.where(first > 0, grid[(first - 1).clamp_min(0)], high)
    while True:
        rows = ((high > low * (1 + tolerance)) & ~censored).nonzero()[:, 0]
        if len(rows) == 0:
            break
        middle = (low[rows] * high[rows]).sqrt()
        part = None if prepared is None else prepared[rows]
        hit = attack.perturb(model, x[rows], goal.take(rows), middle, box, part).success
        high[rows], low[rows] = torch.where(hit, middle, high[rows]), torch.where(hit, low[rows], middle)
    found = attack.perturb(model, x, goal, high, box, prepared)
    if not attack.ball:
        return high, found.size, found.distance, censored
    return high, *_capped(x, found.size, found.distance, censored, attack.norm, float(grid[-1]), box)


def _alone(subject: Subject, batch: Batch, attack: Perturbation, eps: float, box: Bounds) -> Bool[Tensor, " n"]:
    """True where the largest noise does not reach the goal without the image."""
    model, nothing = subject.model, box.clip(torch.zeros_like(batch.x))
    radius = torch.full((len(nothing),), eps, dtype=torch.float64, device=nothing.device)
    prepared = attack.prepare(model, nothing, batch.goal, box, batch.draws)
    return ~attack.perturb(model, nothing, batch.goal, radius, box, prepared).success


def _searched(subject: Subject, batch: Batch, attack: Perturbation, ladder: Ladder, box: Bounds, finish: bool) -> Part:
    """Critical sizes of an iterated attack: search over eps."""
    model, x, goal = subject.model, batch.x, batch.goal
    prepared = attack.prepare(model, x, goal, box, batch.draws)
    best = smallest(attack, model, x, goal, box, prepared, ladder, finish)
    size = length(best.point - x, "l2")
    never, top = best.distance.isinf(), float(ladder.values[-1])
    size, distance, censored = _capped(x, size, best.distance, never, attack.norm, top, box)
    return distance, size, distance, censored


def _nearest(subject: Subject, batch: Batch, attack: MinimumNorm, eps_max: float, box: Bounds, finish: bool) -> Part:
    """Critical sizes of a minimum-norm attack."""
    found = attack.nearest(subject.model, batch.x, batch.goal, box, batch.draws, finish)
    censored = ~found.success | (found.distance > eps_max)
    size, distance, censored = _capped(batch.x, found.size, found.distance, censored, attack.norm, eps_max, box)
    return distance, size, distance, censored


def _capped(
    x: Tensor, size: Tensor, distance: Tensor, censored: Tensor, norm: Norm, eps: float, box: Bounds
) -> tuple[Tensor, Tensor, Tensor]:
    """Replace size and distance of images that never broke by the largest possible ones."""
    return torch.where(censored, reach(x, eps, norm, box), size), torch.where(censored, eps, distance), censored


def _limit(
    attack: Perturbation | MinimumNorm, test: Images, eps_min: float, eps_max: float | None, tolerance: float
) -> float:
    high = attack.reach(test.inputs) if eps_max is None else float(eps_max)
    if not 0 < eps_min < high < float("inf"):
        raise InputError("no range to search", got=f"eps {eps_min} .. {high}", wanted="0 < eps_min < eps_max < inf")
    if not 1e-6 <= tolerance < 1:
        raise InputError("tolerance is out of range", got=tolerance, wanted="1e-6 .. 1, e.g. 0.01")
    return high
