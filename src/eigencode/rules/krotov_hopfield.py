"""The Krotov–Hopfield rules: competitive Hebbian learning with global inhibition."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.precision import Precision
from eigencode.rules.convergence import Convergence, towards_radius
from eigencode.rules.protocol import Rows, Rule


def synapses(weight: Float[Tensor, "units inputs"], p: float) -> Float[Tensor, "units inputs"]:
    """Effective weights sign(W) |W|^(p−1), which multiply the input: h_μ = Σᵢ sign(W_μi) |W_μi|^(p−1) xᵢ.

    This form is finite at W = 0 for every p ≥ 1, where |W|^(p−2) W is 0·∞.

    >>> synapses(torch.tensor([[-2.0, 0.0, 3.0]]), p=3.0)
    tensor([[-4.,  0.,  9.]])
    """
    if p == 2:
        return weight
    if p == 3:
        return weight * weight.abs()
    if p == 1:
        return weight.sign()
    return weight.abs().pow_(p - 1).mul_(weight.sign())


@dataclass(frozen=True)
class _TowardsRadius(Rule):
    """Base of both Krotov–Hopfield rules: normal initial weights, p-norms of winning units converge to the radius."""

    p: float = 3.0
    k: int = 2
    delta: float = 0.4
    radius: float = 1.0
    spread: float = 1.0

    def __post_init__(self) -> None:
        for name, right, wanted in (
            ("p", self.p >= 1, "a finite number >= 1"),
            ("k", self.k >= 2, "an integer >= 2"),
            ("delta", self.delta >= 0, "a finite number >= 0"),
            ("radius", self.radius > 0, "a finite number > 0"),
            ("spread", self.spread > 0, "a finite number > 0"),
        ):
            value = getattr(self, name)
            if not right or not math.isfinite(value):
                raise InputError(f"Krotov-Hopfield rule: {name} is out of range", got=value, wanted=wanted)

    @property
    def layer_settings(self) -> dict[str, float]:
        return {"p": self.p, "radius": self.radius}

    def init(self, units: int, inputs: int, generator: torch.Generator) -> Float[Tensor, "units inputs"]:
        return torch.randn(units, inputs, generator=generator, device=generator.device).mul_(self.spread)

    def derive(self, weight: Float[Tensor, "units inputs"]) -> Shaped[Tensor, "units inputs"]:
        return synapses(weight, self.p)

    def health(self, weight: Float[Tensor, "units inputs"], wins: Int[Tensor, " units"]) -> Convergence:
        return towards_radius(weight, wins, self.p, self.radius)


@dataclass(frozen=True)
class KrotovHopfield(_TowardsRadius):
    """The mini-batch ("fast") rule of Krotov and Hopfield.

    For every sample the units are ranked by h_μ = ⟨W_μ, x⟩_μ with ⟨a, b⟩_μ = Σᵢ |W_μi|^(p−2) aᵢ bᵢ; the first gets
    g = +1, the k-th g = −Δ, all others 0, and

        ΔW_μ = Σ_b g_μb (R^p x_b − h_μb W_μ).

    Only two units per sample change, so the sum is accumulated row by row instead of as a dense matrix product: half
    of the arithmetic, the same numbers.

    Args:
        p: exponent of the Lebesgue norm, ≥ 1; 2 is Oja-like, 3 the paper's choice.
        k: rank of the unit that learns with negative sign (anti-Hebbian), ≥ 2.
        delta: strength Δ of the anti-Hebbian term, ≥ 0.
        radius: R > 0; the p-norm of every unit that wins converges to it.
        spread: σ of the initial weights W ~ N(0, σ²); 1 as published.  Initial norms must be well above the radius: a
            winner then shrinks towards it, and other units win the next samples.  If they are near the radius, the
            first winner grows towards the mean image and wins every sample; no other unit learns (docs/concepts.md).
        precision: `"float32"`, or `"bfloat16"` for the matrix product h (8 bits per factor and per h, the sum in
            float32) on hardware with native bfloat16 products, where it is several times as fast; float32 on any
            other.  Units whose h differ by less than that precision may swap ranks; everything after h is float32.

    Source: Krotov and Hopfield, PNAS 116 (2019), eqs. 3, 9, 10; arXiv 2405.00679, appendix.  Differs from the
    published code by the sum being returned raw (that code divides by max|ΔW| inside the rule; here `step` does).

    >>> rule = KrotovHopfield(p=2.0, k=2, delta=0.0)
    >>> rule.update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.0], [0.0, 0.5]]))
    tensor([[0.7500, 0.0000],
            [0.0000, 0.0000]])
    """

    precision: Precision = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision not in ("float32", "bfloat16"):
            raise InputError("unknown precision", got=self.precision, wanted="'float32' or 'bfloat16'")

    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        check_rank(self.k, len(weight))
        strength = self.operand(weight) if derived is None else derived
        h = (x.to(strength.dtype) @ strength.T).to(weight.dtype)
        top = h.topk(self.k, dim=1)
        units = torch.stack([top.indices[:, 0], top.indices[:, -1]])
        currents = torch.stack([top.values[:, 0], top.values[:, -1]])
        return gather(x, weight, units, currents, (1.0, -self.delta), self.radius**self.p)


@dataclass(frozen=True)
class KrotovHopfieldSequential(_TowardsRadius):
    """The original sequential Krotov–Hopfield rule, one update per sample; train it with `batch_size=1`.

    Units are ranked by h_μ / ⟨W_μ, W_μ⟩^((p−1)/p), and W ← W + ΔW / τ after every sample: `lr` of the training loop is
    1/τ, and the step is not normalised.

    Args:
        p, k, delta, radius, spread: as in `KrotovHopfield`.
        losers: units of the anti-Hebbian term: `"kth"`, rank k only (the PNAS paper), or `"2..k"`, all ranks 2 to k
            (the published sequential code); identical for k = 2.

    Source: Krotov and Hopfield, PNAS 116 (2019), eqs. 1 to 3.

    >>> rule = KrotovHopfieldSequential(p=2.0, k=2, delta=0.0)
    >>> rule.update(torch.tensor([[1.0, 1.1]]), torch.tensor([[1.0, 0.0], [0.0, 0.5]]))  # the second unit wins
    tensor([[0.0000, 0.0000],
            [1.0000, 0.8250]])
    """

    losers: Literal["kth", "2..k"] = "kth"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.losers not in ("kth", "2..k"):
            raise InputError("unknown losers", got=self.losers, wanted="'kth' or '2..k'")

    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        check_rank(self.k, len(weight))
        h = x.to(weight.dtype) @ (self.operand(weight) if derived is None else derived).T
        length = weight.abs().pow(self.p).sum(1).pow((self.p - 1) / self.p).clamp_min(1e-30)  # ⟨W,W⟩^((p−1)/p)
        order = (h / length).topk(self.k, dim=1).indices
        units = order.T if self.losers == "2..k" else order[:, [0, -1]].T
        gains = (1.0,) + (-self.delta,) * (len(units) - 1)
        return gather(x, weight, units, h.T.gather(0, units), gains, self.radius**self.p)

    def step(self, weight: Float[Tensor, "units inputs"], change: Rows, size: float) -> None:
        """Apply the update W ← W + size · ΔW in place, without normalisation, as published."""
        change.add_to(weight, size)


def gather(
    x: Float[Tensor, "batch inputs"],
    weight: Float[Tensor, "units inputs"],
    units: Int[Tensor, "ranks batch"],
    currents: Float[Tensor, "ranks batch"],
    gains: tuple[float, ...],
    scale: float,
) -> Rows:
    """Compute ΔW_μ = Σ_b g_μb (scale · x_b − h_μb W_μ) for the units μ in `units` only; one gain g per rank."""
    index, place = units.flatten().unique(return_inverse=True)  # type: ignore[no-untyped-call]
    place, x = place.reshape(units.shape), x.to(weight.dtype).contiguous()
    values = torch.zeros(len(index), x.shape[1], dtype=weight.dtype, device=x.device)
    pull = torch.zeros(len(index), dtype=weight.dtype, device=x.device)
    for rank, gain in enumerate(gains):
        values.index_add_(0, place[rank], x, alpha=gain * scale)
        pull.index_add_(0, place[rank], currents[rank], alpha=gain)
    values.addcmul_(weight[index], pull[:, None], value=-1)
    return Rows(index, values, units[0], int((currents[0] < 0).sum()))


def check_rank(k: int, units: int) -> None:
    if k > units:
        raise InputError("k is larger than the layer", got=f"k = {k}, {units} units", wanted="2 <= k <= units")
