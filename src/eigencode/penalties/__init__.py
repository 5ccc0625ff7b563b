"""Penalties for any training loop.  A new one is one file, one export here, one row in tests/conformance."""

from eigencode.penalties.jacobian import Jacobian as Jacobian
from eigencode.penalties.lp import Lp as Lp
from eigencode.penalties.protocol import (
    Batch as Batch,
    Penalty as Penalty,
    active as active,
    needs_pixels as needs_pixels,
    weighted as weighted,
)
from eigencode.penalties.spectral import Spectral as Spectral, spectral_loss as spectral_loss
from eigencode.penalties.watch import Watch as Watch, watch as watch
