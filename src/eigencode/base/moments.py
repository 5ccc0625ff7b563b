"""Mean and covariance of a stream of batches, in float64, without the unstable E[x²] − E[x]²."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.symmetric import gram, refuse_unsquarable


@dataclass(frozen=True)
class Moments:
    """Count, mean and centred scatter Σ (x − x̄)(x − x̄)ᵀ of rows; immutable and mergeable.

    Batches are centred on their own mean in float64 and merged by the parallel update of Chan, Golub and LeVeque
    (1979), eq. 2.1b, so a large common mean costs no digits and any split or order of the data gives the same
    result to rounding.  Memory is `units²` doubles, whatever the number of samples.

    >>> x = torch.randn(100, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1e6
    >>> m = Moments.of(x[:40]).merge(Moments.of(x[40:]))
    >>> torch.testing.assert_close(m.covariance(), torch.cov(x.T), rtol=1e-6, atol=0)
    """

    n: int
    mean: Float[Tensor, " units"]
    scatter: Float[Tensor, "units units"]

    @classmethod
    def of(cls, x: Float[Tensor, "samples units"]) -> "Moments":
        """Moments of one batch of any floating-point type."""
        if len(x) == 0:
            raise InputError("no samples to measure", got=tuple(x.shape), wanted="at least one row")
        if x.is_meta:
            raise InputError("the network has no values (device meta)", wanted="a network with weights on a device")
        z = x.detach().double()
        mean = z.mean(0)
        if not bool(torch.isfinite(mean).all()):  # a NaN or Inf anywhere in a column reaches its mean
            if bool(torch.isfinite(x).all()):
                refuse_unsquarable(z, mean)
            raise InputError(
                "responses hold NaN or Inf",
                got=f"{int((~torch.isfinite(x)).sum())} of {x.numel()} values",
                wanted="finite numbers",
                fix="check the network or drop the affected stimuli",
            )
        z = z - mean
        rest = z.mean(0)  # second pass: remove the rounding error of the mean
        z -= rest
        return cls(len(z), mean + rest, gram(z))

    @classmethod
    def over(cls, batches: Iterable[Float[Tensor, "_ units"]]) -> "Moments":
        """Moments of all batches together, with one batch in memory at a time."""
        return cls.merged(map(cls.of, batches))

    @classmethod
    def merged(cls, parts: "Iterable[Moments]") -> "Moments":
        """Moments of the union of several sets of samples."""
        total: Moments | None = None
        for part in parts:
            total = part if total is None else total.merge(part)
        if total is None:
            raise InputError("no batch to measure", got="an empty iterator", wanted="at least one batch")
        return total

    def merge(self, other: "Moments") -> "Moments":
        """Moments of the union of two sets of samples."""
        n = self.n + other.n
        delta = other.mean - self.mean
        scatter = self.scatter + other.scatter
        scatter.addr_(delta, delta, alpha=self.n * other.n / n)
        return Moments(n, self.mean + delta * (other.n / n), scatter)

    def of_units(self, units: Int[Tensor, " some"]) -> "Moments":
        """Moments of a subset of the units."""
        return Moments(self.n, self.mean[units], self.scatter[units][:, units])

    def covariance(self, correction: int = 1) -> Float[Tensor, "units units"]:
        """Covariance, scatter / (n − correction); correction 1 is the unbiased estimate, as in `torch.cov`."""
        if self.n <= correction:
            raise InputError("too few samples for a covariance", got=self.n, wanted=f"> {correction}")
        return self.scatter / (self.n - correction)
