"""Weights of a Krotov–Hopfield layer: their start, and the matrix they stand for; the rule itself lies elsewhere."""

import torch
from jaxtyping import Float
from torch import Tensor


def synapses(weight: Float[Tensor, "units inputs"], p: float) -> Float[Tensor, "units inputs"]:
    """sign(W) |W|^(p−1): what multiplies the input in h_μ = Σᵢ sign(W_μi) |W_μi|^(p−1) xᵢ.

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


def start(units: int, inputs: int, spread: float, generator: torch.Generator) -> Float[Tensor, "units inputs"]:
    """Initial weights N(0, spread²), float32."""
    return torch.randn(units, inputs, generator=generator, device=generator.device).mul_(spread)
