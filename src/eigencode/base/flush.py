"""Subnormal numbers are read as zero while something is computed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushing() -> Iterator[None]:
    """Numbers below the smallest normal one (1.2e-38 in float32, 2.2e-308 in float64) are zero inside, on processors.

    Weight decay drives weights that the loss does not need down to such numbers, as in the published L2 network, and
    a processor takes many times as long for a product with one.  The setting is one of a thread: those started
    inside have it as well, torch's own pool therefore if nothing ran in parallel before; the setting of this thread
    is restored.

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
    """Torch does not say; one product does."""
    return bool((torch.tensor([torch.finfo(torch.float32).tiny]) * 0.5 == 0).item())
