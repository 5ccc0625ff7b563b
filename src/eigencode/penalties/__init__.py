"""Penalties for any training loop.  A new one is one file, one export here, one row in tests/conformance."""

from eigencode.penalties.jacobian import Jacobian
from eigencode.penalties.lp import Lp
from eigencode.penalties.protocol import Batch, Penalty, active, needs_pixels, weighted
from eigencode.penalties.spectral import Spectral, spectral_loss
from eigencode.penalties.watch import Watch, watch

__all__ = [
    "Batch",
    "Jacobian",
    "Lp",
    "Penalty",
    "Spectral",
    "Watch",
    "active",
    "needs_pixels",
    "spectral_loss",
    "watch",
    "weighted",
]
