"""Predictors without gradients: attacks that need none run on them, the others say which do."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.types import Images, Norm
from eigencode.robustness import FGSM, FMN, PGD, Gaussian, Perturbation, Sphere, Square, critical_size, curve

Predictor = Callable[[Tensor], Tensor]


def digits(classes: int) -> tuple[Tensor, Tensor]:
    data = load_digits(n_class=classes)
    return torch.tensor(data.images[:, None] / 16, dtype=torch.float32), torch.tensor(data.target)


def regression(classes: int) -> tuple[LogisticRegression, Images]:
    x, y = digits(classes)
    fitted = LogisticRegression(max_iter=500).fit(x[:200].flatten(1).numpy(), y[:200].numpy())
    return fitted, Images(x[200:212], y[200:212])


def detached(fitted: LogisticRegression) -> Predictor:
    return lambda x: torch.from_numpy(fitted.predict_log_proba(x.detach().flatten(1).numpy()))


def plain(fitted: LogisticRegression) -> Predictor:
    """As most people write it: `numpy()` fails on a tensor that asks for a gradient."""
    return lambda x: torch.from_numpy(fitted.predict_log_proba(x.flatten(1).numpy()))


@pytest.mark.parametrize(
    ("wrapped", "attack", "classes"),
    [
        (detached, Square(steps=30), 10),
        (plain, Square(steps=30), 10),
        (plain, Square("l2", steps=30), 2),
        (plain, Square("l1", steps=30), 3),
    ],
)
def test_square_attacks_a_logistic_regression(
    wrapped: Callable[[LogisticRegression], Predictor], attack: Square, classes: int
) -> None:
    fitted, test = regression(classes)
    found = critical_size(wrapped(fitted), test, attack)
    weight = torch.from_numpy(fitted.coef_)
    same = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
    with torch.no_grad():  # two classes have one row: the log odds of the second
        same[1].weight.copy_(torch.cat([torch.zeros_like(weight), weight]) if classes == 2 else weight)
        bias = torch.from_numpy(fitted.intercept_)
        same[1].bias.copy_(torch.cat([torch.zeros_like(bias), bias]) if classes == 2 else bias)
    known = critical_size(same, test, attack, check=False)
    assert torch.equal(found.index, known.index)
    assert found.gradients == 0
    assert 0.8 < float((found.distance / known.distance).median()) < 1.25, "from another start about the same is found"
    assert int((found.censored != known.censored).sum()) <= 2
    assert int(found.censored.sum()) < 6
    grid = [0.0, 0.5, 1.0] if attack.norm == "linf" else [0.0, 2.0, 20.0]
    accuracy = curve(wrapped(fitted), test, attack, grid).accuracy
    assert float(accuracy[0]) == found.n_correct / found.n
    assert float(accuracy[-1]) < float(accuracy[0])


@pytest.mark.parametrize("attack", [Square(steps=10), Gaussian(), Sphere()])
def test_a_forest_is_attacked(attack: Perturbation) -> None:
    x, y = digits(5)
    forest = RandomForestClassifier(5, random_state=0).fit(x[:200].flatten(1).numpy(), y[:200].numpy())
    net = lambda x: torch.from_numpy(forest.predict_proba(x.flatten(1).numpy()))  # noqa: E731
    found = critical_size(net, Images(x[200:212], y[200:212]), attack)
    assert int(found.censored.sum()) < found.n_correct / 2
    assert 0 < float(found.median) < np.inf


@pytest.mark.parametrize("wrapped", [detached, plain])
@pytest.mark.parametrize("attack", [FGSM(), PGD("l2", steps=3), FMN(steps=3)])
def test_attacks_by_gradient_name_those_without(
    wrapped: Callable[[LogisticRegression], Predictor], attack: Perturbation
) -> None:
    fitted, test = regression(3)
    for check in (True, False):
        with pytest.raises(InputError, match=r"no gradient.*\n(.*\n)*.*Square"):
            critical_size(wrapped(fitted), test, attack, check=check)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_an_error_inside_the_network_is_not_taken_for_a_missing_gradient(norm: Norm) -> None:
    def broken(x: Tensor) -> Tensor:
        if len(x) < 3:
            raise RuntimeError("out of something")
        return x.flatten(1)[:, :2] + torch.tensor([1.0, 0.0])

    test = Images(torch.rand(2, 1, 2, 2).clamp_min(0.01), torch.tensor([0, 0]))
    with pytest.raises(InputError, match="out of something"):
        critical_size(broken, test, Square(norm, steps=3))
