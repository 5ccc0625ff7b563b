"""Covariance eigenvalues of a stream of responses, by the covariance or the Gram matrix, whichever is smaller."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.moments import Moments
from eigencode.base.symmetric import eigenvalues, eigenvectors, gram
from eigencode.spectra._arithmetic import arithmetic_floor

ROUNDING = 0.0451
"""Variance of a rounding error in units of (eps · value)², 3 / (8 ln 2) / 12: uniform over one unit in the last place,
with log-uniform mantissas."""


Scale = Literal["none", "zscore"]
"""Units as they are, or each divided by its standard deviation over samples."""

HALF = 1e-4
"""Machine epsilons above this one are those of half precision."""

ELEMENTS = 1 << 23
"""Numbers of a block of units in float64, 64 MiB, where there are more units than samples."""


@dataclass(frozen=True)
class Eigen:
    """Covariance eigenvalues (descending, divisor n − 1), optionally with eigenvectors `directions`.

    `factors`: the numbers by which the centred units were multiplied, 1 / standard deviation; None: they were not.
    """

    values: Float[Tensor, " rank"]
    directions: Float[Tensor, "units rank"] | None
    mean: Float[Tensor, " units"]
    n: int
    floor: float
    factors: Float[Tensor, " units"] | None = None

    def with_errors(self, errors: Tensor | None) -> "Eigen":
        """Raise the floor by the rounding errors inside the network; needs directions."""
        if errors is None or self.directions is None:
            return self
        errors = errors if self.factors is None else errors.to(self.factors) * self.factors
        return replace(self, floor=max(self.floor, arithmetic_floor(self.values, self.directions, errors)))

    def centred(self, rows: Float[Tensor, "rows units"]) -> Float[Tensor, "rows units"]:
        """Responses minus the mean, scaled as the eigenvalues are."""
        z = rows.double() - self.mean
        return z if self.factors is None else z * self.factors


class Accumulator:
    """Streaming covariance: add responses batch by batch, then compute the eigenvalues.

    Rows are stored until there are more of them than units: with fewer samples than units the eigenvalues come from
    the Gram matrix of the samples, otherwise from the streamed covariance.  min(units, samples − 1) values exist.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._kept: list[Tensor] = []
        self._eps = 0.0
        self._units = 0
        self._moments: Moments | None = None

    def add(self, batch: Float[Tensor, "some units"]) -> None:
        """Add a batch of responses of any floating-point type."""
        self._units = self._units or batch.shape[1]
        if batch.shape[1] != self._units:
            raise InputError("batches differ in their number of units", got=batch.shape[1], wanted=self._units)
        self._eps = max(self._eps, torch.finfo(batch.dtype).eps)
        self.rows += len(batch)
        if self._moments is None and self.rows <= self._units:
            self._kept.append(batch)
            return
        part = Moments.of(torch.cat([*self._kept, batch]) if self._kept else batch)
        self._kept = []
        self._moments = part if self._moments is None else self._moments.merge(part)

    def eigen(self, directions: bool, scale: Scale = "none") -> Eigen:
        """Compute the eigenvalues of all responses so far; see `spectrum` for `scale`."""
        if self.rows < 2:
            raise InputError("too few samples for a covariance", got=self.rows, wanted="at least 2")
        if self._moments is not None:
            return from_moments(self._moments, self._eps, directions, scale)
        return _from_rows(torch.cat(self._kept), self._eps, directions, scale)

    def state(self) -> tuple[Tensor | None, Moments | None, float]:
        """The rows that are stored or else the moments, and the largest machine epsilon of the batches."""
        return torch.cat(self._kept) if self._kept else None, self._moments, self._eps

    @classmethod
    def of(cls, rows: Tensor | None, moments: Moments | None, eps: float) -> "Accumulator":
        """The accumulator with this `state()`."""
        made = cls()
        made._eps, made._moments, made._kept = eps, moments, [] if rows is None else [rows]
        if rows is not None:
            made.rows, made._units = rows.shape
        elif moments is not None:
            made.rows, made._units = moments.n, len(moments.mean)
        return made

    def merge(self, other: "Accumulator") -> "Accumulator":
        """All responses of both."""
        if self._units != other._units:
            raise InputError("shards differ in their number of units", got=other._units, wanted=self._units)
        eps, n = max(self._eps, other._eps), self.rows + other.rows
        if self._moments is None and other._moments is None and n <= self._units:
            return Accumulator.of(torch.cat([*self._kept, *other._kept]), None, eps)
        one, two = (a._moments or Moments.of(torch.cat(a._kept)) for a in (self, other))
        return Accumulator.of(None, one.merge(two), eps)


