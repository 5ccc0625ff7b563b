"""Independent, named streams of random numbers that leave the global generators alone."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor


def stream(seed: int, *names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A random generator that depends only on `seed` and `names`.

    Streams with different names are independent, so drawing more numbers for one purpose (a larger validation set,
    say) never changes those for another (the initial weights).

    >>> a, b = stream(0, "weights"), stream(0, "order")
    >>> bool(torch.rand(1, generator=a) == torch.rand(1, generator=b))
    False
    >>> c = stream(0, "weights")
    >>> bool(torch.rand(1, generator=c) == torch.rand(1, generator=stream(0, "weights")))
    True
    """
    digest = hashlib.sha256(repr((int(seed), *map(str, names))).encode()).digest()
    return torch.Generator(device=device).manual_seed(int.from_bytes(digest[:7], "little"))


@contextmanager
def lent(device: torch.device | str = "cpu") -> Iterator[Callable[[torch.Generator], None]]:
    """Save and restore the global generators of the CPU and of `device`; yields a function that seeds them.

    For layers such as `nn.Dropout`, which can only draw from a global generator.

    >>> before = torch.random.get_rng_state()
    >>> with lent() as seed:
    ...     seed(stream(0, "layers"))
    ...     _ = torch.nn.Dropout()(torch.ones(3))
    >>> bool((torch.random.get_rng_state() == before).all())
    True
    """
    device = torch.device(device)
    index = device.index if device.index is not None or device.type != "cuda" else torch.cuda.current_device()

    def seed(source: torch.Generator) -> None:
        torch.default_generator.manual_seed(source.initial_seed())
        if device.type == "cuda":
            torch.cuda.default_generators[index].manual_seed(source.initial_seed())

    with torch.random.fork_rng(devices=[index] if device.type == "cuda" else []):
        yield seed


def hashed(seeds: Int[Tensor, " n"], *counters: int, count: int) -> Float[Tensor, "n count"]:
    """Hash (seed, counters) to `count` uniform numbers on [0, 1) per image, without state: splitmix64.

    For attacks and projections that draw thousands of times and must give each image the same numbers in any batch.

    Source: Steele, Lea and Flood 2014, “Fast splittable pseudorandom number generators”.

    >>> hashed(torch.tensor([1, 2]), 0, count=2).shape
    torch.Size([2, 2])
    """
    state = seeds
    for counter in counters:
        state = _mix(state ^ _mix(torch.full_like(seeds, counter + 1)))
    steps = torch.arange(1, count + 1, device=seeds.device) * _GOLDEN
    bits = _mix(state[:, None] + steps)
    return (_shift(bits, 40)).float() / 2**24


_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit number
_FIRST = -4658895280553007687  # 0xBF58476D1CE4E5B9
_SECOND = -7723592293110705685  # 0x94D049BB133111EB


def _shift(bits: Tensor, by: int) -> Tensor:
    return (bits >> by) & ((1 << (64 - by)) - 1)  # logical, not arithmetic


def _mix(bits: Tensor) -> Tensor:
    bits = (bits ^ _shift(bits, 30)) * _FIRST
    bits = (bits ^ _shift(bits, 27)) * _SECOND
    return bits ^ _shift(bits, 31)
