"""Treat subnormal numbers as zero during a computation."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushing() -> Iterator[None]:
    """Treat numbers below the smallest normal one (1.2e-38 in float32, 2.2e-308 in float64) as zero on the CPU.

    Weight decay drives unused weights down to such numbers, as in the published L2 network, and a product with one
    takes a CPU many times as long.  The setting belongs to a thread and is restored afterwards.  Threads started
    inside the block inherit and keep it: the thread pool of torch does if nothing ran in parallel before, so
    threads of one process may differ.

    >>> subnormal = torch.tensor([1e-39])
    >>> with flushing():
    ...     (subnormal * 2).item()
    0.0
    >>> (subnormal * 2).item() > 0
    True
    """
    before = _flushes()
    try:
        torch.set_flush_denormal(True)
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushes() -> bool:
    """True if this thread flushes subnormal numbers: torch has no getter, so try one product."""
    smallest = torch.full((), torch.finfo(torch.float32).tiny, dtype=torch.float32, device="cpu")
    return bool((smallest * 0.5 == 0).item())
