"""Attacks of other libraries through our protocol: the same results as when they are called directly."""

import random
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from quiet_foolbox import foolbox
from torch import nn

from eigencode.base.errors import EigencodeError, InputError
from eigencode.base.types import Images
from eigencode.robustness import DDN, FMN, PGD, AutoAttack, Foolbox, critical_size, curve, worst_case
from eigencode.robustness._balls import length
from eigencode.robustness.adapters._isolation import isolated
from eigencode.robustness.adapters.foolbox import ATTACKS

CASES = [(name, norm) for name, norms in ATTACKS.items() for norm in norms if name != "BB"]
SHORT = {"CW": {"steps": 60, "binary_search_steps": 4}, "EAD": {"steps": 60, "binary_search_steps": 4}}


@pytest.fixture
def case() -> tuple[nn.Module, Images]:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 5))
    x = torch.rand(20, 1, 6, 6)
    y = net(x).argmax(1)
    y[0] = (y[0] + 1) % 5
    return net, Images(x, y, classes="abcde")


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_foolbox_as_it_is_called_directly(case: tuple[nn.Module, Images], name: str, norm: str) -> None:
    net, test = case
    settings = SHORT.get(name, {"steps": 20})
    right = torch.arange(1, 20)
    found = critical_size(net, test, Foolbox(name, norm, settings), finish=False, check=False)
    assert found.index.tolist() == right.tolist()
    attack = getattr(foolbox.attacks, ATTACKS[name][norm])(**settings)
    x = test.x[right]
    _, points, success = attack(foolbox.PyTorchModel(net.eval(), bounds=(0, 1)), x, test.y[right], epsilons=None)
    distance = length(points.detach().clamp(0, 1) - x, norm)
    torch.testing.assert_close(found.distance[success], distance[success], rtol=1e-5, atol=1e-6)
    assert not bool(found.censored[success].any())
    finished = critical_size(net, test, Foolbox(name, norm, settings), check=False)
    assert bool((finished.distance <= found.distance).all())


def test_targets_go_through(case: tuple[nn.Module, Images]) -> None:
    net, test = case
    target = (test.y + 2) % 5
    found = Foolbox("CW", settings=SHORT["CW"])(net, test.x, test.y, target=target)
    assert bool(found.success.any())
    torch.testing.assert_close(found.success, net(found.clipped).argmax(1) == target)


def test_global_random_numbers_stay(case: tuple[nn.Module, Images], leaves_no_trace) -> None:  # type: ignore[no-untyped-def]
    net, test = case
    leaves_no_trace(net, test.pixels, lambda: Foolbox("DeepFool")(net, test.x, test.y))
    before = np.random.get_state()[1].copy(), random.getstate(), torch.random.get_rng_state()  # noqa: NPY002
    with isolated(3):
        drawn = np.random.rand(), random.random(), float(torch.rand(1))  # noqa: NPY002
    after = np.random.get_state()[1].copy(), random.getstate(), torch.random.get_rng_state()  # noqa: NPY002
    assert bool((after[0] == before[0]).all())
    assert after[1] == before[1]
    assert torch.equal(after[2], before[2])
    with isolated(3):
        assert drawn == (np.random.rand(), random.random(), float(torch.rand(1)))  # noqa: NPY002


def test_autoattack(case: tuple[nn.Module, Images]) -> None:
    package = pytest.importorskip("pyautoattack")
    net, test = case
    quick = AutoAttack(version="custom", attacks=("apgd-ce",))
    found = curve(net, test, quick, [0.0, 0.02], exhaustive=True, check=False)
    attack = package.AutoAttack(
        net, eps=0.02, version="custom", attacks=["apgd-ce"], device=torch.device("cpu"), seed=0
    )
    attack.verbose = False
    points, _ = attack.run_standard_evaluation(test.x, test.y, batch_size=100)
    assert float(found.accuracy[0]) == 0.95
    theirs = float((net(points).argmax(1) == test.y).double().mean())
    assert abs(float(found.accuracy[1]) - theirs) <= 0.05


