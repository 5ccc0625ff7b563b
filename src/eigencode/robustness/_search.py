"""Search for the smallest eps at which an attack breaks each image, by bracketing and bisection."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import DUAL, length
from eigencode.robustness._oracle import Goal, NoGradient, Oracle
from eigencode.robustness.protocol import Perturbation

ROUNDS = 100


@dataclass(frozen=True)
class Ladder:
    """Grid of eps values for the search: given values, or a geometric grid of ratio 1 + tolerance."""

    values: Float[Tensor, " eps"]
    exact: bool
    """True if only the grid values matter (a curve), False if any number between them may be found."""

    @classmethod
    def geometric(cls, low: float, high: float, tolerance: float) -> "Ladder":
        """Create a geometric grid from `low` to `high` with relative steps of at most `tolerance`."""
        count = max(2, math.ceil(math.log(high / low) / math.log1p(tolerance)) + 1)
        return cls(torch.logspace(math.log10(low), math.log10(high), count, dtype=torch.float64), False)

    @property
    def top(self) -> int:
        return len(self.values) - 1

    def position(self, eps: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Index of the smallest grid value >= eps."""
        return torch.searchsorted(self.values.to(eps.device), eps).double()

    def eps(self, position: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Grid value at an index."""
        return self.values.to(position.device)[position.long()]


@dataclass(frozen=True)
class Smallest:
    """Closest adversarial image found per image: `point`, and its `distance` in the attack's norm, inf without any.

    `rung` is the index of the smallest value of the ladder that breaks the image; len(values) if none does.  A success
    counts for the value it was found at, although its distance may exceed that value by the rounding of float32.
    """

    point: Float[Tensor, "n *image"]
    distance: Float[Tensor, " n"]
    rung: Int[Tensor, " n"]


def smallest(
    attack: Perturbation,
    model: Oracle,
    x: Float[Tensor, "n *image"],
    goal: Goal,
    bounds: Bounds,
    prepared: Tensor | None,
    ladder: Ladder,
    finish: bool = True,
) -> Smallest:
    """Search for the smallest eps of `ladder` at which `attack` breaks each image.

    Starts at the boundary of the linearised network (in the middle of the grid where there is no gradient), goes up or
    down in growing steps until one eps fails and a larger one succeeds, then bisects.  A success counts with the
    distance of its adversarial image, which may be below eps; with `finish` that image is first moved towards the
    original by bisection.  The result is the closest success of the whole search.
    """
    n, top = len(x), float(ladder.top)
    low = torch.full((n,), -1.0, dtype=torch.float64, device=x.device)  # largest index known to fail
    high = torch.full_like(low, top + 1)  # smallest index known to succeed
    stride = torch.full_like(low, _stride(ladder))
    point, distance = x.clone(), torch.full_like(low, torch.inf)
    rung = _first(attack, model, x, goal, ladder)
    for _ in range(ROUNDS):
        rows = (high - low > 1).nonzero()[:, 0]
        if len(rows) == 0:
            break
        part = None if prepared is None else prepared[rows]
        at = rung[rows]
        found = attack.perturb(model, x[rows], goal.take(rows), ladder.eps(at), bounds, part)
        hit = found.success.nonzero()[:, 0]
        won = rows[hit]
        low[rows[~found.success]] = at[~found.success]
        if len(won):
            goals, nearer, reached = goal.take(won), found.clipped[hit], found.distance[hit]
            if finish:
                nearer = draw_back(model, x[won], nearer, goals, rounds=6)
                reached = length(nearer - x[won], attack.norm)
            better = reached < distance[won]
            point[won[better]], distance[won[better]] = nearer[better], reached[better]
            high[won] = torch.minimum(at[hit], ladder.position(distance[won]))
            overtaken = low[won] >= high[won]
            low[won] = torch.where(overtaken, -1.0, low[won])
            stride[won] = torch.where(overtaken, 1.0, stride[won])
        rung, stride = _next_position(low, high, stride, top)
    return Smallest(point, distance, high.long())


def _first(attack: Perturbation, model: Oracle, x: Tensor, goal: Goal, ladder: Ladder) -> Float[Tensor, " n"]:
    """Grid index of the first eps per image."""
    try:
        return ladder.position(guess(attack.norm, model, x, goal)).clamp(0, ladder.top)
    except NoGradient:
        if not attack.blind:
            raise
        return torch.full((len(x),), float(ladder.top // 2), dtype=torch.float64, device=x.device)


def _next_position(low: Tensor, high: Tensor, stride: Tensor, top: float) -> tuple[Tensor, Tensor]:
    fails, wins = low >= 0, high <= top
    up = (low + stride).clamp_max(top)
    down = (high - stride).clamp_min(0)
    between = torch.div(low + high, 2, rounding_mode="floor")
    rung = torch.where(fails & wins, between, torch.where(fails, up, down))
    return rung.clamp(0, top), torch.where(fails & wins, stride, stride * 2)


def _stride(ladder: Ladder) -> float:
    """Number of grid steps for a factor of about 1.4."""
    positive = ladder.values[ladder.values > 0]
    if len(positive) < 2:
        return 1.0
    step = math.log(float(positive[-1] / positive[0])) / (len(positive) - 1)
    return max(1.0, round(math.log(1.4) / step))


def guess(norm: Norm, model: Oracle, x: Tensor, goal: Goal) -> Float[Tensor, " n"]:
    """Distance to the boundary of the linearised network, gap / ‖∇gap‖ in the dual norm; 0 without a gradient."""
    slope, gap, _ = model.gradient(x, goal, "margin")
    speed = length(slope, DUAL[norm])
    return torch.where(speed > 0, gap.double() / speed.clamp_min(1e-300), 0.0).clamp(0, 1e30)


def draw_back(
    model: Oracle, x: Float[Tensor, "n *image"], point: Float[Tensor, "n *image"], goal: Goal, rounds: int
) -> Float[Tensor, "n *image"]:
    """Move a successful `point` towards `x` by bisection along the straight line, as long as it succeeds."""
    low = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    high, best = torch.ones_like(low), point.clone()
    delta = point - x
    for _ in range(rounds):
        middle = (low + high) / 2
        trial = x + delta * middle.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        hit = model.reached(trial, goal)
        high, low = torch.where(hit, middle, high), torch.where(hit, low, middle)
        best[hit] = trial[hit]
    return best
