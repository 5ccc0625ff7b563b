"""Has a local layer converged?  Only then do its spectrum and its robustness describe what it learned."""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.errors import ConvergenceWarning, InputError
from eigencode.base.record import Record, host
from eigencode.models.layers import KrotovHopfieldEncoder
from eigencode.models.network import Network

TOLERANCE = 1e-2
"""A unit is converged when its p-norm is this near to the radius."""

UNCONVERGED_ALLOWED = 0.10
"""A layer is accepted when less than this fraction of its units is not converged."""


@dataclass(frozen=True)
class Convergence(Record):
    """State of every unit of a local layer.

    `norm` is ‖W_μ‖_p; `converged` |norm − R| ≤ 0.01; `diverged` mean(W_μ) < −R/2, a unit caught by the wrong
    attractor; `wins` the samples it won in the last epoch of training (−1: unknown).
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(("norm", "converged", "diverged", "wins"), ("unit",))

    radius: float
    p: float
    norm: Float[Tensor, " units"]
    converged: Bool[Tensor, " units"]
    diverged: Bool[Tensor, " units"]
    wins: Int[Tensor, " units"]

    @property
    def fraction(self) -> float:
        """Fraction of converged units."""
        return float(self.converged.double().mean())

    @property
    def never_won(self) -> int:
        """Units that won no sample in the last epoch of training (0 if unknown)."""
        return int((self.wins == 0).sum())

    @property
    def accepted(self) -> bool:
        """Less than 10 % of the units unconverged and none diverged: the criterion of arXiv 2405.00679."""
        return self.fraction > 1 - UNCONVERGED_ALLOWED and not bool(self.diverged.any())

    @property
    def collapsed(self) -> bool:
        """More than half of the units won no sample in the last epoch of training.

        The published criterion looks at norms alone, and a unit that only ever comes second reaches the radius
        too: a layer in which one unit wins everything can pass it.
        """
        return 2 * self.never_won > len(self.norm)

    def __str__(self) -> str:
        return (
            f"{self.fraction:.1%} of {len(self.norm)} units converged, {int(self.diverged.sum())} diverged, "
            f"{self.never_won} won nothing"
        )


def convergence(net: Network) -> Convergence:
    """Convergence of the encoder of a Krotov–Hopfield network.

    Source: arXiv 2405.00679, appendix (tolerance 0.01, at most 10 % unconverged, mean weight above −R/2).
    """
    encoder = net.encoder
    if not isinstance(encoder, KrotovHopfieldEncoder):
        raise InputError("this encoder has no radius to converge to", got=type(encoder).__name__)
    weight = encoder.weight.detach()
    norm = torch.linalg.vector_norm(weight.double(), encoder.p, dim=1)
    return Convergence(
        radius=encoder.radius,
        p=encoder.p,
        norm=host(norm),
        converged=((norm - encoder.radius).abs() <= TOLERANCE).cpu(),
        diverged=(weight.mean(1) < -encoder.radius / 2).cpu(),
        wins=host(encoder.wins, None),
    )


def doubts(state: Convergence) -> tuple[str, ...]:
    """What is wrong with a layer, in words; empty if it may be measured."""
    said: tuple[str, ...] = ()
    if not state.accepted:
        said += (f"the local layer has not converged: {state}",)
    if state.collapsed:
        said += (f"the local layer has collapsed: {state.never_won} of {len(state.norm)} units win no image any more",)
    return said


def warn_unless_converged(net: Network) -> None:
    """Warn if measurements of this layer would describe its start, or a few units, rather than its learning."""
    for doubt in doubts(convergence(net)):
        warnings.warn(
            f"{doubt}; numbers measured on it must be read with that in mind", ConvergenceWarning, stacklevel=3
        )
