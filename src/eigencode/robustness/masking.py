"""Checks for masked gradients, after Athalye et al. and Carlini et al."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base import errors
from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.inputs import at_least
from eigencode.base.record import Record
from eigencode.base.types import Bounds, Images, Space
from eigencode.representation._modes import borrowed
from eigencode.robustness._balls import length, per_image, unit
from eigencode.robustness._descent import Descent
from eigencode.robustness._oracle import Oracle
from eigencode.robustness._squares import RandomSquares
from eigencode.robustness.protocol import Perturbation
from eigencode.robustness.subject import Batch, Subject, Subset

CROSS_ENTROPY, MARGIN = "cross_entropy", "margin"

STEPS, MORE_STEPS, SQUARES = 8, 20, 25
"""Steps of PGD, of the longer PGD, and of the random search."""

RADII = torch.logspace(-5, 0, 21, dtype=torch.float64)
"""L∞ radii of which the checks take one."""

USUAL = 0.1
"""The radius where FGSM breaks too few images at all of them."""

IMAGES, FEWEST = 30, 8
"""Most and fewest images that the checks of a measurement look at."""

SHARE = 0.5
"""Share of the work of a measurement that its checks may spend, down to the fewest images."""

COST = 60
"""Work of the checks per image of an ordinary network, about: evaluations, where a gradient counts as three."""

LARGE_GAP = 80.0
"""Median difference of logits above which float32 cross-entropy loses its gradient (exp(-88) underflows)."""

RANDOM = 1e-3
"""Relative change between two passes above which a network is random; rounding stays far below."""

FLAT = 10.0
"""Below this median difference of logits the cross-entropy is weak because the softmax is flat, not saturated."""


@dataclass(frozen=True)
class Masking(Record):
    """Result of the checks on `n` correctly classified images; shares are of these images.

    Attributes:
        n: number of images; 0 without checks.
        eps: L∞ radius of the compared attacks: the smallest tried at which FGSM breaks half of the images, or 0.1.
        zero_gradients: share whose cross-entropy has no gradient at all.
        logit_gap: median difference between the two largest logits.
        finite_difference: median relative error of the gradient against a finite difference along it.
        fgsm, pgd: share broken at `eps` by FGSM, and by PGD with 8 steps.
        pgd_more_steps: share broken at `eps` by PGD with 8 and also by PGD with 20 steps.
        pgd_cross_entropy: the same for PGD with 8 steps on the cross-entropy; NaN where the logits cannot saturate it.
        black_box: share broken at `eps` by PGD or, where it fails, by 25 steps of Square.
        unbounded: share broken by PGD with a ball that covers the whole box.
        random: median relative change of the gap of the logits when the network is asked twice.
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
    random: float = math.nan
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
    """Check nine signs of masked gradients on `images` of the correctly classified images, evenly spaced.

    Flags: logits that change when the network is asked again; zero gradients; logits so large that the cross-entropy
    saturates; gradients that disagree with finite differences; FGSM stronger than PGD; images that 8 steps break
    and 20 do not; that PGD breaks but not on the saturated cross-entropy; that random search breaks and PGD does not;
    that PGD does not break even in a ball that covers the box.  A flag takes at least 5 % (and at least 3) of the
    images.  Costs about 60 evaluations per image.

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
    admit(masking_checks, locals())
    at_least(1, images=images)
    subject = Subject(net, test, space, subset, seed=seed)
    return _checked(subject, images, warn)


def checked_for_masking(check: bool | Masking, blind: bool, subject: Subject, spent: int | None = None) -> Masking:
    """Apply the `check` argument of a measurement that has been made: return a given result, run the checks, or not.

    The checks spend at most about half of what the measurement did, by looking at fewer images.  `spent`: its
    evaluations and twice its gradients, if not those of the subject.
    """
    if subject.squashed and not blind:
        errors.warn(
            "the network returns probabilities, not logits: where they saturate, gradients vanish, and attacks look "
            "weaker than they are; drop the last softmax"
        )
    if isinstance(check, Masking):
        return check
    if not check or blind:
        return Masking(space=subject.space, seed=subject.seed)
    if spent is None:
        spent = subject.model.evaluations + 2 * subject.model.gradients
    images = min(IMAGES, max(FEWEST, int(SHARE * spent / COST)))
    return _checked(subject, images, warn=True)


def _checked(subject: Subject, images: int, warn: bool) -> Masking:
    found = Masking(space=subject.space, seed=subject.seed)
    index = _spaced(subject.attacked(), images)
    if not len(index):
        return found
    few = Subject(
        *(subject.net, subject.test, subject.space, index), seed=subject.seed, batch_size=len(index), examine=False
    )
    box = Bounds(0.0, 1.0)
    with borrowed(few.model.logits):
        batch = next(few.batches("masking checks", box), None)
        if batch is None:  # a random network may not be right again
            return found
        found = replace(_measure(few.model, batch, box), space=subject.space, seed=subject.seed)
    found = replace(found, flags=_flags(found))
    if found.flags and warn:
        errors.warn(
            "this network may hide its gradients, so attacks may overestimate its robustness: "
            + "; ".join(found.flags)
            + ".  Compare loss='log_odds' or 'margin' with 'cross_entropy', and with Square",
        )
    return found


def _spaced(index: Int[Tensor, " n"], count: int) -> Int[Tensor, " m"]:
    """At most `count` of the indices, evenly spaced, so that images sorted by class are of several classes."""
    places = torch.linspace(0, len(index) - 1, min(count, len(index))).round().long()
    return index[places]


def _measure(model: Oracle, batch: Batch, box: Bounds) -> Masking:
    x, goal = batch.x, batch.goal
    slope, gap, _ = model.gradient(x, goal, CROSS_ENTROPY)
    steepest, again, _ = model.gradient(x, goal, MARGIN)
    eps, fgsm = _radius(model, batch, steepest.sign(), box)

    def broken(attack: Perturbation, rows: Tensor, radius: float = eps) -> Bool[Tensor, " n"]:
        hit = torch.zeros_like(rows)
        if bool(rows.any()):
            prepared = attack.prepare(model, x, goal, box, batch.draws)
            size = torch.full((int(rows.sum()),), radius, dtype=torch.float64, device=x.device)
            part = None if prepared is None else prepared[rows]
            hit[rows] = attack.perturb(model, x[rows], goal.take(rows), size, box, part).success
        return hit

    def share(hit: Tensor) -> float:
        return float(hit.double().mean())

    every = torch.ones_like(goal.y, dtype=torch.bool)
    pgd, saturated = broken(_descent(STEPS), every), float(gap.median()) > FLAT
    return Masking(
        n=len(x),
        eps=eps,
        zero_gradients=share((slope.flatten(1) == 0).all(1)),
        logit_gap=float(gap.median()),
        finite_difference=float(_finite_difference(model, batch, steepest, gap).median()),
        fgsm=fgsm,
        pgd=share(pgd),
        pgd_more_steps=share(broken(_descent(MORE_STEPS), pgd)),
        pgd_cross_entropy=share(broken(_descent(STEPS, CROSS_ENTROPY), pgd)) if saturated else math.nan,
        black_box=share(pgd | broken(RandomSquares("linf", steps=SQUARES, share=0.8), ~pgd)),
        unbounded=share(broken(_descent(MORE_STEPS), every, 1.0)),
        random=float(((gap - again).abs() / gap.abs().clamp_min(torch.finfo(gap.dtype).tiny)).median()),
    )


def _descent(steps: int, loss: str = "scale_free") -> Descent:
    return Descent("linf", steps, 5 / steps, None, random_start=True, restarts=1, keep="best", loss=loss)


def _radius(model: Oracle, batch: Batch, direction: Tensor, box: Bounds) -> tuple[float, float]:
    """The smallest of the radii, by bisection, at which half of the images break along `direction`, and their share."""

    def share(rung: int) -> float:
        moved = box.clip(batch.x + float(RADII[rung]) * direction)
        return float(model.reached(moved, batch.goal).double().mean())

    low, high, found = -1, len(RADII) - 1, share(len(RADII) - 1)
    if found < 0.5:
        usual = int((RADII - USUAL).abs().argmin())
        return USUAL, share(usual)
    while high - low > 1:
        middle = (low + high) // 2
        if (now := share(middle)) >= 0.5:
            high, found = middle, now
        else:
            low = middle
    return float(RADII[high]), found


def _finite_difference(model: Oracle, batch: Batch, slope: Tensor, gap: Tensor) -> Float[Tensor, " n"]:
    """Relative error of the gradient g, |g·d − (L(x + h d) − L(x − h d)) / 2h| / max, L the margin, d along g.

    Where the gradient is zero, d is random and the error 1 if the margin changes along it.
    """
    x, goal = batch.x, batch.goal
    speed = length(slope, "l2")
    anywhere = batch.draws.normal(x.shape[1:]).to(x)
    direction = unit(torch.where(per_image(speed, x) > 0, slope, anywhere), "l2")
    inputs = x[0].numel()
    h = (0.02 * gap.double().abs() / speed.clamp_min(1e-12)).clamp(1e-4, 0.01 * math.sqrt(inputs))
    ends = [x + per_image(sign * h, x) * direction for sign in (1.0, -1.0)]
    with torch.no_grad():
        try:
            ahead, behind = (goal.loss(MARGIN, model(end)).double() for end in ends)
        except errors.InputError:  # no finite logits out of [0, 1], where the images are
            ends = [end.clamp(0, 1) for end in ends]
            ahead, behind = (goal.loss(MARGIN, model(end)).double() for end in ends)
            speed = ((ends[0] - ends[1]) * slope).flatten(1).double().sum(1) / (2 * h)
    seen = (ahead - behind) / (2 * h)
    largest = torch.maximum(seen.abs(), speed)
    return torch.where(largest > 0, (seen - speed).abs() / largest.clamp_min(1e-300), 0.0)


def _flags(m: Masking) -> tuple[str, ...]:
    slack = max(0.05, 3 / m.n) - 1e-9

    def stronger(one: float, other: float) -> bool:
        return one >= other + slack

    found = {
        f"the logits of the same image change by {m.random:.2g}: the network is random": m.random > RANDOM,
        f"{m.zero_gradients:.0%} of the gradients are zero": m.zero_gradients > 0.02,
        f"the logits are large (median gap {m.logit_gap:.3g}), so the cross-entropy saturates": m.logit_gap > LARGE_GAP,
        f"the gradient is off by {m.finite_difference:.0%} from finite differences": m.finite_difference > 0.3,
        f"FGSM breaks {m.fgsm:.0%}, PGD only {m.pgd:.0%}": stronger(m.fgsm, m.pgd),
        f"{STEPS} steps break {m.pgd:.0%}, of these {MORE_STEPS} steps only {m.pgd_more_steps:.0%}": stronger(
            m.pgd, m.pgd_more_steps
        ),
        f"PGD breaks {m.pgd:.0%}, of these on the cross-entropy only {m.pgd_cross_entropy:.0%}": stronger(
            m.pgd, m.pgd_cross_entropy
        ),
        f"PGD breaks {m.pgd:.0%}, with random search {m.black_box:.0%}": stronger(m.black_box, m.pgd),
        f"{1 - m.unbounded:.0%} of the images never break": m.unbounded <= 1 - slack,
    }
    return tuple(text for text, flagged in found.items() if flagged)
