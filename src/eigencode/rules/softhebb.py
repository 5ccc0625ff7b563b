"""SoftHebb: Hebbian learning with a soft winner-takes-all competition, and its hard limit."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import host
from eigencode.rules.convergence import Convergence
from eigencode.rules.hebbian import Hebbian
from eigencode.rules.protocol import TINY, Rows, finite_maximum

LEAST_EXPONENT = -70.0
"""Units with less than e⁻⁷⁰ = 4e-31 of the winner's share get that much.  No float32 or float64 weight can tell the
difference, and a CPU multiplies the denormal numbers that smaller shares become up to a hundred times slower."""


@dataclass(frozen=True)
class _NormDependentRate(Hebbian):
    """Base of rules whose units learn at a rate that falls as their norm approaches 1.

        W_k ← W_k + η_k ΔW_k / max|ΔW|,   η_k = η₀ (|‖W_k‖₂ − 1| + 1e-10)^q

    with one maximum per layer and the norms before the step.  η₀ is the `lr` of the training loop times `rate`.

    Args:
        start: R, the L2 norm (root mean square) of the initial weights of a unit.
        annealing: the exponent q; 0.5 as published for CIFAR-10 and STL-10, 0.2 for dense layers on MNIST.
        rate: factor of the `lr` of the training loop, for layers with different rates in one training with `lr=1`.
        initial: distribution of the initial weights, `"normal"`: N(0, R² / inputs), or `"positive"`: uniform between 0
            and R √(3 / inputs), as published for dense layers.
    """

    start: float = 25.0
    annealing: float = 0.5
    rate: float = 1.0
    initial: Literal["normal", "positive"] = "normal"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("start", 0.0), ("annealing", -TINY), ("rate", 0.0)):
            value = getattr(self, name)
            if not value > least or not math.isfinite(value):
                wanted = "a finite number > 0" if least == 0 else "a finite number >= 0"
                raise InputError(f"{type(self).__name__}: {name} is out of range", got=value, wanted=wanted)
        if self.initial not in ("normal", "positive"):
            raise InputError("unknown initial weights", got=self.initial, wanted="'normal' or 'positive'")

    @property
    def layer_settings(self) -> dict[str, float]:
        return {"start": self.start}

    def init(self, units: int, inputs: int, generator: torch.Generator) -> Float[Tensor, "units inputs"]:
        drawn = torch.randn if self.initial == "normal" else torch.rand
        weight = drawn(units, inputs, generator=generator, device=generator.device)
        return weight.mul_(self.start * math.sqrt((1 if self.initial == "normal" else 3) / inputs))

    def step(self, weight: Float[Tensor, "units inputs"], change: Rows, size: float) -> None:
        """Apply W_k ← W_k + size · rate · (|‖W_k‖₂ − 1| + 1e-10)^q · ΔW_k / max|ΔW| in place."""
        distance = (torch.linalg.vector_norm(weight, dim=1)[change.units] - 1).abs() + 1e-10
        size = size * self.rate / finite_maximum(change.values)
        change.add_to(weight, distance.pow(self.annealing) * size)

    def health(self, weight: Float[Tensor, "units inputs"], wins: Int[Tensor, " units"]) -> Convergence:
        """A unit counts as converged if its norm has left the one it started with: 0.5 ≤ ‖W‖₂ ≤ max(2, start / 2).

        Before training none does; a start below 4 lies near or inside this range, so that there the norm tells little.

        The norms of a soft competition settle at a few units and not at 1: a unit that loses a row with a positive
        current is pushed away from the unit sphere.
        """
        norm, highest = torch.linalg.vector_norm(weight, dim=1), max(2.0, self.start / 2)
        return Convergence(
            radius=1.0,
            p=2.0,
            norm=host(norm),
            converged=((norm >= 0.5) & (norm <= highest)).cpu() & (host(wins, None) >= 0),
            diverged=(norm > 4 * self.start).cpu(),
            wins=host(wins, None),
            criterion=f"0.5 ≤ ‖W‖₂ ≤ {highest:g}",
        )


@dataclass(frozen=True)
class SoftHebb(_NormDependentRate):
    """Soft winner-takes-all learning: every unit learns, by its share of a softmax over the units.

        a_k = exp(t u_k) / Σ_j exp(t u_j),   y_k = a_k for the winner, −a_k for all others
        ΔW_k = Σ_b y_bk (x_b − u_bk W_k)

    with the input currents u_k = W_k · x.  In a convolution the softmax is over the units at one position.

    Args:
        inverse_temperature: t ≥ 0; 0: all units alike; large: only the winner learns, as in `HardWTA`.
        losers: `"anti-hebbian"` as above, or `"hebbian"`: y_k = a_k for all units (plain SoftHebb).
        centred: max(u_k − mean_j u_j, 0) in the place of u_k, in the softmax and in ΔW, as in layer 2 of the published
            two-layer network, whose output is this too.
        start, initial: norm and distribution of the initial weights.
        annealing, rate: exponent q and factor of the learning rate (|‖W_k‖₂ − 1|)^q of each unit; see `step`.

    Train with `decay="constant"` and small batches (10 images as published): since a step is divided by its largest
    entry, the number of steps counts, not the number of images.

    Source: Journé, Garcia Rodriguez, Guo and Moraitis, ICLR 2023 (arXiv 2209.11883), section 3 and appendix; their
    `t_invert` is t, their `R` is `start`, their `lr_power` is q.

    >>> rule = SoftHebb(inverse_temperature=0.0)
    >>> rule.gains(torch.tensor([[2.0, 1.0]]), winners=torch.tensor([0]))
    tensor([[ 0.5000, -0.5000]])
    """

    inverse_temperature: float = 1.0
    losers: Literal["anti-hebbian", "hebbian"] = "anti-hebbian"
    centred: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        t = self.inverse_temperature
        if not 0 <= t < math.inf:
            raise InputError("SoftHebb: inverse_temperature is out of range", got=t, wanted="a finite number >= 0")
        if self.losers not in ("anti-hebbian", "hebbian"):
            raise InputError("unknown losers", got=self.losers, wanted="'anti-hebbian' or 'hebbian'")

    def gains(self, u: Float[Tensor, "rows units"], winners: Int[Tensor, " rows"]) -> Float[Tensor, "rows units"]:
        won = winners[:, None]
        competing = self._competing(u)
        exponent = (competing - competing.gather(1, won)).mul_(self.inverse_temperature)
        share = exponent.clamp_min_(LEAST_EXPONENT).softmax(1)
        if self.losers == "hebbian":
            return share
        first = share.gather(1, won)
        return share.neg_().scatter_(1, won, first)

    def decay(self, u: Float[Tensor, "rows units"], y: Float[Tensor, "rows units"]) -> Tensor:
        return super().decay(self._competing(u), y)

    def _competing(self, u: Tensor) -> Tensor:
        return (u - u.mean(1, keepdim=True)).relu_() if self.centred else u


@dataclass(frozen=True)
class HardWTA(_NormDependentRate):
    """Hard winner-takes-all learning: only the unit with the largest input current learns, ΔW_k = Σ_b (x_b − u_bk W_k).

    The limit t → ∞ of `SoftHebb`, and the baseline with which soft competition is compared.

    Args:
        start, annealing, rate, initial: as in `SoftHebb`.

    Source: Journé et al., ICLR 2023 (arXiv 2209.11883), section 4.

    >>> HardWTA().gains(torch.tensor([[2.0, 1.0]]), winners=torch.tensor([0]))
    tensor([[1., 0.]])
    """

    def gains(self, u: Float[Tensor, "rows units"], winners: Int[Tensor, " rows"]) -> Float[Tensor, "rows units"]:
        return torch.zeros_like(u).scatter_(1, winners[:, None], 1.0)
