"""`spectrum(code, x)`: covariance eigenvalues of any code, streamed in float64."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.arrays import Array, tensor
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.groups import Groups
from eigencode.base.record import Record, host
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.spectra._covariance import Accumulator, Eigen, Scale, accumulated
from eigencode.spectra._fit import Method, fit
from eigencode.spectra._influence import rows_wanted, sampling, subsample
from eigencode.spectra._logs import Logs
from eigencode.spectra._responses import Responses, Source, responses
from eigencode.spectra.alternatives import Comparison, compare
from eigencode.spectra.dimension import participation_ratio, rankme
from eigencode.spectra.power_law import PowerLaw, Window
from eigencode.spectra.shape import Shape, shape
from eigencode.spectra.windows import LocalSlope, WindowMap, automatic, local_slope, window_map


@dataclass(frozen=True)
class Spectrum(Record):
    """Covariance eigenvalues, descending, with the data for intervals.

    `eigenvalues`: min(units, samples − 1) values, divisor samples − 1, units centred over samples.
    `floor`: rounding floor; eigenvalues below it are dominated by rounding errors.
    `log_bias`: E[log λ̂ₙ] − log λₙ of the population, NaN where unknown.
    `log_bias_error`: its standard error, perfectly correlated over ranks; NaN where unknown.
    `influence`, `influence_mixed`: influence of parts of `group_size` images on the bias-corrected log λ, in two
    versions whose variances average to the sampling variance; empty if not measured.
    `scale`, `reduce`: conventions of the measurement, see `spectrum` and `representation.reducer`.
    `n_groups`: number of independent groups of samples that belong together, of unequal ones the effective number
    (Σ m)² / Σ m²; 0 if every sample is independent.
    """

    eigenvalues: Float[Tensor, " rank"]
    n_samples: int
    n_units: int
    floor: float = 0.0
    kind: str = "covariance"
    source: str = ""
    space: str = ""
    seed: int = 0
    log_bias: Float[Tensor, " rank"] = field(default_factory=lambda: torch.empty(0))
    log_bias_error: Float[Tensor, " rank"] = field(default_factory=lambda: torch.empty(0))
    influence: Float[Tensor, "group rank"] = field(default_factory=lambda: torch.empty(0, 0))
    influence_mixed: Float[Tensor, "group rank"] = field(default_factory=lambda: torch.empty(0, 0))
    group_size: float = 1
    n_groups: int = 0
    scale: str = "none"
    reduce: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "eigenvalues", _ordered(self.eigenvalues, self.kind))
        rank = len(self.eigenvalues)
        for name, empty in (
            ("log_bias", torch.full((rank,), torch.nan, dtype=torch.float64)),
            ("log_bias_error", torch.full((rank,), torch.nan, dtype=torch.float64)),
            ("influence", torch.empty(0, rank)),
            ("influence_mixed", torch.empty(0, rank)),
        ):
            if getattr(self, name).numel() == 0:
                object.__setattr__(self, name, empty)

    @property
    def n_above_floor(self) -> int:
        """Number of eigenvalues above the rounding floor."""
        return int((self.eigenvalues > self.floor).sum())

    @property
    def participation_ratio(self) -> float:
        """Participation ratio (Σλ)² / Σλ²."""
        return participation_ratio(self._all())

    @property
    def rankme(self) -> float:
        """RankMe, the exponential of the entropy of the singular values √λ."""
        return rankme(self._all())

    def _all(self) -> Tensor:
        if self.kind == "leading":
            raise InputError("this measure needs all eigenvalues", got=self.source, fix="spectrum(...)")
        return self.eigenvalues

    @cached_property
    def logs(self) -> Logs:
        """log λ of the ranks above the rounding floor, with bias and sampling error."""
        usable = self.eigenvalues > self.floor
        count = len(usable) if bool(usable.all()) else int(usable.long().argmin())
        part = slice(0, count)
        ways = [self.influence[:, part], self.influence_mixed[:, part]]
        bias = self.log_bias[part], self.log_bias_error[part]
        groups = self.n_groups if self.kind == "covariance" else 0
        return Logs.of(self.eigenvalues[part], *bias, ways, self.group_size, self.n_samples, groups)

    def power_law(
        self, window: Window | Literal["auto"] = (11, 500), weights: str = "uniform", method: Method = "least squares"
    ) -> PowerLaw:
        """Fit the exponent α of λₙ ∝ n^(−α) over the ranks of `window`, both ends included.

        Args:
            window: (n_min, n_max), 1-based; or `"auto"`, see `spectra.windows.automatic` for the rule.
            weights: `"uniform"` (arXiv 2405.00679) or `"1/n"` (Stringer et al. 2019); for least squares only.
            method: `"least squares"`, or the robust `"theil-sen"` or `"siegel"`.

        Returns:
            A `PowerLaw`; read its `warnings`.
        """
        admit(Spectrum.power_law, locals())
        chosen = automatic(self.logs, weights) if window == "auto" else window
        return fit(self, chosen, weights, method)

    def window_map(self, weights: str = "uniform", points: int = 30) -> WindowMap:
        """α over all windows of a grid of ranks, to see its dependence on the window."""
        admit(Spectrum.window_map, locals())
        return window_map(self.logs, weights, points)

    def local_slope(self, width: float = 1.0) -> LocalSlope:
        """Local slope −d log λ / d log n at each rank, from ranks within a factor exp(`width` / 2)."""
        admit(Spectrum.local_slope, locals())
        return local_slope(self.logs, width)

    def shape(self, window: Window = (11, 500), weights: str = "uniform") -> Shape:
        """Measure how far the spectrum is from a power law over `window`: ranges of its slope, with intervals."""
        admit(Spectrum.shape, locals())
        return shape(self.logs, window, weights)

    def compare(self, window: Window = (11, 500), weights: str = "uniform") -> Comparison:
        """Test the power law over `window` against the sampling error and three other laws."""
        admit(Spectrum.compare, locals())
        return compare(self.logs, window, weights)


SORTED = ("covariance", "leading")
"""Kinds whose eigenvalues descend; those of the others are in the order of directions that other data gave."""


def _ordered(given: Array, kind: str) -> Tensor:
    """Eigenvalues in float64; `InputError` unless they are in order."""
    values = tensor(given, "eigenvalues", empty=True).double()
    if values.ndim != 1 or not bool(torch.isfinite(values).all()):
        raise InputError("not a spectrum", got=f"shape {tuple(values.shape)}", wanted="finite eigenvalues, one axis")
    rising = int((values.diff() > 0).sum())
    if kind in SORTED and rising:
        raise InputError(
            "eigenvalues are not in order",
            got=f"{rising} of {len(values)} larger than the one before",
            wanted="descending",
            fix="torch.as_tensor(eigenvalues).sort(descending=True).values",
        )
    return values


def spectrum(
    code: Source,
    x: Images | Array | None = None,
    *,
    interval: bool = True,
    points: bool = False,
    batch_size: int | None = None,
    scale: Scale = "none",
    seed: int = 0,
    groups: Array | None = None,
) -> Spectrum:
    """Covariance spectrum of a code, or of an array of responses.

    λₙ = eigenvalues of Σᵢ (zᵢ − z̄)(zᵢ − z̄)ᵀ / (N − 1), accumulated in float64 in one pass.

    Memory: with more samples than units, units² doubles, however many samples there are.  Otherwise all responses are
    kept, in their own type, beside samples² doubles; an interval takes units x samples doubles for the directions.

    Args:
        code: a callable points -> responses (a network, `at(net, place)`, a function), or an array
            `samples x units` (torch, numpy, pandas, xarray, lists; any real type), or an iterator of such batches.
        x: images `N C H W` in [0, 1], for a callable: an array, `Images`, a DataLoader or a Dataset.  For a code in
            unit space they are scaled by the network's `norm` first.
        interval: also measure the sampling error, and rounding errors inside the network.
        points: True if `x` holds points of the code's space (noise in unit space, say), not images.
        batch_size: samples per batch.
        scale: `"zscore"` divides every unit by its standard deviation over the samples: the eigenvalues of the
            correlation matrix (Kong et al. 2022), whose exponent is not comparable with that of the covariance.  Units
            that are constant stay zero.
        seed: of the random groups of images behind the interval and the correction of α, which both depend on it a
            little: α by about a quarter of its standard error.
        groups: a label per sample (per image, for a callable), the same for samples that belong together: repeats,
            augmentations, frames of one film.  Intervals and the correction of the bias are then over groups.  By
            default those of `Images`.  The positions of one image (`reduce="positions"`) always are one group.

    Returns:
        A `Spectrum`.

    Raises:
        InputError: fewer than 2 samples, NaN or Inf, wrong shapes, groups that do not fit.

    >>> x = torch.randn(500, 20, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 21) ** -0.5
    >>> spec = spectrum(x)
    >>> round(spec.power_law(window=(1, 20)).alpha, 1)
    1.0
    """
    admit(spectrum, locals())
    if scale not in ("none", "zscore"):
        raise InputError("unknown scale of the units", got=scale, wanted="'none' or 'zscore'")
    given = responses(code, x, batch_size, points, groups)
    kept = Reservoir(seed, groups=Groups.of(given.groups)) if interval and given.rows is None else None
    batches = given.batches()
    return finished(given, accumulated(kept.watching(batches) if kept else batches), interval, scale, seed, kept)


def finished(
    given: Responses, seen: Accumulator, interval: bool, scale: Scale, seed: int, kept: "Reservoir | None" = None
) -> Spectrum:
    """The spectrum of responses that were all `seen`; `kept`: a sample of their rows, if they cannot be read again."""
    together = Groups.of(given.groups)
    found = seen.eigen(directions=interval, scale=scale)
    check_rows(given.groups, found.n)
    found = found.with_errors(given.errors()) if interval else found
    index = rows = None
    if interval:
        units = len(found.mean)
        index = subsample(found.n, rows_wanted(units), units, seed, together)
        rows = kept.rows() if kept else given.rows(index) if given.rows else None
    origin = {"source": given.label, "space": given.space, "reduce": given.reduce}
    return assembled(found, rows, origin, seed, together, index)


def check_rows(groups: Tensor | None, rows: int) -> None:
    """Refuse groups of another number of rows than an iterator gave."""
    if groups is not None and len(groups) != rows:
        raise InputError("groups do not fit the rows", got=f"{len(groups)} for {rows} rows", wanted="one label per row")


def assembled(
    found: Eigen,
    rows: Tensor | None,
    origin: dict[str, str],
    seed: int,
    groups: Groups | None = None,
    index: Tensor | None = None,
) -> Spectrum:
    """Create a `Spectrum` from eigenvalues and, for intervals, a subsample `rows` of the responses, numbers `index`.

    `origin`: the fields source, space and reduce.
    """
    result = Spectrum(
        eigenvalues=host(found.values),
        n_samples=found.n,
        n_units=len(found.mean),
        floor=found.floor,
        **origin,  # type: ignore[arg-type]
        scale="none" if found.factors is None else "zscore",
        seed=seed,
        n_groups=round(groups.effective) if groups is not None else 0,
    )
    if found.directions is None or rows is None or (groups is not None and groups.too_few):
        return result
    parts = groups.at(index) if groups is not None and index is not None else None
    usable = int((found.values > found.floor).sum())
    error = sampling(
        *(found.centred(rows), found.directions, found.values, found.n, usable, seed, parts, result.n_groups),
        standardised=found.factors is not None,
    )
    return replace(
        result,
        influence=host(error.direct, torch.float32),
        influence_mixed=host(error.mixed, torch.float32),
        log_bias=host(error.log_bias),
        log_bias_error=host(error.log_bias_error),
        group_size=error.group_size,
    )


class Reservoir:
    """Uniform random sample of the rows of a stream of unknown length: keeps those with the smallest random keys.

    With groups the length is known, and the rows are those of `subsample`.
    """

    def __init__(self, seed: int, wanted: int | None = None, groups: Groups | None = None) -> None:
        self._seed, self._generator = seed, stream(seed, "rows")
        self._wanted, self._groups = wanted, groups
        self._keys = torch.empty(0)
        self._rows: Tensor | None = None

    def watching(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        """Pass batches through and sample from their rows."""
        if self._groups is not None:
            yield from self._watching_groups(batches, self._groups)
            return
        for batch in batches:
            keys = torch.rand(len(batch), generator=self._generator, dtype=torch.float32)
            rows = batch if self._rows is None else torch.cat([self._rows, batch])
            keys = torch.cat([self._keys, keys])
            keep = keys.argsort()[: self._wanted or rows_wanted(batch.shape[1])].sort().values
            self._keys, self._rows = keys[keep], rows[keep.to(rows.device)]
            yield batch

    def _watching_groups(self, batches: Iterator[Tensor], groups: Groups) -> Iterator[Tensor]:
        seen, kept = 0, []
        for batch in batches:
            wanted = self._wanted or rows_wanted(batch.shape[1])
            index = subsample(len(groups.of_row), wanted, batch.shape[1], self._seed, groups) - seen
            kept.append(batch[index[(index >= 0) & (index < len(batch))].to(batch.device)])
            seen += len(batch)
            yield batch
        self._rows = torch.cat(kept) if kept else None

    def rows(self) -> Tensor:
        assert self._rows is not None
        return self._rows
