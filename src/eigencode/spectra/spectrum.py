"""`spectrum(code, x)`: the covariance eigenvalues of any code, streamed in float64."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.record import Record, host
from eigencode.base.seeding import stream
from eigencode.spectra.covariance import eigen
from eigencode.spectra.dimension import participation_ratio, rankme
from eigencode.spectra.influence import ROWS, influence_groups
from eigencode.spectra.power_law import PowerLaw, Window, fit_line
from eigencode.spectra.responses import Source, responses

Z95 = 1.959964


def _none() -> Tensor:
    return torch.empty(0, 0, dtype=torch.float32)


@dataclass(frozen=True)
class Spectrum(Record):
    """Eigenvalues of a covariance, descending, with what an interval needs.

    `eigenvalues`: min(units, samples − 1) values, divisor samples − 1, units centred over samples.
    `floor`: below it rounding decides, not the code.
    `influence`: group means of the first-order influence of images on log λ, `groups rank`; empty when not measured.
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = {"eigenvalues": ("rank",), "influence": ("group", "rank")}

    eigenvalues: Float[Tensor, " rank"]
    n_samples: int
    n_units: int
    floor: float = 0.0
    kind: str = "covariance"
    source: str = ""
    space: str = ""
    seed: int = 0
    influence: Float[Tensor, "groups ranks"] = field(default_factory=_none)
    group_size: int = 1

    @property
    def n_above_floor(self) -> int:
        """How many eigenvalues lie above the rounding floor."""
        return int((self.eigenvalues > self.floor).sum())

    @property
    def participation_ratio(self) -> float:
        """(Σλ)² / Σλ²."""
        return participation_ratio(self.eigenvalues)

    @property
    def rankme(self) -> float:
        """exp of the entropy of the singular values √λ, RankMe."""
        return rankme(self.eigenvalues)

    def power_law(self, window: Window = (11, 500), weights: str = "uniform") -> PowerLaw:
        """Least-squares exponent α of λₙ ∝ n^(−α) over the ranks of `window`, both ends included.

        Args:
            window: (n_min, n_max), 1-based.
            weights: `"uniform"` (arXiv 2405.00679) or `"1/n"` (Stringer et al. 2019).
        """
        line = fit_line(self.eigenvalues, window, weights)
        error = self._standard_error(line.row, window)
        half = Z95 * error
        method = "95 %, first-order influence of images" if math.isfinite(error) else "none: influence not measured"
        return PowerLaw(
            alpha=line.alpha,
            interval=(line.alpha - half, line.alpha + half),
            r2=line.r2,
            window=window,
            weights=weights,
            intercept=line.intercept,
            standard_error=error,
            n_samples=self.n_samples,
            n_units=self.n_units,
            interval_method=method,
        )

    def _standard_error(self, row: Tensor, window: Window) -> float:
        if self.influence.numel() == 0:
            return math.nan
        effect = self.influence[:, window[0] - 1 : window[1]].double() @ row
        return float((effect.var() * self.group_size / self.n_samples).sqrt())


def spectrum(
    code: Source,
    x: Tensor | None = None,
    *,
    interval: bool = True,
    batch_size: int | None = None,
    seed: int = 0,
) -> Spectrum:
    """Covariance spectrum of a code, or of an array of responses.

    λₙ = eigenvalues of Σᵢ (zᵢ − z̄)(zᵢ − z̄)ᵀ / (N − 1), accumulated in float64 in one pass of constant memory.

    Args:
        code: a callable points -> responses (a network, `at(net, place)`, a function), or an array
            `samples x units` (torch or numpy, any real type), or an iterator of such batches.
        x: points `N C H W` of the code's own space: images for a pixel-space code, `code.points(images)` in unit
            space.  Only with a callable.
        interval: also measure what intervals need.
        batch_size: samples evaluated at once.
        seed: of the random choice of images behind intervals.

    Returns:
        A `Spectrum`.

    Raises:
        InputError: fewer than 2 samples, NaN or Inf, wrong shapes.

    >>> x = torch.randn(500, 20, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 21) ** -0.5
    >>> spec = spectrum(x)
    >>> round(spec.power_law(window=(1, 20)).alpha, 1)
    1.0
    """
    given = responses(code, x, batch_size)
    kept = _Reservoir(seed) if interval and given.rows is None else None
    batches = given.batches()
    found = eigen(kept.watching(batches) if kept else batches, directions=interval)
    groups, size = _none(), 1
    if found.directions is not None:
        rows = kept.rows() if kept else given.rows(_some(found.n, seed)) if given.rows else None
        assert rows is not None
        groups = influence_groups(rows.double() - found.mean, found.directions, found.values, seed)
        size = len(rows) // len(groups)
    return Spectrum(
        eigenvalues=host(found.values),
        n_samples=found.n,
        n_units=len(found.mean),
        floor=found.floor,
        source=given.label,
        space=given.space,
        seed=seed,
        influence=host(groups, torch.float32),
        group_size=size,
    )


def _some(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=stream(seed, "rows"))[:ROWS].sort().values


class _Reservoir:
    """A uniform random sample of the rows of a stream of unknown length: smallest random keys win."""

    def __init__(self, seed: int) -> None:
        self._generator = stream(seed, "rows")
        self._keys = torch.empty(0)
        self._rows: Tensor | None = None

    def watching(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        for batch in batches:
            keys = torch.rand(len(batch), generator=self._generator)
            rows = batch if self._rows is None else torch.cat([self._rows, batch])
            keys = torch.cat([self._keys, keys])
            keep = keys.argsort()[:ROWS].sort().values
            self._keys, self._rows = keys[keep], rows[keep.to(rows.device)]
            yield batch

    def rows(self) -> Tensor:
        assert self._rows is not None
        return self._rows