def accumulated(batches: Iterable[Tensor]) -> Accumulator:
    """All responses of one pass over `batches`."""
    seen = Accumulator()
    for batch in batches:
        seen.add(batch)
    return seen


def eigen(batches: Iterable[Tensor], directions: bool, scale: Scale = "none") -> Eigen:
    """Covariance eigenvalues from one pass over `batches`."""
    return accumulated(batches).eigen(directions, scale)


def _factors(mean: Tensor, variance: Tensor, eps: float) -> Tensor:
    """1 / standard deviation of each unit; 0 for a unit that is constant up to the rounding of its numbers.

    A unit of half precision that moves between two neighbouring numbers has a standard deviation of at most eps / 2.
    """
    rounding = ((0.5 if eps > HALF else 4.0) * eps * mean).square()
    return torch.where(variance > rounding, variance, torch.inf).rsqrt()


def from_moments(moments: Moments, eps: float, directions: bool, scale: Scale = "none") -> Eigen:
    """Eigenvalues of a streamed covariance; `eps` is the machine epsilon of the responses."""
    n, units = moments.n, len(moments.mean)
    covariance, mean, factors = moments.covariance(), moments.mean, None
    if scale == "zscore":
        factors = _factors(mean, covariance.diagonal(), eps)
        covariance, mean = factors[:, None] * covariance * factors, mean * factors
    if directions:
        values, vectors = eigenvectors(covariance)
    else:
        values, vectors = eigenvalues(covariance), None
    floor = noise_floor(values[0], mean, covariance.diagonal(), n, eps)
    rank = min(units, n - 1)
    top = None if vectors is None else vectors[:, :rank]
    return Eigen(_clipped(values[:rank], floor), top, moments.mean, n, floor, factors)


def _from_rows(x: Tensor, eps: float, directions: bool, scale: Scale = "none") -> Eigen:
    n, rank = len(x), len(x) - 1
    inner = x.new_zeros(n, n, dtype=torch.float64)
    parts = []
    for units in torch.split(torch.arange(x.shape[1]), max(1, ELEMENTS // n)):
        z, mean, rest = _centred(x, units)
        variance, factors = z.square().sum(0) / rank, torch.ones_like(mean)
        if scale == "zscore":
            factors = _factors(mean, variance, eps)
            z, variance = z * factors, variance * factors.square()
        inner += gram(z.T)
        parts.append((units, mean, rest, variance, factors))
    inner /= rank
    values, vectors = eigenvectors(inner) if directions else (eigenvalues(inner), None)
    means, rests, variances, every = (torch.cat([part[i] for part in parts]) for i in (1, 2, 3, 4))
    floor = noise_floor(values[0], means * every, variances, n, eps)
    values = _clipped(values[:rank], floor)
    top = None
    if vectors is not None:
        scaled = vectors[:, :rank] / (values * rank).clamp_min(1e-300).sqrt()
        top = x.new_empty(x.shape[1], rank, dtype=torch.float64)
        for units, *_, factors in parts:
            top[units] = (_centred(x, units)[0] * factors).T @ scaled
    return Eigen(values, top, means + rests, n, floor, every if scale == "zscore" else None)


def _centred(x: Tensor, units: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Some units in float64, centred twice; and the two means that were subtracted."""
    z = x[:, units[0] : units[-1] + 1].double()
    mean = z.mean(0)
    if not bool(torch.isfinite(mean).all()):
        Moments.of(x)  # raises the error
    z = z - mean
    rest = z.mean(0)
    z -= rest
    return z, mean, rest


def noise_floor(largest: Tensor, mean: Tensor, variance: Tensor, n: int, eps: float) -> float:
    """Rounding floor: eigenvalues below it are dominated by rounding errors.

    floor = max( ε² r x̄² (1 + √(units/n))²,  8 ε₆₄ λ₁ ) with r = 3/(8 ln 2)/12: rounding of the responses to their
    type adds white noise of variance ε² r E[x²] to each unit, whose largest sample eigenvalue is
    (1 + √(units/n))² times that (Marchenko and Pastur 1967); the float64 eigenvalues have an absolute error of a
    few ε₆₄ λ₁.  Rounding errors inside a network are added by `Eigen.with_errors`, see `arithmetic_floor`.
    """
    square = float((mean.square() + variance).mean())
    responses = ROUNDING * eps**2 * square * (1 + math.sqrt(len(mean) / n)) ** 2
    return max(responses, 8 * torch.finfo(torch.float64).eps * float(largest))


def _clipped(values: Tensor, floor: float) -> Tensor:
    """Set negative values within the rounding floor to zero; larger ones would reveal an error and are kept."""
    return torch.where((values < 0) & (values >= -floor), torch.zeros_like(values), values)
