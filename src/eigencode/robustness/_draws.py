"""Random numbers per image that do not depend on the batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.seeding import stream


@dataclass(frozen=True)
class Draws:
    """One stream of random numbers per image, made from `seed` and the number of the image in its data set.

    The same image gets the same numbers in any batch, any subset and for any network, so that models are compared
    under the same noise.  Drawn on the CPU, hence the same on every device.

    >>> a, b = Draws(0, (3, 7)), Draws(0, (7,))
    >>> bool((a.normal((2,))[1] == b.normal((2,))[0]).all())
    True
    """

    seed: int
    index: Sequence[int]

    @classmethod
    def of(cls, generator: torch.Generator | None, n: int) -> "Draws":
        """Create one random stream per image 0..n−1; their common seed is drawn from `generator`, or 0 without one."""
        if generator is None:
            return cls(0, range(n))
        device = generator.device
        return cls(int(torch.randint(2**53, (1,), generator=generator, device=device)), range(n))

    def seeds(self) -> Int[Tensor, " n"]:
        """One integer seed per image, for attacks that draw during their run."""
        found = [stream(self.seed, "image", i).initial_seed() for i in self.index]
        return torch.tensor(found, dtype=torch.int64)

    def normal(self, shape: Sequence[int]) -> Float[Tensor, "n *shape"]:
        """Draw N(0, 1) numbers, `n *shape`, float32."""
        return torch.stack([torch.randn(*shape, generator=g, dtype=torch.float32) for g in self._generators("normal")])

    def uniform(self, shape: Sequence[int]) -> Float[Tensor, "n *shape"]:
        """Draw uniform numbers on [0, 1), `n *shape`, float32."""
        return torch.stack([torch.rand(*shape, generator=g, dtype=torch.float32) for g in self._generators("uniform")])

    def _generators(self, purpose: str) -> list[torch.Generator]:
        return [stream(self.seed, purpose, i) for i in self.index]
