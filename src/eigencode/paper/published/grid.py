"""Critical sizes on a grid, as defined in arXiv 2405.00679: the smallest ε of the grid that breaks an image."""

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.types import Bounds, Images, Space
from eigencode.representation._modes import borrowed
from eigencode.robustness._balls import reach
from eigencode.robustness._certificate import certificate
from eigencode.robustness._paths import Path
from eigencode.robustness.critical import CriticalSizes, Part, sizes_of
from eigencode.robustness.masking import Masking, checked_for_masking
from eigencode.robustness.protocol import Perturbation
from eigencode.robustness.subject import Batch, Subject


def first_on_grid(
    net: object,
    test: Images,
    attack: Perturbation,
    grid: Float[Tensor, " eps"],
    space: Space = "unit",
    *,
    check: bool | Masking = True,
    seed: int = 0,
    batch_size: int = 1000,
) -> CriticalSizes:
    """Critical sizes by running the attack at every value of an increasing grid of ε, as in arXiv 2405.00679.

    Valid, but coarse, and expensive for iterated attacks; `critical_size` bisects between values of the grid and finds
    smaller perturbations.  Images that never break are censored at the end of the grid.  An iterated attack is skipped
    at an ε for which a certificate proves that no perturbation breaks the image; the record does not count it.

    Raises:
        InputError: a grid that does not increase from above 0.
    """
    if len(grid) < 2 or not bool((grid > 0).all()) or not bool((grid.diff() > 0).all()):
        raise InputError("not a grid of eps", got=grid.tolist()[:5], wanted="two increasing numbers > 0 or more")
    grid, box = grid.double(), attack.box(space)
    subject = Subject(net, test, space, seed=seed, batch_size=batch_size)
    with borrowed(net):
        parts = [
            _first(subject, batch, attack, grid, box) for batch in subject.batches(f"grid {type(attack).__name__}", box)
        ]
    masking = checked_for_masking(check, attack.blind, subject)
    tolerance = float((grid[1:] / grid[:-1]).max()) - 1
    return sizes_of(subject, attack, parts, tolerance, float(grid[-1]), masking)


def _first(subject: Subject, batch: Batch, attack: Perturbation, grid: Tensor, box: Bounds) -> Part:
    model, x, goal = subject.model, batch.x, batch.goal
    prepared = attack.prepare(model, x, goal, box, batch.draws)
    if attack.path:
        hit = Path(attack, model, x, goal, box, prepared, subject.batch_size).broken(grid, first=True)
        rung = torch.where(hit.any(1), hit.int().argmax(1), len(grid))
    else:
        proof = certificate(subject.net, subject.space, x) if attack.ball else None
        start = torch.zeros_like(goal.y) if proof is None else proof.rungs(x, goal.y, grid, attack.norm)
        rung = _scanned(subject, batch, attack, grid, box, prepared, start)
    censored = rung == len(grid)
    eps = grid.to(x.device)[rung.clamp_max(len(grid) - 1)]
    found = attack.perturb(model, x, goal, eps, box, prepared)
    size, distance = found.size, found.distance
    if attack.ball:  # censored images: the largest perturbation within the ball and the box
        size = torch.where(censored, reach(x, float(grid[-1]), attack.norm, box), size)
        distance = torch.where(censored, grid[-1], distance)
    return eps, size, distance, censored


def _scanned(
    subject: Subject,
    batch: Batch,
    attack: Perturbation,
    grid: Tensor,
    box: Bounds,
    prepared: Tensor | None,
    start: Tensor,
) -> Tensor:
    """Index of the first value of the grid, from `start` on, at which the attack succeeds; len(grid) if none."""
    model, x, goal = subject.model, batch.x, batch.goal
    rung = torch.full_like(start, len(grid))
    for place, value in enumerate(grid.tolist()):
        left = ((start <= place) & (rung == len(grid))).nonzero()[:, 0]
        if not len(left):
            continue
        radius = torch.full((len(left),), value, dtype=torch.float64, device=x.device)
        part = None if prepared is None else prepared[left]
        hit = attack.perturb(model, x[left], goal.take(left), radius, box, part).success
        rung[left[hit]] = place
    return rung
