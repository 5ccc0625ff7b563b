"""One Krotov–Hopfield mini-batch step, 1000 × 3072 → 2000, against the dense textbook form."""

import torch
from torch import Tensor

from benchmarks.timing import Result, best
from eigencode.base.precision import multiplies_bfloat16
from eigencode.rules import KrotovHopfield


def textbook(x: Tensor, weight: Tensor, p: float, k: int, delta: float, lr: float) -> Tensor:
    """The rule as it is written down: dense currents, a full sort, a dense gain matrix, two dense products."""
    h = (weight.sign() * weight.abs() ** (p - 1)) @ x.T
    order = h.argsort(0, descending=True)
    gain = torch.zeros_like(h)
    sample = torch.arange(len(x))
    gain[order[0], sample] = 1.0
    gain[order[k - 1], sample] = -delta
    change = gain @ x - (gain * h).sum(1, keepdim=True) * weight
    return weight + lr * change / change.abs().max().clamp_min(1e-30)


class Loop:
    """The step of `train_local`, which keeps the rule's derived weights between steps."""

    def __init__(self, weight: Tensor, rule: KrotovHopfield) -> None:
        self.weight, self.rule = weight.clone(), rule
        self.derived = rule.operand(self.weight)

    def step(self, x: Tensor, lr: float) -> None:
        change = self.rule.rows(x, self.weight, self.derived)
        self.weight.index_add_(0, change.units, change.values, alpha=lr / max(float(change.values.abs().max()), 1e-30))
        self.derived[change.units] = self.rule.operand(self.weight[change.units])


def run() -> list[Result]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1000, 3072, generator=generator)
    x /= torch.linalg.vector_norm(x, 3, dim=1, keepdim=True)
    weight = torch.randn(2000, 3072, generator=generator)
    dense = textbook(x, weight, 3.0, 2, 0.4, 0.02)
    loops = {p: Loop(weight, KrotovHopfield(precision=p)) for p in ("float32", "bfloat16")}
    loops["float32"].step(x, 0.02)
    error = float((loops["float32"].weight - dense).abs().max() / dense.abs().max())
    assert error <= 1e-6, f"the sparse step differs from the dense one by {error}"
    slow, fast, half = best(
        lambda: textbook(x, weight, 3.0, 2, 0.4, 0.02),
        lambda: loops["float32"].step(x, 0.02),
        lambda: loops["bfloat16"].step(x, 0.02),
    )
    tiles = torch.cpu._is_amx_tile_supported()
    note = "" if tiles else "no AMX tiles here, and the target of 8 is for processors that have them"
    if not multiplies_bfloat16("cpu"):
        note = "no bfloat16 products here: made in float32"
    work = "KH step 1000×3072→2000"
    return [
        Result(f"{work}, float32", slow, fast, 2.3, f"weights equal to {error:.1e} of the largest"),
        Result(f"{work}, bfloat16 products", slow, half, 8.0 if tiles else float("nan"), "winners may differ", note),
    ]
