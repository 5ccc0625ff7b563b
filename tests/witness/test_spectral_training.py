"""A network trained with the spectral penalty really ends with the spectrum it was asked for, on held-out images."""

import pytest
import torch

import eigencode as ec
from eigencode.penalties import Spectral
from eigencode.training import Schedule


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("alpha", "tau", "within", "accuracy"), [(1.0, 0, 0.15, 0.88), (2.0, 10, 0.2, 0.85)])
def test_the_held_out_spectrum_follows_the_law(
    alpha: float, tau: int, within: float, accuracy: float, seed: int
) -> None:
    """MNIST-5k, 200 ReLU units, BatchNorm behind them, 200 epochs; measured: 0.96-0.99 and 1.90-1.98."""
    train, test = ec.load("mnist5k")
    net = ec.models.perceptron(train, units=200, batch_norm=True, seed=seed)
    penalties = [(1.0, Spectral(alpha, tau, "latent"))]
    ec.train_supervised(
        net, train, epochs=200, lr=3e-4, batch_size=1000, penalties=penalties, seed=seed, schedule=Schedule("linear")
    )
    law = ec.spectrum(ec.at(net, "latent"), test.x).power_law(window=(11, 100), weights="uniform")
    assert abs(float(law.alpha) - alpha) < within
    with torch.no_grad():
        correct = (net.eval()(test.x).argmax(1) == test.y).float().mean()
    assert float(correct) > accuracy


def test_a_few_epochs_already_move_the_spectrum_the_right_way() -> None:
    train, _ = ec.load("digits")
    found = {}
    for alpha in (None, 0.5, 3.0):
        net = ec.models.perceptron(train, units=30, batch_norm=True)
        penalties = [(3.0, Spectral(alpha, 2, "latent"))] if alpha else []
        ec.train_supervised(net, train, epochs=40, lr=1e-3, batch_size=400, penalties=penalties)
        law = ec.spectrum(ec.at(net, "latent"), train.x).power_law(window=(3, 25), weights="uniform")
        found[alpha] = float(law.alpha)
    assert found[0.5] < found[None] - 0.3
    assert found[3.0] > found[None] + 0.3
