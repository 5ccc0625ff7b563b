"""Covariance spectra of very many images: moments of shares of them, measured anywhere, merged in a fixed order."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from eigencode.base.arrays import Array
from eigencode.base.errors import InputError
from eigencode.base.moments import Moments
from eigencode.base.record import Record, host
from eigencode.base.types import Images
from eigencode.spectra._covariance import Accumulator, Scale, accumulated
from eigencode.spectra._responses import Source, responses
from eigencode.spectra.spectrum import Spectrum, finished


@dataclass(frozen=True)
class SpectrumShard(Record):
    """What a share of the images adds to a spectrum.

    Attributes:
        eps: machine epsilon of the responses.
        rows: the responses, if there are no more of them than units.
        n, mean, scatter: else their `base.moments.Moments`.
    """

    eps: float
    n: int
    rows: Float[Tensor, "sample unit"] | None = None
    mean: Float[Tensor, " unit"] | None = None
    scatter: Float[Tensor, "unit unit"] | None = None

    @classmethod
    def of(cls, seen: Accumulator) -> "SpectrumShard":
        """The shard with these responses."""
        rows, moments, eps = seen.state()
        if moments is None:
            return cls(eps, seen.rows, None if rows is None else host(rows, rows.dtype))
        return cls(eps, seen.rows, None, host(moments.mean), host(moments.scatter))

    def accumulator(self) -> Accumulator:
        """The responses of the shard, to be merged."""
        known = self.mean is not None and self.scatter is not None
        return Accumulator.of(self.rows, Moments(self.n, self.mean, self.scatter) if known else None, self.eps)  # type: ignore[arg-type]


def spectrum_shard(
    code: Source, x: Images | Array | None = None, *, points: bool = False, batch_size: int | None = None
) -> SpectrumShard:
    """Moments of a share of the responses; arguments as in `ec.spectrum`.

    >>> x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    >>> joined_spectrum([spectrum_shard(x[:20]), spectrum_shard(x[20:])], x, interval=False).n_samples
    60
    """
    return SpectrumShard.of(accumulated(responses(code, x, batch_size, points).batches()))


def joined_spectrum(
    shards: Sequence[SpectrumShard],
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
    """`ec.spectrum(code, x)` from the shards of `x`, in order; for intervals it evaluates a subsample of `x` again.

    Neighbours are merged in pairs, then neighbouring pairs, and so on (Chan, Golub and LeVeque 1979): the same shards
    give the same bits.  Equal to the spectrum in one pass up to rounding.

    Raises:
        InputError: no shard, shards of other units, or not of as many samples as `x`.
    """
    if not shards:
        raise InputError("no shard to join", wanted="those of all images")
    seen = [shard.accumulator() for shard in shards]
    while len(seen) > 1:
        seen = [a.merge(b) for a, b in zip(seen[::2], seen[1::2])] + seen[len(seen) // 2 * 2 :]
    given = responses(code, x, batch_size, points, groups)
    wanted = given.n if given.groups is None else len(given.groups)
    if seen[0].rows != wanted:
        raise InputError("the shards are not of these samples", got=seen[0].rows, wanted=wanted)
    return finished(given, seen[0], interval, scale, seed)
