"""Convergence of locally trained layers: weight norms at their target, and units that win samples.

The spectrum of a layer that has not converged still reflects its random initial weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.record import Record, host

TOLERANCE = 1e-2
"""A unit is converged if |p-norm − radius| is at most this."""

UNCONVERGED_ALLOWED = 0.10
"""A layer is accepted if less than this fraction of its units is unconverged."""


@dataclass(frozen=True)
class Convergence(Record):
    """Convergence of every unit of a locally trained layer, by the criterion of its rule (`Rule.health`).

    `norm` is ‖W_μ‖_p, which should reach `radius`; `converged` and `diverged` hold one flag per unit; `wins` the
    number of samples each unit won in the last epoch of training (−1: unknown).  `criterion` is the condition that
    `converged` tests, for the reader of a table.
    """

    radius: float
    p: float
    norm: Float[Tensor, " unit"]
    converged: Bool[Tensor, " unit"]
    diverged: Bool[Tensor, " unit"]
    wins: Int[Tensor, " unit"]
    criterion: str = ""

    @property
    def fraction(self) -> float:
        """Fraction of converged units."""
        return float(self.converged.double().mean())

    @property
    def active(self) -> float:
        """Fraction of units that won at least one sample in the last epoch of training (0 if unknown)."""
        return float((self.wins > 0).double().mean())

    @property
    def never_won(self) -> int:
        """Number of units that won no sample in the last epoch of training (0 if unknown)."""
        return int((self.wins == 0).sum())

    @property
    def accepted(self) -> bool:
        """True if less than 10 % of the units are unconverged and none diverged, the criterion of arXiv 2405.00679."""
        return self.fraction > 1 - UNCONVERGED_ALLOWED and not bool(self.diverged.any())

    @property
    def collapsed(self) -> bool:
        """True if more than half of the units won no sample in the last epoch of training.

        The published criterion tests norms only.  A unit that only ever ranks second reaches the radius too, so a
        layer in which one unit wins every sample can pass it.
        """
        return 2 * self.never_won > len(self.norm)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Warnings that measurements of this layer should carry; empty if it is accepted and not collapsed."""
        found: tuple[str, ...] = ()
        if not self.accepted:
            found += (f"the local layer has not converged: {self}",)
        if self.collapsed:
            found += (
                f"the local layer has collapsed: {self.never_won} of {len(self.norm)} units win no image any more",
            )
        return found

    def __str__(self) -> str:
        return (
            f"{self.fraction:.1%} of {len(self.norm)} units converged, {int(self.diverged.sum())} diverged, "
            f"{self.never_won} won nothing"
        )


def towards_radius(
    weight: Float[Tensor, "units inputs"], wins: Int[Tensor, " units"], p: float, radius: float
) -> Convergence:
    """Convergence of a layer whose rule drives the p-norm of every winning unit to `radius`.

    A unit is converged if |‖W_μ‖_p − R| ≤ 0.01, and diverged if mean(W_μ) < −R/2.

    Source: arXiv 2405.00679, appendix (tolerance 0.01, at most 10 % unconverged, mean weight above −R/2).

    >>> state = towards_radius(torch.eye(2) * torch.tensor([1.0, 3.0]), torch.tensor([5, 0]), p=3.0, radius=1.0)
    >>> print(state)
    50.0% of 2 units converged, 0 diverged, 1 won nothing
    """
    admit(towards_radius, locals())
    if weight.ndim != 2:
        raise InputError("not a weight matrix", got=tuple(weight.shape), wanted="units x inputs")
    norm = torch.linalg.vector_norm(weight, p, dim=1)
    return Convergence(
        radius=radius,
        p=p,
        norm=host(norm),
        converged=((norm - radius).abs() <= TOLERANCE).cpu(),
        diverged=(weight.mean(1) < -radius / 2).cpu(),
        wins=host(wins, None),
        criterion=f"|‖W‖_p − R| ≤ {TOLERANCE:g}",
    )


def joined(layers: Mapping[str, Convergence]) -> Convergence:
    """Convergence of the units of several layers, given by name, one layer after the other.

    Raises:
        InputError: the layers are judged by different criteria.

    >>> one = towards_radius(torch.eye(2), torch.tensor([1, 1]), p=2.0, radius=1.0)
    >>> print(joined({"first": one, "second": one}))
    100.0% of 4 units converged, 0 diverged, 0 won nothing
    """
    found = list(layers.values())
    criteria = {name: f"{c.criterion}, radius {c.radius:g}, p {c.p:g}" for name, c in layers.items()}
    if len(set(criteria.values())) != 1:
        raise InputError(
            "local layers with different criteria of convergence",
            got="; ".join(f"{name}: {told}" for name, told in criteria.items()),
            wanted="one layer",
            fix=f"at={next(iter(layers), '')!r}",
        )
    columns = {n: torch.cat([getattr(c, n) for c in found]) for n in ("norm", "converged", "diverged", "wins")}
    return Convergence(radius=found[0].radius, p=found[0].p, criterion=found[0].criterion, **columns)
