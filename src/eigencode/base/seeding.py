"""Independent, named streams of random numbers; the global generators are never touched."""

import hashlib

import torch


def stream(seed: int, *names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on `seed` and on what it is for, and on nothing else.

    Streams with other names are independent, so drawing more numbers for one purpose (a larger validation set,
    say) never changes another (the initial weights).

    >>> a, b = stream(0, "weights"), stream(0, "order")
    >>> bool(torch.rand(1, generator=a) == torch.rand(1, generator=b))
    False
    >>> c = stream(0, "weights")
    >>> bool(torch.rand(1, generator=c) == torch.rand(1, generator=stream(0, "weights")))
    True
    """
    digest = hashlib.sha256(repr((int(seed), *map(str, names))).encode()).digest()
    return torch.Generator(device=device).manual_seed(int.from_bytes(digest[:7], "little"))
