"""Intervals and tests of laws fitted to moments, by fits to moments drawn around the fitted ones."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from eigencode.base.seeding import stream
from eigencode.spectra._moment_laws import Fitted, Ranks, Target, fit_laws


@dataclass(frozen=True)
class LawFit:
    """A law fitted to the moments, and fits to moments drawn around those of the fitted law (parametric bootstrap).

    p: share of the draws whose residual is at least that of the fit; NaN without more moments than parameters.
    """

    fitted: Fitted
    drawn: Fitted
    p: float

    @classmethod
    def of(cls, target: Target, ranks: Ranks, broken: bool, draws: int, seed: int) -> "LawFit":
        """Fit the power law, or the broken one, and draw."""
        fitted = fit_laws(target.logs[None], target, ranks, broken)
        around = target.draws(fitted.fitted[0], draws, stream(seed, "signal", "draws", broken))
        drawn = fit_laws(around, target, ranks, broken, fitted.every)
        larger = int((drawn.chi2 >= fitted.chi2[0]).sum())
        parameters = fitted.theta.shape[1] + broken
        return cls(fitted, drawn, (1 + larger) / (1 + draws) if len(target.logs) > parameters else math.nan)

    @property
    def largest(self) -> float:
        """λ₁ of the fitted law, in units of the scale of the moments."""
        return math.exp(float(self.fitted.theta[0, 0]))

    def estimates(self) -> list[tuple[float, float, float]]:
        """(value, low, high) of α₁, break rank and α₂; without a break of α and an infinite rank.

        An interval always contains its value.  Where a fit ends at a bound of an exponent, all draws may lie on one
        side of it, and the interval is extended to the fitted value.
        """
        drawn = _columns(self.drawn)
        ends = drawn.quantile(0.025, 0, interpolation="nearest"), drawn.quantile(0.975, 0, interpolation="nearest")
        rows = torch.stack([_columns(self.fitted)[0], *ends], 1)
        return [(float(a), float(min(a, b)), float(max(a, c))) for a, b, c in rows]


def _columns(fit: Fitted) -> Tensor:
    return torch.cat([fit.theta[:, 1:2], fit.log_break.exp()[:, None], fit.theta[:, 2:]], 1)
