"""What training by gradient refuses, before it changes anything."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import Stack, krotov_hopfield, perceptron
from eigencode.robustness import FGSM
from eigencode.training import Adversarial, train_supervised


def images(n: int = 100) -> Images:
    return Images(torch.rand(n, 1, 5, 5, generator=torch.Generator().manual_seed(n)), torch.arange(n) % 3)


TRAIN, VALIDATION = images(), images(40)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(25, 10), nn.ReLU(), nn.Linear(10, 3))


def test_one_class_is_an_error() -> None:
    with pytest.raises(InputError, match="at least two classes"):
        train_supervised(mlp(), Images(TRAIN.x, torch.zeros(100, dtype=torch.int64)))


def frozen() -> nn.Module:
    return mlp().requires_grad_(False)


OTHER = Images(VALIDATION.x, VALIDATION.y, ("b", "a", "c"))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("make", "settings", "says"),
    [
        (mlp, {"epochs": 0}, "epochs is out of range"),
        (mlp, {"lr": 0.0}, "lr is out of range"),
        (mlp, {"lr": math.inf}, "lr is out of range"),
        (mlp, {"lr": math.nan}, "lr is out of range"),
        (mlp, {"batch_size": 0}, "batch_size is out of range"),
        (mlp, {"optimizer": "lion"}, r"optimizer is out of range(?s:.*)adam, adamw, sgd"),
        (mlp, {"momentum": -1.0}, "momentum is out of range"),
        (mlp, {"weight_decay": -1.0}, "weight_decay is out of range"),
        (mlp, {"clip_norm": 0.0}, "clip_norm is out of range"),
        (mlp, {"precision": "float16"}, "precision is out of range"),
        (mlp, {"keep": "first", "validation": VALIDATION}, "keep is out of range"),
        (mlp, {"patience": 0, "validation": VALIDATION}, "patience is out of range"),
        (mlp, {"checkpoint_every": 0}, "checkpoint_every is out of range"),
        (mlp, {"patience": 3}, "need a validation set"),
        (mlp, {"keep": "best"}, "need a validation set"),
        (mlp, {"validation": OTHER}, "number their classes differently"),
        (mlp, {"parameters": "4"}, r"no such part to train"),
        (mlp, {"parameters": ""}, "no such part to train"),
        (lambda: perceptron(TRAIN, units=10), {"parameters": "raedout"}, "did you mean 'readout'"),
        (lambda: krotov_hopfield(TRAIN, units=10), {"parameters": "encoder"}, "nothing to train in 'encoder'"),
        (frozen, {}, "nothing to train in 'all'"),
        (nn.Flatten, {}, "nothing to train"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(25, 2)), {}, r"does not fit the classes(?s:.*)\(.*, 2\)"),
        (lambda: nn.Conv2d(1, 3, 5), {}, "does not fit the classes"),
        (lambda: perceptron(images(2), units=4), {}, "does not fit the classes"),
        (lambda: perceptron(Images(torch.ones(3, 1, 4, 4), torch.arange(3)), units=4), {}, "do not fit this network"),
    ],
)
def test_what_is_refused(make: Callable[[], nn.Module], settings: dict[str, Any], says: str) -> None:
    net = make()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(InputError, match=says):
        train_supervised(net, TRAIN, **{"epochs": 1, **settings})
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)


def test_unit_space_is_behind_a_unit_norm() -> None:
    """A layer that is called `norm` may be another one, whose outputs have no bounds."""
    net = Stack({"norm": nn.BatchNorm2d(1), "flat": nn.Flatten(), "readout": nn.Linear(25, 3)})
    with pytest.raises(InputError, match="needs a stack that starts with `norm`, a UnitNorm"):
        train_supervised(net, TRAIN, adversarial=Adversarial(FGSM(), 0.1, "unit"), epochs=1)
