"""25 snapshots of one hidden layer of the paper's size, measured, against its training of 1000 epochs."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

import eigencode as ec
from benchmarks.timing import Result
from eigencode.base.types import Images
from eigencode.robustness import PGD, Gaussian, critical_size
from eigencode.training import fit_readout

UNITS, EPOCHS, SNAPSHOTS = 2000, 1000, 25
TRAIN, TEST, ATTACKED, DIFFERENTIATED = 50_000, 5000, 300, 100
READOUT = 10_000


def run() -> list[Result]:
    train, test = _images(TRAIN, 0), _images(TEST, 1)
    layer, network = ec.models.krotov_hopfield(train, units=UNITS), ec.models.perceptron(train, units=UNITS)
    with TemporaryDirectory() as folder:
        return [
            *_rows("Krotov-Hopfield", layer, train, test, Path(folder), ec.train_local),
            *_rows("backpropagation", network, train, test, Path(folder), ec.train_supervised),
        ]


def _rows(
    name: str, net: nn.Module, train: Images, test: Images, folder: Path, learn: Callable[..., object]
) -> list[Result]:
    """Time of a training against that of its snapshots: their files and spectra; and with everything else."""
    one, two, saved = (
        _seconds(lambda: learn(net, train, epochs=1)),
        _seconds(lambda: learn(net, train, epochs=2)),
        _seconds(lambda: learn(net, train, epochs=1, snapshots={1: folder / f"{name}.safetensors"})),
    )
    training, saving = (two - one) * EPOCHS, max(0.0, saved - one)
    noise = torch.randn(test.x.shape, generator=torch.Generator().manual_seed(2))
    code, attacked = ec.at(net, "latent"), test[:ATTACKED]

    def spectra() -> None:
        for x in (test, noise):
            ec.spectrum(code, x, interval=False).power_law((5, 500))

    def rest() -> None:
        if name == "Krotov-Hopfield":  # its snapshots have no read-out
            fit_readout(net, train[:READOUT], strength=1e-3)
        ec.jacobian_norm(code, test[:DIFFERENTIATED])
        for attack in (Gaussian(), PGD("linf", steps=20, loss="margin")):
            critical_size(net, attacked, attack)

    least = saving + _seconds(spectra)
    most = least + _seconds(rest)
    work = f"{SNAPSHOTS} snapshots, {name}, {UNITS} units"
    note = f"training: one epoch of {TRAIN} images × {EPOCHS}; measured share {{:.1%}}"
    return [
        Result(f"{work}, spectra", training, SNAPSHOTS * least, 50.0, "", note.format(SNAPSHOTS * least / training)),
        Result(f"{work}, all", training, SNAPSHOTS * most, 1 / 0.15, "", note.format(SNAPSHOTS * most / training)),
    ]


def _images(count: int, seed: int) -> Images:
    """Smooth random images of the shape of CIFAR-10, with a mean colour of their class."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(10, (count,), generator=generator)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    coarse[torch.arange(count), y % 3] *= 0.3 + 0.05 * y[:, None, None]
    return Images(nn.functional.interpolate(coarse, (32, 32), mode="bilinear"), y)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
