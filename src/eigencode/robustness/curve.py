"""Accuracy as a function of the perturbation size eps."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.groups import Groups
from eigencode.base.record import Record
from eigencode.base.types import Bounds, Images, Norm, Space
from eigencode.representation._modes import borrowed
from eigencode.robustness._paths import Path
from eigencode.robustness._search import Ladder, smallest
from eigencode.robustness.masking import Masking, checked_for_masking
from eigencode.robustness.minimal import MinimumNorm
from eigencode.robustness.protocol import Perturbation
from eigencode.robustness.subject import Batch, Subject, Subset
from eigencode.robustness.survival import grouped_wilson, wilson


@dataclass(frozen=True)
class Curve(Record):
    """Accuracy at each eps, over all images and over those classified correctly without perturbation.

    Attributes:
        eps: the grid, in units of `space` and of `norm` (a standard deviation for Gaussian noise).
        accuracy: share of the n images that the attack does not break at this eps: still classified correctly, or, with
            `target`, not classified as the target.
        accuracy_low, accuracy_high: its 95 % Wilson interval over images, or over their groups if there are any.
        relative_accuracy: the same over the n_correct images (arXiv 2405.00679, section 3.4), with its interval.
        worst_case_accuracy: share of the n images that no eps up to this one broke; never rises.
        relative_worst_case_accuracy: the same over the n_correct images.
        n, n_correct: number of images considered, and of those classified correctly without perturbation.
        attack, norm, space, seed: of the attack and of eps.
        exhaustive: True if every image was attacked at every eps; see `curve`.
        masking: result of `masking_checks`; `masking.n == 0` without checks.
        zero_gradients: share of zero gradients; NaN for an attack without gradients.
    """

    eps: Float[Tensor, " eps"]
    accuracy: Float[Tensor, " eps"]
    accuracy_low: Float[Tensor, " eps"]
    accuracy_high: Float[Tensor, " eps"]
    relative_accuracy: Float[Tensor, " eps"]
    relative_low: Float[Tensor, " eps"]
    relative_high: Float[Tensor, " eps"]
    worst_case_accuracy: Float[Tensor, " eps"]
    relative_worst_case_accuracy: Float[Tensor, " eps"]
    n: int
    n_correct: int
    attack: str
    norm: Norm
    space: Space
    seed: int
    exhaustive: bool
    zero_gradients: float
    masking: Masking = field(default_factory=Masking)

    @property
    def axis(self) -> str:
        """Label of eps: its norm (or standard deviation) and space."""
        size = "standard deviation" if "Gaussian(" in self.attack else f"ε, {self.norm}"
        return f"{size}, {self.space} space"


def curve(
    net: object,
    test: Images | Array,
    attack: Perturbation | MinimumNorm,
    eps: Float[Tensor, " eps"] | Sequence[float],
    space: Space = "pixel",
    *,
    subset: Subset = None,
    target: Int[Tensor, " n"] | None = None,
    exhaustive: bool = False,
    check: bool | Masking = True,
    seed: int = 0,
    batch_size: int = 1000,
) -> Curve:
    """Accuracy of `net` on `test` under `attack` at each eps.

    Only images classified correctly without perturbation are attacked.  A perturbation along a straight line
    (noise, FGSM) is evaluated at this eps, with few evaluations per image, see `Path`.  For an iterated attack the
    smallest eps of the grid that breaks each image is searched; the adversarial image for one eps is also one for
    every larger eps, so accuracy and worst-case accuracy are the same.  `exhaustive=True` runs every attack at
    every eps on its own instead, as arXiv 2405.00679 does.

    Args:
        net: an `nn.Module` (logits) or a function from images to logits.
        test: images with labels.
        attack: any perturbation, or a minimum-norm attack (its distances are then compared with eps).
        eps: increasing, >= 0, in units of `space`.
        space: `"pixel"`: images in [0, 1]; `"unit"`: points `net.norm(image)`.
        subset: boolean mask or indices of the images to consider, e.g. `common_correct(nets, test, space)`.
        target: target class per image; by default any wrong class is a success.
        check: also run `masking_checks`, on few images, and warn of masked gradients; or the result of an earlier
            check, or False.
        seed: seed of noise and random starts, which are drawn per image, whatever the network and batch size.
        batch_size: images per call of the network.

    Raises:
        InputError: eps not increasing or negative, images that leave the box, outputs that are not logits.

    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2, bias=False))
    >>> _ = net[1].weight.data.copy_(torch.eye(2))
    >>> test = Images(torch.tensor([[0.6, 0.5], [0.5, 0.9]]).reshape(2, 1, 1, 2), torch.tensor([0, 1]))
    >>> from eigencode.robustness import FGSM
    >>> curve(net, test, FGSM(), eps=[0.0, 0.1, 0.3]).accuracy
    tensor([1.0000, 0.5000, 0.0000], dtype=torch.float64)
    """
    test = Images.of(test, "test")
    admit(curve, locals())
    grid = _grid(eps)
    box = attack.box(space)
    subject = Subject(net, test, space, subset, target, seed, batch_size)
    parts = [torch.zeros(0, len(grid), dtype=torch.bool)]
    with borrowed(subject.model.logits):
        parts += [
            _broken(subject, batch, attack, grid, box, exhaustive).cpu()
            for batch in subject.batches(f"curve {type(attack).__name__}", box)
        ]
    masking = checked_for_masking(check, attack.blind, subject)
    return _record(torch.cat(parts), grid, subject, attack, exhaustive, masking)


def _broken(
    subject: Subject, batch: Batch, attack: Perturbation | MinimumNorm, grid: Tensor, box: Bounds, exhaustive: bool
) -> Bool[Tensor, "n eps"]:
    """Whether the attack breaks each image of a batch at each eps."""
    model, x, goal = subject.model, batch.x, batch.goal
    if isinstance(attack, MinimumNorm):
        found = attack.nearest(model, x, goal, box, batch.draws)
        return found.success[:, None] & (found.distance[:, None] <= grid.to(x.device))
    prepared = attack.prepare(model, x, goal, box, batch.draws)
    if attack.path or exhaustive:
        return Path(attack, model, x, goal, box, prepared, subject.batch_size).broken(grid, exhaustive)
    best = smallest(attack, model, x, goal, box, prepared, Ladder(grid, exact=True))
    return best.rung[:, None] <= torch.arange(len(grid), device=x.device)


def _record(
    broken: Tensor,
    grid: Tensor,
    subject: Subject,
    attack: Perturbation | MinimumNorm,
    exhaustive: bool,
    masking: Masking,
) -> Curve:
    n, n_correct = subject.n, subject.n_correct
    alive = (~broken).sum(0).double()
    never = (broken.cumsum(1) == 0).sum(0).double()
    share = max(n_correct, 1) if n_correct else float("nan")
    every, right = (Groups.of(subject.groups(k)) for k in (torch.ones_like(subject.correct), subject.correct))
    low, high = wilson(alive, n) if every is None else grouped_wilson(_whole(~broken, subject.correct), every)
    relative_low, relative_high = wilson(alive, n_correct) if right is None else grouped_wilson(~broken, right)
    asked = subject.model.gradients
    return Curve(
        eps=grid,
        accuracy=alive / n,
        accuracy_low=low,
        accuracy_high=high,
        relative_accuracy=alive / share,
        relative_low=relative_low,
        relative_high=relative_high,
        worst_case_accuracy=never / n,
        relative_worst_case_accuracy=never / share,
        n=n,
        n_correct=n_correct,
        attack=attack.name,
        norm=attack.norm,
        space=subject.space,
        seed=subject.seed,
        exhaustive=exhaustive,
        zero_gradients=subject.model.zero_gradients / asked if asked else float("nan"),
        masking=masking,
    )


def _whole(alive: Bool[Tensor, "correct eps"], correct: Bool[Tensor, " n"]) -> Bool[Tensor, "n eps"]:
    """The same of all images considered; those wrong without perturbation are not alive."""
    return torch.zeros(len(correct), alive.shape[1], dtype=torch.bool).index_put((correct,), alive)


def _grid(eps: Tensor | Sequence[float]) -> Float[Tensor, " eps"]:
    grid = torch.as_tensor(eps, dtype=torch.float64).detach().cpu().clone()
    good = grid.ndim == 1 and len(grid) and bool(torch.isfinite(grid).all()) and float(grid.min()) >= 0
    if not good or bool((grid.diff() <= 0).any()):
        raise InputError(
            "eps is not a grid",
            got=f"{grid.tolist()}"[:200],
            wanted="increasing finite numbers >= 0, at least one",
            fix="eps=[2/255, 4/255, 8/255]",
        )
    return grid
