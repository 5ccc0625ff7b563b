"""Covariance spectra of very many images: moments of shares of them, measured anywhere, merged in a fixed order."""

from collections.abc import Iterable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.moments import Moments
from eigencode.base.record import Record, host
from eigencode.spectra._covariance import Accumulator, Scale, accumulated
from eigencode.spectra._responses import Responses
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
    def of(cls, given: Responses) -> "SpectrumShard":
        """The shard with these responses."""
        seen = accumulated(given.batches())
        rows, moments, eps = seen.state()
        if moments is None:
            return cls(eps, seen.rows, None if rows is None else host(rows, rows.dtype))
        return cls(eps, seen.rows, None, host(moments.mean), host(moments.scatter))

    def accumulator(self) -> Accumulator:
        """The responses of the shard, to be merged."""
        known = self.mean is not None and self.scatter is not None
        return Accumulator.of(self.rows, Moments(self.n, self.mean, self.scatter) if known else None, self.eps)  # type: ignore[arg-type]


def joined_spectrum(
    shards: Iterable[SpectrumShard], given: Responses, *, interval: bool = True, scale: Scale = "none", seed: int = 0
) -> Spectrum:
    """`ec.spectrum` of all responses `given`, from the shards of them, in order; arguments as there.

    Neighbours are merged in pairs, then neighbouring pairs, and so on (Chan, Golub and LeVeque 1979): the same shards
    give the same bits, those of one pass up to rounding.  For an interval some responses are read again.

    Raises:
        InputError: no shard, shards of other units, or not of as many samples as there are.
    """
    merged: list[tuple[int, Accumulator]] = []  # and the logarithm of the number of shards in each
    for shard in shards:
        level, seen = 0, shard.accumulator()
        while merged and merged[-1][0] == level:
            level, seen = level + 1, merged.pop()[1].merge(seen)
        merged.append((level, seen))
    if not merged:
        raise InputError("no shard to join", wanted="those of all images")
    whole = merged.pop()[1]
    while merged:
        whole = merged.pop()[1].merge(whole)
    wanted = given.n if given.groups is None else len(given.groups)
    if whole.rows != wanted:
        raise InputError("the shards are not of these samples", got=whole.rows, wanted=wanted)
    return finished(given, whole, interval, scale, seed)
