"""A local learning rule in one file: Oja's rule for the winner.    python examples/new_rule.py --epochs 30"""

import argparse
from dataclasses import dataclass

import torch
from torch import Tensor

import eigencode as ec
from eigencode.rules import Convergence, Rows, Rule, towards_radius


@dataclass(frozen=True)
class WinnerOja(Rule):
    """Oja's rule (1982), applied only to the unit with the largest current y = W·x.

        ΔW_μ = Σ_b y_b (x_b − y_b W_μ)    over the samples b that unit μ wins

    The L2 norm of a winning unit converges to 1.
    """

    spread: float = 1.0

    @property
    def layer_settings(self) -> dict[str, float]:
        return {"p": 2.0, "radius": 1.0}  # h = W·x, and unit length: those of krotov_hopfield(p=2)

    def init(self, units: int, inputs: int, generator: torch.Generator) -> Tensor:
        return self.spread * torch.randn(units, inputs, generator=generator, device=generator.device)

    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        x = x.to(weight.dtype)
        y, winners = (x @ (weight if derived is None else derived).T).max(1)
        units, place = winners.unique(return_inverse=True)
        change = y[:, None] * (x - y[:, None] * weight[winners])
        values = torch.zeros(len(units), x.shape[1], dtype=weight.dtype, device=x.device)
        return Rows(units, values.index_add_(0, place, change), winners, int((y < 0).sum()))

    def health(self, weight: Tensor, wins: Tensor) -> Convergence:
        return towards_radius(weight, wins, p=2.0, radius=1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=30)
    chosen = parser.parse_args()
    train, test = ec.load("digits")
    for rule in (WinnerOja(), ec.rules.KrotovHopfield(p=2.0)):
        net = ec.models.krotov_hopfield(train, units=chosen.units, p=2.0, n=1.0)
        ec.models.initialise(net, rule)
        ec.train_local(net, train, rule, epochs=chosen.epochs, lr=0.04, batch_size=50)
        spectrum = ec.spectrum(ec.at(net, "latent"), test.x)
        print(f"{type(rule).__name__:<16} {ec.convergence(net)}; {spectrum.participation_ratio:.2f} dimensions")


if __name__ == "__main__":
    main()
