"""Success of path perturbations on a grid of eps, from few forward passes per image."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.types import Bounds
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness.protocol import Perturbation

COARSE = 33
SAFETY = 3.0


@dataclass(frozen=True, eq=False)
class Path:
    """Evaluates a perturbation along one path per image of a batch.

    The gap of the logits along a path is a continuous function of eps.  It is evaluated at a few points of the
    grid; then every interval in which it changes sign, or could reach zero if it were `SAFETY` times as steep as
    observed there and next to it, is halved until every grid point is decided (Piyavskii 1972, with an estimated
    Lipschitz constant).  `exhaustive=True` evaluates every point instead; the tests compare both.
    """

    attack: Perturbation
    model: Oracle
    x: Float[Tensor, "n *image"]
    goal: Goal
    bounds: Bounds
    prepared: Tensor | None
    batch_size: int

    def broken(
        self, grid: Float[Tensor, " eps"], exhaustive: bool = False, first: bool = False
    ) -> Bool[Tensor, "n eps"]:
        """Success of each image at each eps of an increasing grid.

        With `first=True` only the first success of each image is located, and columns after it are unspecified.
        """
        n, last = len(self.x), len(grid) - 1
        grid = grid.to(self.x.device)
        gap = torch.full((n, last + 1), torch.nan, dtype=torch.float64, device=self.x.device)
        hit = torch.zeros_like(gap, dtype=torch.bool)
        count = last + 1 if exhaustive else min(COARSE, last + 1)
        start = torch.linspace(0, last, count, device=grid.device).round().long()
        rows = torch.arange(n, device=grid.device).repeat_interleave(count)
        columns = start.repeat(n)
        while len(rows):
            hit[rows, columns], gap[rows, columns] = self._evaluate(rows, grid[columns])
            rows, columns = _undecided(gap, hit, grid, first)
        known = torch.where(gap.isnan(), -1, torch.arange(last + 1, device=grid.device)).cummax(1).values
        return hit.gather(1, known)

    def _evaluate(self, rows: Int[Tensor, " pairs"], eps: Float[Tensor, " pairs"]) -> tuple[Tensor, Tensor]:
        found = []
        for r, e in zip(torch.split(rows, self.batch_size), torch.split(eps, self.batch_size)):
            prepared = None if self.prepared is None else self.prepared[r]
            result = self.attack.perturb(self.model, self.x[r], self.goal.take(r), e, self.bounds, prepared)
            found.append((result.success, result.gap.double()))
        return torch.cat([f[0] for f in found]), torch.cat([f[1] for f in found])


def _undecided(gap: Tensor, hit: Tensor, grid: Tensor, first: bool) -> tuple[Tensor, Tensor]:
    """(rows, columns) of the midpoints of all intervals between evaluated points that are still undecided."""
    rows, columns = (~gap.isnan()).nonzero(as_tuple=True)
    row, left, right = rows[:-1], columns[:-1], columns[1:]
    same = row == rows[1:]
    row, left, right = row[same], left[same], right[same]
    low, high, width = gap[row, left], gap[row, right], grid[right] - grid[left]
    slope = (high - low).abs() / width
    steepest = slope.clone()
    if len(row) > 1:
        beside = row[1:] == row[:-1]
        steepest[1:] = torch.maximum(steepest[1:], torch.where(beside, slope[:-1], 0.0))
        steepest[:-1] = torch.maximum(steepest[:-1], torch.where(beside, slope[1:], 0.0))
    crossing = hit[row, left] != hit[row, right]
    near = low.abs() + high.abs() <= SAFETY * steepest * width
    open_ = (right - left > 1) & (crossing | near)
    if first:
        before = hit.cumsum(1)[row, left] > 0
        open_ &= ~before
    return row[open_], (left[open_] + right[open_]) // 2
