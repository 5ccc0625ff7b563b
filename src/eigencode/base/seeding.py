"""Independent, named streams of random numbers that leave the global generators alone."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


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
