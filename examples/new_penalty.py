"""A penalty in one file, and any penalty in your own training loop.    python examples/new_penalty.py --epochs 5"""

import argparse
from typing import ClassVar

import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.penalties import Batch, Penalty, watch, weighted


class Activity(Penalty):
    """Sparsity penalty: mean |z| over images and units of the representation at `place`."""

    watches: ClassVar[bool] = True

    def __init__(self, place: str = "latent") -> None:
        super().__init__(place)

    def value(self, batch: Batch) -> Tensor:
        assert self.place is not None
        return batch.at(self.place).abs().mean()


def train(net: nn.Module, images: ec.Images, penalties: list[tuple[float, Penalty]], epochs: int) -> None:
    """Ordinary training loop; the penalties reuse its forward pass."""
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    order = torch.Generator().manual_seed(0)
    seen = watch(net, penalties)
    for _ in range(epochs):
        for _, penalty in penalties:
            penalty.prepare(net, images.x)
        for part in torch.randperm(len(images), generator=order).split(100):
            optimizer.zero_grad()
            with seen:
                logits = net(images.x[part])
            batch = seen.batch(images.x[part], images.y[part], logits)
            loss = nn.functional.cross_entropy(logits, images.y[part])
            (loss + sum(weighted(penalties, batch).values())).backward()
            optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    chosen = parser.parse_args()
    images, test = ec.load("digits")
    choices: dict[str, list[tuple[float, Penalty]]] = {
        "none": [],
        "Activity": [(0.3, Activity("2"))],
        "Spectral": [(0.1, ec.penalties.Spectral(alpha=1.0, place="2"))],
    }
    for name, penalties in choices.items():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))
        train(net, images, penalties, chosen.epochs)
        right = (net(test.x).argmax(1) == test.y).double().mean()
        law = ec.spectrum(ec.at(net, "2"), test.x).power_law(window=(2, 20))
        print(f"{name:<9} accuracy {right:.3f}, {law}")


if __name__ == "__main__":
    main()
