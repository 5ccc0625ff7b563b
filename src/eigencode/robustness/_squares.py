"""Random search with squares: the implementation of `Square`, without default settings."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import hashed
from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import check_norm, length, per_image, project
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness.protocol import Perturbation

HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class RandomSquares(Perturbation):
    """`Square` without default settings, for callers whose results must not change with the defaults."""

    norm: Norm
    steps: int
    share: float
    blind: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_norm(self.norm)
        if self.steps < 1 or not 0 < self.share <= 1:
            raise InputError("settings of Square make no sense", got=repr(self), wanted="steps >= 1, 0 < share <= 1")

    def prepare(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Tensor:
        return draws.seeds().to(x.device)

    def run(self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None) -> Tensor:
        assert prepared is not None
        shape, found = x.shape, x.clone()
        x = x if x.ndim == 4 else x.reshape(len(x), 1, 1, -1)
        channels, height, width = x.shape[1:]
        seeds, rows = prepared, torch.arange(len(x), device=x.device)
        signs = _signs(hashed(seeds, 0, count=channels * width)).reshape(-1, channels, 1, width)
        point = self._place(x, signs.expand_as(x).to(x), eps, bounds)
        gap = self._gap(model, point.reshape(-1, *shape[1:]), goal)
        for k in range(1, self.steps + 1):
            on = (gap > 0).nonzero()[:, 0]
            if len(on) < len(rows):
                found[rows] = point.reshape(-1, *shape[1:])
                rows, x, point, gap, eps = rows[on], x[on], point[on], gap[on], eps[on]
                seeds, goal = seeds[on], goal.take(on)
                if len(on) == 0:
                    return found
            u = hashed(seeds, k, count=2 + channels)
            square = self._square(u, (height, width), k)
            colour = _signs(u[:, 2:])[:, :, None, None].to(x)
            if self.norm == "linf":
                limit = per_image(eps, x)
                trial = bounds.clip(torch.where(square[:, None], x + limit * colour, point))
            else:
                step = square[:, None] * colour
                scale = eps / length(step, self.norm).clamp_min(1e-300)
                trial = self._place(x, point - x + per_image(scale, x) * step, eps, bounds)
            now = self._gap(model, trial.reshape(-1, *shape[1:]), goal)
            better = now < gap
            point[better], gap[better] = trial[better], now[better]
        found[rows] = point.reshape(-1, *shape[1:])
        return found

    def _place(self, x: Tensor, delta: Tensor, eps: Tensor, bounds: Bounds) -> Tensor:
        size = length(delta, self.norm).clamp_min(1e-300)
        return project(x, x + per_image(eps / size, x) * delta, eps, self.norm, bounds)

    def _square(self, u: Tensor, size: tuple[int, int], k: int) -> Tensor:
        """Mask of the pixels in the square of step k, `n height width`."""
        share = self.share / 2 ** sum(k > h * self.steps for h in HALVINGS)
        side = max(1, min(*size, round(math.sqrt(share * size[0] * size[1]))))
        inside = []
        for axis, extent in enumerate(size):
            first = (u[:, axis] * (extent - side + 1)).floor()[:, None]
            place = torch.arange(extent, device=u.device)
            inside.append((place >= first) & (place < first + side))
        return inside[0][:, :, None] & inside[1][:, None, :]

    @torch.no_grad()
    def _gap(self, model: Oracle, point: Tensor, goal: Goal) -> Tensor:
        logits = model(point)
        return torch.where(goal.reached(logits), -1.0, goal.gap(logits).clamp_min(1e-30))


def _signs(u: Tensor) -> Tensor:
    return torch.where(u < 0.5, -1.0, 1.0)
