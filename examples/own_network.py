"""Spectrum, smoothness and robustness of your own network.    python examples/own_network.py --out DIR"""

import argparse
from pathlib import Path

import torch
from torch import nn

import eigencode as ec


def small_cnn() -> nn.Sequential:
    """A small CNN; any other `nn.Module` from images to logits works as well."""
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100, help="for Jacobian and attacks")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, help="folder for figures and arrays")
    chosen = parser.parse_args()
    train, test = ec.load("digits")
    torch.manual_seed(0)
    net = ec.models.Standardised(small_cnn(), mean=0.31, std=0.38)  # its normalisation is part of the network
    ec.train_supervised(net, train, epochs=chosen.epochs, batch_size=100)
    found = ec.probe(net, test, place="3", images=chosen.images, window=(2, 40))
    print(found)
    if chosen.out:
        print(f"page: {found.save(chosen.out)}")


if __name__ == "__main__":
    main()
