"""Log eigenvalues with sampling bias and sampling error, the input of every fit."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

PER_RANK = 3
"""Groups of samples per rank from which on the shape of a spectrum has intervals and a test."""


@dataclass(frozen=True)
class Logs:
    """log λ at ranks 1..R with its sampling bias and its error.

    `effects`: Σ of outer products of these rows, averaged over the first axis, is the error covariance of `corrected`;
    the last row is the error of the correction, the others are of sampling.  Empty where it was not measured.
    `belonging`: number of groups of samples that belong together; 0 if samples are independent.
    """

    values: Float[Tensor, " ranks"]
    bias: Float[Tensor, " ranks"]
    effects: Float[Tensor, "ways groups ranks"]
    belonging: int = 0

    @classmethod
    def of(
        cls,
        eigenvalues: Float[Tensor, " ranks"],
        log_bias: Float[Tensor, " ranks"],
        log_bias_error: Float[Tensor, " ranks"],
        influences: list[Tensor],
        group_size: float,
        n_samples: int,
        belonging: int = 0,
    ) -> "Logs":
        """Create from the fields of a `Spectrum`: influences are means over groups of `group_size` images."""
        ways = torch.stack([i.double() for i in influences])
        groups = ways.shape[1]
        scale = math.sqrt(group_size / n_samples / max(1, groups - 1))
        if not groups:
            return cls(eigenvalues.log(), log_bias, ways, belonging)
        moved = (ways - ways.mean(1, keepdim=True)) * scale
        common = log_bias_error.nan_to_num(0).expand(len(ways), 1, -1)
        return cls(eigenvalues.log(), log_bias, torch.cat([moved, common], 1), belonging)

    @property
    def known(self) -> bool:
        """True if the sampling error was measured."""
        return self.effects.numel() > 0

    @property
    def bent(self) -> bool:
        """True if a finite sample bends the spectrum by an unknown amount: no test can tell that from its shape."""
        return self.known and not bool(torch.isfinite(self.bias).all())

    @property
    def corrected(self) -> Float[Tensor, " ranks"]:
        """Estimates of the population log λ; NaN where the bias is unknown."""
        return self.values - self.bias

    def linear(self, rows: Float[Tensor, "k ranks"]) -> Float[Tensor, " k"]:
        """`rows @ log λ`, corrected where the bias is known at all ranks that a row weighs, else as measured."""
        corrected = _product(rows, self.corrected)
        return torch.where(torch.isfinite(corrected), corrected, _product(rows, self.values))

    def covariance(self, rows: Float[Tensor, "k ranks"]) -> Float[Tensor, "k k"]:
        """Sampling covariance of the linear functions `rows @ log λ`; NaN if it was not measured."""
        if not self.known:
            return torch.full((len(rows), len(rows)), math.nan, dtype=torch.float64)
        moved = self.effects @ rows.T
        return (moved.mT @ moved).mean(0)

    def deviation(self, rows: Float[Tensor, "k ranks"]) -> Float[Tensor, " k"]:
        """Standard errors of `rows @ log λ`."""
        if not self.known:
            return torch.full((len(rows),), math.nan, dtype=torch.float64)
        return (self.effects @ rows.T).square().sum(1).mean(0).sqrt()

    def tail(self, row: Float[Tensor, " ranks"]) -> float:
        """Kurtosis of the influences of the groups of samples on `row @ log λ`: 3 if normal; NaN if not measured."""
        if not self.known:
            return math.nan
        squares = (self.effects[:, :-1] @ row).square()
        return float((squares.square().mean(1) / squares.mean(1).square()).mean())

    def draws(self, count: int, generator: torch.Generator) -> Float[Tensor, "count ranks"]:
        """Draw log spectra as from new samples: `corrected` plus Gaussian noise of the sampling covariance.

        A multiplier bootstrap over images (van der Vaart and Wellner 1996, section 2.9), for nonlinear functions
        of the spectrum.
        """
        ways, groups, _ = self.effects.shape
        noise = torch.randn(ways, count, groups, dtype=torch.float64, generator=generator)
        return self.corrected + (noise @ self.effects).sum(0) / math.sqrt(ways)

    @property
    def testable(self) -> "Logs":
        """The same without the error if that is of fewer than three groups of samples per rank.

        The error of one slope is known well enough from these; slopes of parts of a window and the covariance of many
        contrasts are not.
        """
        few = 0 < self.belonging < PER_RANK * len(self.values)
        return replace(self, effects=self.effects[:, :0]) if few else self

    def window(self, low: int, high: int) -> "Logs":
        """Restrict to the ranks low..high, both included."""
        part = slice(low - 1, high)
        return Logs(self.values[part], self.bias[part], self.effects[..., part], self.belonging)


def _product(rows: Float[Tensor, "k ranks"], y: Float[Tensor, " ranks"]) -> Float[Tensor, " k"]:
    """`rows @ y`, NaN only in rows with weight at a rank where y is not finite."""
    finite = torch.isfinite(y)
    found = rows @ torch.where(finite, y, 0.0)
    return found.masked_fill(((rows != 0) & ~finite).any(1), math.nan)
