"""Median critical sizes against foolbox with the same number of gradients: never more than 2 % larger."""

import math
import os

import pytest
import torch
from quiet_foolbox import foolbox
from torch import Tensor

import eigencode as ec
from eigencode.base.types import Images
from eigencode.models import Stack
from eigencode.robustness import DDN, FMN, PGD, critical_size

IMAGES = 100
DATA = ["mnist5k", *(["cifar10"] if os.environ.get("EIGENCODE_DATA") else [])]
NETS: dict[tuple[str, str], tuple[Stack, Images]] = {}


def trained(data: str, kind: str) -> tuple[Stack, Images]:
    """A short-trained network and the test images it classifies correctly, the first 100 of them."""
    if (data, kind) not in NETS:
        train, test = ec.load(data)
        train = train[:10_000]
        if kind == "BP":
            net = ec.models.perceptron(train, units=200)
            ec.train_supervised(net, train, epochs=20, batch_size=100)
        else:
            net = ec.models.krotov_hopfield(train, units=100)
            ec.train_local(net, train, ec.rules.KrotovHopfield(), epochs=60, lr=0.04, batch_size=100)
            ec.train_supervised(net, train, "readout", epochs=100, batch_size=100)
        net.eval()
        with torch.no_grad():
            right = (net(test.x[:1000]).argmax(1) == test.y[:1000]).nonzero()[:IMAGES, 0]
        NETS[data, kind] = net, test[right]
    return NETS[data, kind]


def foolbox_pgd(net: Stack, x: Tensor, y: Tensor, middle: float, norm: str, steps: int, count: int) -> Tensor:
    """Smallest ε of a grid of `count` around `middle` at which foolbox's PGD succeeds, per image.

    The grid is laid where the answer is known to lie, which is to foolbox's advantage.
    """
    name = {"linf": "LinfPGD", "l2": "L2PGD", "l1": "L1PGD"}[norm]
    attack = getattr(foolbox.attacks, name)(steps=steps, rel_stepsize=2.5 / steps)
    grid = torch.logspace(math.log10(middle / 5), math.log10(middle * 5), count).tolist()
    _, _, success = attack(foolbox.PyTorchModel(net, bounds=(0, 1)), x, y, epsilons=grid)
    return torch.where(success, torch.tensor(grid)[:, None], math.inf).min(0).values


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("kind", ["BP", "KH"])
@pytest.mark.parametrize("data", DATA)
def test_pgd(data: str, kind: str, norm: str) -> None:
    net, test = trained(data, kind)
    ours = critical_size(net, test, PGD(norm=norm, steps=20), check=False)
    count = max(2, round(ours.gradients / len(test) / 20))
    in_norm = float(torch.where(ours.censored, math.inf, ours.distance).median())
    for many in (count, 60):  # the same number of gradients, and ten times as many
        with torch.random.fork_rng():
            torch.manual_seed(0)
            theirs = foolbox_pgd(net, test.x, test.y, in_norm, norm, 20, many)
        ratio = in_norm / float(theirs.double().median())
        print(f"{data} {kind} PGD {norm}: {ratio:.3f}, {many} ε for foolbox")
        assert ratio <= 1.02


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
@pytest.mark.parametrize(("name", "norm"), [("DDN", "l2"), ("FMN", "linf"), ("FMN", "l2"), ("FMN", "l1")])
@pytest.mark.parametrize("kind", ["BP", "KH"])
@pytest.mark.parametrize("data", DATA)
def test_minimum_norm(data: str, kind: str, name: str, norm: str) -> None:
    net, test = trained(data, kind)
    attack = DDN(steps=100) if name == "DDN" else FMN(norm=norm, steps=100)
    ours = critical_size(net, test, attack, finish=False, check=False)
    theirs = {
        "DDN": lambda: foolbox.attacks.DDNAttack(steps=100),
        "FMN": lambda: {
            "linf": foolbox.attacks.LInfFMNAttack,
            "l2": foolbox.attacks.L2FMNAttack,
            "l1": foolbox.attacks.L1FMNAttack,
        }[norm](steps=100),
    }[name]()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _, points, success = theirs(foolbox.PyTorchModel(net, bounds=(0, 1)), test.x, test.y, epsilons=None)
    order = {"linf": math.inf, "l2": 2, "l1": 1}[norm]
    far = torch.linalg.vector_norm((points.detach() - test.x).flatten(1), order, 1)
    distance = torch.where(success, far, math.inf).double()
    mine = torch.where(ours.censored, math.inf, ours.distance)
    ratio = float(mine.median() / distance.median())
    print(f"{data} {kind} {name} {norm}: {ratio:.3f}, {int(ours.censored.sum())} and {int((~success).sum())} unbroken")
    assert ratio <= 1.02