def few_classes(classes: int) -> tuple[nn.Module, Images]:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, classes))
    x = torch.rand(4, 1, 6, 6)
    return net, Images(x, net(x).argmax(1), classes=[str(i) for i in range(classes)])


@pytest.mark.parametrize(
    ("classes", "attack"),
    [
        (5, AutoAttack()),
        (4, AutoAttack(norm="l2")),
        (5, AutoAttack(norm="l1")),
        (4, AutoAttack(version="plus")),
        (3, AutoAttack(version="rand")),
        (3, AutoAttack(version="custom", attacks=("fab-t",))),
        (2, AutoAttack(version="custom", attacks=("apgd-ce", "fab", "square"))),
    ],
)
def test_autoattack_of_few_classes(classes: int, attack: AutoAttack, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a tiny eps no image breaks, so that every attack of the ensemble runs on all of its targets."""
    package = pytest.importorskip("pyautoattack")
    net, test = few_classes(classes)
    make = package.AutoAttack

    def short(*args: object, **settings: object) -> object:
        made = make(*args, **settings)
        made.square.n_queries = made.apgd.n_iter = made.apgd_targeted.n_iter = made.fab.n_iter = 3
        made.apgd.eot_iter = 1
        return made

    monkeypatch.setattr(package, "AutoAttack", short)
    found = curve(net, test, attack, [1e-7], exhaustive=True, check=False)
    assert found.accuracy.tolist() == [1.0]


@pytest.mark.parametrize(("classes", "version"), [(3, "standard"), (2, "standard"), (3, "plus"), (2, "rand")])
def test_autoattack_of_too_few_classes_says_what_works(classes: int, version: str) -> None:
    pytest.importorskip("pyautoattack")
    net, test = few_classes(classes)
    with pytest.raises(InputError, match="too few classes") as error:
        curve(net, test, AutoAttack(version=version), [1e-7], check=False)  # type: ignore[arg-type]
    better = eval(str(error.value).rpartition("fix:")[2], {"AutoAttack": AutoAttack})
    assert "apgd-ce" in better.attacks
    found = curve(net, test, better, [0.5], exhaustive=True, check=False)
    assert found.accuracy.tolist() == [0.0]


def test_the_ensemble_is_the_worst_case_per_image(case: tuple[nn.Module, Images]) -> None:
    net, test = case
    attacks = [PGD("l2", steps=4), DDN(steps=20), FMN("l2", steps=20), Foolbox("DeepFool")]
    each = [critical_size(net, test, a, seed=3, check=False) for a in attacks]
    found = worst_case(each)
    expected = torch.stack([r.distance for r in each]).amin(0)
    torch.testing.assert_close(found.distance, expected)
    assert found.attack.count(";") == 3
    assert found.evaluations == sum(r.evaluations for r in each)
    with pytest.raises(InputError, match="same norm"):
        worst_case([each[0], critical_size(net, test, PGD("linf", steps=4), check=False)])
    with pytest.raises(InputError, match="same images"):
        worst_case([each[0], replace(each[1], index=each[1].index + 1)])


def test_errors(case: tuple[nn.Module, Images], monkeypatch: pytest.MonkeyPatch) -> None:
    net, test = case
    with pytest.raises(InputError, match="did you mean 'DeepFool'"):
        Foolbox("Deepfool")
    with pytest.raises(InputError, match="does not minimise this norm"):
        Foolbox("CW", "linf")
    with pytest.raises(InputError, match="does not take these settings"):
        Foolbox("CW", settings={"stepps": 3})(net, test.x, test.y)
    with pytest.raises(EigencodeError, match="foolbox stopped"):
        Foolbox("DeepFool", settings={"steps": "x"})(net, test.x, test.y)
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    with pytest.raises(InputError, match="pyautoattack is not installed"):
        AutoAttack()(net, test.x, test.y, 0.1)
    with pytest.raises(InputError, match="only for it"):
        AutoAttack(attacks=("square",))
