"""Checks for masked gradients, after Athalye et al. and Carlini et al."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base import errors
from eigencode.base.arrays import Array
from eigencode.base.record import Record
from eigencode.base.types import Bounds, Images, Space
from eigencode.representation._modes import borrowed
from eigencode.robustness._balls import length, per_image, unit
from eigencode.robustness._oracle import Oracle
from eigencode.robustness._search import Ladder, smallest
from eigencode.robustness._squares import RandomSquares
from eigencode.robustness.fgsm import FGSM
from eigencode.robustness.pgd import PGD
from eigencode.robustness.protocol import Perturbation
from eigencode.robustness.subject import Batch, Subject, Subset

IMAGES = 30
"""Images that are checked by default."""

CROSS_ENTROPY = "cross_entropy"
LARGE_GAP = 80.0
"""Median difference of logits above which float32 cross-entropy loses its gradient (exp(-88) underflows)."""

FLAT = 10.0
"""Below this median difference of logits the cross-entropy is weak because the softmax is flat, not saturated."""


@dataclass(frozen=True)
class Masking(Record):
    """Result of the checks on `n` correctly classified images; shares are of these images.

    Attributes:
        n: number of images; 0 without checks.
        eps: L∞ radius of the compared attacks, about the median critical eps.
        zero_gradients: share whose cross-entropy has no gradient at all.
        logit_gap: median difference between the two largest logits.
        finite_difference: median relative error of the gradient against a finite difference along it.
        fgsm, pgd, pgd_more_steps: share broken at `eps` by FGSM, PGD with 20 steps, and PGD with 50 steps.
        pgd_cross_entropy, black_box: share broken at `eps` by PGD on the cross-entropy, and by Square.
        unbounded: share broken by PGD with a ball that covers the whole box.
        flags: descriptions of the failed checks.
        space, seed: space of eps, and seed of all random numbers.
    """

    n: int = 0
    eps: float = math.nan
    zero_gradients: float = math.nan
    logit_gap: float = math.nan
    finite_difference: float = math.nan
    fgsm: float = math.nan
    pgd: float = math.nan
    pgd_more_steps: float = math.nan
    pgd_cross_entropy: float = math.nan
    black_box: float = math.nan
    unbounded: float = math.nan
    flags: tuple[str, ...] = ()
    space: Space = "pixel"
    seed: int = 0

    @property
    def doubts(self) -> tuple[str, ...]:
        """The flags as one warning; empty if nothing looks like masking."""
        said = "gradients look masked, so the network may be less robust than FGSM and PGD say: " + "; ".join(
            self.flags
        )
        return (said,) if self.flags else ()


def masking_checks(
    net: object,
    test: Images | Array,
    space: Space = "pixel",
    *,
    images: int = IMAGES,
    subset: Subset = None,
    seed: int = 0,
    warn: bool = True,
) -> Masking:
    """Check eight signs of masked gradients on the first `images` correctly classified images.

    Flags: zero gradients; logits so large that the cross-entropy saturates; gradients that disagree with finite
    differences; FGSM stronger than PGD; 20 steps stronger than 50; PGD stronger than PGD on the saturated
    cross-entropy; random search stronger than PGD; images that PGD does not break even in a ball that covers the box.
    An attack counts as stronger if it breaks at least 5 % (and at least 3) more of the images.

    Args:
        net, test, space, subset: as in `curve`.
        images: number of images to check.
        seed: seed of random starts and of the random search.
        warn: emit an `EigencodeWarning` if a check fails.

    Source: Athalye, Carlini and Wagner 2018, arXiv 1802.00420, section 3.1; Carlini et al. 2019, arXiv 1902.06705.

    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
    >>> x = torch.rand(20, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    >>> masking_checks(net, Images(x, net(x).argmax(1), classes="abc")).flags
    ()
    """
    test = Images.of(test, "test")
    subject = Subject(net, test, space, subset, seed=seed, batch_size=max(images, 1))
    return _checked(subject, warn)


def _checked(subject: Subject, warn: bool) -> Masking:
    box = Bounds(0.0, 1.0)
    with borrowed(subject.model.logits):
        batch = next(iter(subject.batches("masking checks", box)), None)
        if batch is None:
            return Masking(space=subject.space, seed=subject.seed)
        found = _measure(subject.model, batch, box)
    found = replace(found, space=subject.space, seed=subject.seed, flags=_flags(found))
    if found.flags and warn:
        errors.warn(
            "this network may hide its gradients, so attacks may overestimate its robustness: "
            + "; ".join(found.flags)
            + ".  Compare loss='log_odds' or 'margin' with 'cross_entropy', and with Square",
        )
    return found


def checked_for_masking(
    check: bool | Masking, blind: bool, net: object, test: Images, space: Space, subset: Subset, seed: int
) -> Masking:
    """Apply the `check` argument of a measurement: return a given result, run the checks, or skip them."""
    if isinstance(check, Masking):
        return check
    if not check or blind:
        return Masking(space=space, seed=seed)
    subject = Subject(net, test, space, subset, seed=seed, batch_size=IMAGES, examine=False)
    return _checked(subject, warn=True)


def _measure(model: Oracle, batch: Batch, box: Bounds) -> Masking:
    x, goal = batch.x, batch.goal
    slope = model.gradient(x, goal, CROSS_ENTROPY)[0]
    with torch.no_grad():
        gap = goal.gap(model(x))
    eps = _median_critical_eps(model, batch, box)

    def broken(attack: Perturbation, radius: float = eps) -> float:
        prepared = attack.prepare(model, x, goal, box, batch.draws)
        radii = torch.full((len(x),), radius, dtype=torch.float64, device=x.device)
        return float(attack.perturb(model, x, goal, radii, box, prepared).success.double().mean())

    return Masking(
        n=len(x),
        eps=eps,
        zero_gradients=float((slope.flatten(1) == 0).all(1).double().mean()),
        logit_gap=float(gap.median()),
        finite_difference=float(_finite_difference(model, batch).median()),
        fgsm=broken(FGSM()),
        pgd=broken(PGD(steps=20)),
        pgd_more_steps=broken(PGD(steps=50)),
        pgd_cross_entropy=broken(PGD(steps=20, loss=CROSS_ENTROPY)),
        black_box=broken(RandomSquares("linf", steps=150, share=0.8)),
        unbounded=broken(PGD(steps=20), 1.0),
    )


def _median_critical_eps(model: Oracle, batch: Batch, box: Bounds) -> float:
    """Median critical eps of PGD on the margin, for any scale of the logits; 0.1 if most images do not break."""
    attack = PGD(steps=5, loss="margin", random_start=False)
    best = smallest(attack, model, batch.x, batch.goal, box, None, Ladder.geometric(1e-6, 1.0, 0.1), finish=False)
    median = float(best.distance.median())
    return median if math.isfinite(median) else 0.1


def _finite_difference(model: Oracle, batch: Batch) -> Float[Tensor, " n"]:
    """Relative error of the gradient g, |g·d − (L(x + h d) − L(x − h d)) / 2h| / max, L the margin, d along g.

    Where the gradient is zero, d is random and the error 1 if the margin changes along it.
    """
    x, goal = batch.x, batch.goal
    slope, gap, _ = model.gradient(x, goal, "margin")
    speed = length(slope, "l2")
    anywhere = batch.draws.normal(x.shape[1:]).to(x)
    direction = unit(torch.where(per_image(speed, x) > 0, slope, anywhere), "l2")
    inputs = x[0].numel()
    h = (0.02 * gap.double().abs() / speed.clamp_min(1e-12)).clamp(1e-4, 0.01 * math.sqrt(inputs))
    with torch.no_grad():
        ahead, behind = (
            goal.loss("margin", model(x + per_image(sign * h, x) * direction)).double() for sign in (1.0, -1.0)
        )
    seen = (ahead - behind) / (2 * h)
    largest = torch.maximum(seen.abs(), speed)
    return torch.where(largest > 0, (seen - speed).abs() / largest.clamp_min(1e-300), 0.0)


def _flags(m: Masking) -> tuple[str, ...]:
    slack = max(0.05, 3 / m.n) - 1e-9

    def stronger(one: float, other: float) -> bool:
        return one >= other + slack

    found = {
        f"{m.zero_gradients:.0%} of the gradients are zero": m.zero_gradients > 0.02,
        f"the logits are large (median gap {m.logit_gap:.3g}), so the cross-entropy saturates": m.logit_gap > LARGE_GAP,
        f"the gradient is off by {m.finite_difference:.0%} from finite differences": m.finite_difference > 0.3,
        f"FGSM breaks {m.fgsm:.0%}, PGD only {m.pgd:.0%}": stronger(m.fgsm, m.pgd),
        f"20 steps break {m.pgd:.0%}, 50 only {m.pgd_more_steps:.0%}": stronger(m.pgd, m.pgd_more_steps),
        f"PGD breaks {m.pgd:.0%}, on the cross-entropy only {m.pgd_cross_entropy:.0%}": (
            m.logit_gap > FLAT and stronger(m.pgd, m.pgd_cross_entropy)
        ),
        f"random search breaks {m.black_box:.0%}, PGD only {m.pgd:.0%}": stronger(m.black_box, m.pgd),
        f"{1 - m.unbounded:.0%} of the images never break": m.unbounded <= 1 - slack,
    }
    return tuple(text for text, flagged in found.items() if flagged)
