"""Two small local rules: one as in docs/add-rule.md, one for patches that overrides `derive` and `step`."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eigencode.models import LocalConv2d, LocalDense, RePU, Stack, UnitNorm
from eigencode.rules import Convergence, Rows, Rule, towards_radius


@dataclass(frozen=True)
class DenseOja(Rule):
    """Oja's rule for the winner: ΔW_μ = Σ_b y_b (x_b − y_b W_μ) over the rows b that unit μ wins."""

    spread: float = 1.0

    def init(self, units: int, inputs: int, generator: torch.Generator) -> Tensor:
        return self.spread * torch.randn(units, inputs, generator=generator, device=generator.device)

    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        x = x.to(weight.dtype)
        y, winners = (x @ (self.derive(weight) if derived is None else derived).T).max(1)
        units, place = winners.unique(return_inverse=True)
        change = y[:, None] * (self.seen(x) - y[:, None] * weight[winners])
        values = torch.zeros(len(units), x.shape[1], dtype=weight.dtype, device=x.device)
        return Rows(units, values.index_add_(0, place, change), winners, int((y < 0).sum()))

    def seen(self, x: Tensor) -> Tensor:
        return x

    def health(self, weight: Tensor, wins: Tensor) -> Convergence:
        return towards_radius(weight, wins, p=2.0, radius=1.0)


@dataclass(frozen=True)
class PatchOja(DenseOja):
    """The same rule on patches minus their mean: y = (W − mean W)·x = W·(x − mean x); W ← W + size · ΔW / 100."""

    @property
    def layer_settings(self) -> dict[str, float]:
        return {"radius": 1.0}

    def derive(self, weight: Tensor) -> Tensor:
        return weight - weight.mean(1, keepdim=True)

    def seen(self, x: Tensor) -> Tensor:
        return x - x.mean(1, keepdim=True)

    def step(self, weight: Tensor, change: Rows, size: float) -> None:
        weight.index_add_(0, change.units, change.values, alpha=size / 100)


def stack(shape: tuple[int, int, int] = (1, 8, 8), classes: int = 3, seed: int = 0) -> Stack:
    """conv → conv → dense → read-out for small images, untrained."""
    g = torch.Generator().manual_seed(seed)
    patch, dense = PatchOja(spread=0.3), DenseOja(spread=0.3)
    channels, height, width = shape
    readout = nn.Linear(12, classes)
    with torch.no_grad():
        for values in readout.parameters():
            values.uniform_(-0.3, 0.3, generator=g)
    layers = {
        "norm": UnitNorm(2.0),
        "conv1": LocalConv2d(patch.init(6, 9 * channels, g), patch, 3, padding=1),
        "relu1": RePU(1.0),
        "pool": nn.AvgPool2d(2),
        "conv2": LocalConv2d(patch.init(8, 54, g), patch, 3),
        "relu2": RePU(1.5),
        "dense": LocalDense(dense.init(12, 8 * (height // 2 - 2) * (width // 2 - 2), g), dense),
        "relu3": RePU(1.0),
        "readout": readout,
    }
    return Stack(layers, shape=shape, places={"latent": "relu3"})
