"""Projected gradient descent: the implementation of `PGD`, without default settings."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import check_norm, in_ball, per_image, project, unit
from eigencode.robustness._draws import Draws
from eigencode.robustness._losses import check_loss
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness.protocol import Perturbation


@dataclass(frozen=True)
class Descent(Perturbation):
    """`PGD` without default settings, for callers whose results must not change with the defaults."""

    norm: Norm
    steps: int
    rel_step: float | None
    step: float | None
    random_start: bool
    restarts: int
    keep: Literal["best", "last"]
    loss: str

    def __post_init__(self) -> None:
        check_norm(self.norm)
        check_loss(self.loss)
        if self.steps < 1 or self.restarts < 1:
            raise InputError("PGD needs at least one step and one start", got=f"{self.steps}, {self.restarts}")
        if self.rel_step is not None and self.step is not None:
            raise InputError("two step sizes", got=f"step={self.step}, rel_step={self.rel_step}", wanted="one of them")
        if not (self.step is None or self.step > 0) or not (self.rel_step is None or self.rel_step > 0):
            raise InputError("a step must be positive", got=f"step={self.step}, rel_step={self.rel_step}")
        if self.keep not in ("best", "last"):
            raise InputError("unknown iterate to keep", got=self.keep, wanted="'best' or 'last'")
        if self.restarts > 1 and not self.random_start:
            raise InputError("restarts from the same point are the same", fix="random_start=True or restarts=1")

    def prepare(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Tensor | None:
        """Draw starts inside the unit ball, `n restarts ...`."""
        if not self.random_start:
            return None
        starts = in_ball(draws, (self.restarts, *x.shape[1:]), self.norm).to(x)
        if self.restarts > 1:
            starts[:, 0] = 0
        return starts

    def run(self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None) -> Tensor:
        if prepared is None:
            return self._ascend(model, x, x, goal, eps, bounds)[0]
        found, broken, gap = x.clone(), torch.zeros_like(goal.y, dtype=torch.bool), torch.full_like(eps, torch.inf)
        for start in prepared.unbind(1):
            rows = (~broken).nonzero()[:, 0]
            if len(rows) == 0:
                break
            first = project(x[rows], x[rows] + per_image(eps[rows], x) * start[rows], eps[rows], self.norm, bounds)
            point, hit, left = self._ascend(model, x[rows], first, goal.take(rows), eps[rows], bounds)
            better = hit | (left < gap[rows])
            found[rows[better]], gap[rows[better]] = point[better], left[better]
            broken[rows] = hit
        return found

    def _ascend(
        self, model: Oracle, x: Tensor, point: Tensor, goal: Goal, eps: Tensor, bounds: Bounds
    ) -> tuple[Float[Tensor, "n *image"], Bool[Tensor, " n"], Float[Tensor, " n"]]:
        """Run PGD from one start: the kept point, success and gap there."""
        best = point.clone()
        gap, success = torch.full_like(eps, torch.inf), torch.zeros_like(goal.y, dtype=torch.bool)
        rows = torch.arange(len(x), device=x.device)
        for _ in range(self.steps):
            slope, now, hit = model.gradient(point, goal, self.loss)
            if self.keep == "best":
                better = hit | (now < gap[rows])
                best[rows[better]], gap[rows[better]], success[rows] = point[better], now[better].double(), hit
                if bool(hit.any()):
                    on = (~hit).nonzero()[:, 0]
                    rows, x, point, slope, eps, goal = rows[on], x[on], point[on], slope[on], eps[on], goal.take(on)
                    if len(on) == 0:
                        return best, success, gap
            point = project(x, point + per_image(self._alpha(eps), x) * self._direction(slope), eps, self.norm, bounds)
        with torch.no_grad():
            logits = model(point)
        now, hit = goal.gap(logits).double(), goal.reached(logits)
        better = hit | (now < gap[rows])
        best[rows[better]], gap[rows[better]], success[rows] = point[better], now[better], hit
        return best, success, gap

    def _alpha(self, eps: Tensor) -> Tensor:
        if self.step is not None:
            return torch.full_like(eps, self.step)
        return eps * (5.0 / self.steps if self.rel_step is None else self.rel_step)

    def _direction(self, slope: Tensor) -> Tensor:
        return slope.sign() if self.norm == "linf" else unit(slope, "l2")
