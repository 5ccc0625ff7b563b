"""Activations kept for the next part of a training: used where all is the same, and nowhere else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from toy_rules import stack

from eigencode.base.types import Images
from eigencode.models import perceptron
from eigencode.training import _kept, train_local, train_supervised
from eigencode.training._kept import continued

IMAGES = Images(torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 3)
TRAIN, OTHER = IMAGES[:40], IMAGES[20:]
pytestmark = pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """One entry for every time that activations of all images were computed."""
    from eigencode.training import _feed, _layer_inputs

    found: list[int] = []
    for module in (_feed, _layer_inputs):
        original = module.computed
        monkeypatch.setattr(module, "computed", lambda *a, f=original: found.append(1) or f(*a))
    yield found
    _kept._KEPT.clear()


def local(net: nn.Module, train: Images = TRAIN, **more: Any) -> nn.Module:
    train_local(net, train, epochs=1, batch_size=20, **more)
    return net


def supervised(net: nn.Module, train: Images = TRAIN, **more: Any) -> nn.Module:
    train_supervised(net, train, "readout", epochs=1, batch_size=20, validation=OTHER[:30], **more)
    return net


def changed(name: str, make: Callable[[], nn.Module] = stack) -> nn.Module:
    net = make()
    with torch.no_grad():
        net.get_parameter(name).mul_(1.5)
    return net


def same(found: nn.Module, wanted: nn.Module) -> None:
    torch.testing.assert_close(found.state_dict(), wanted.state_dict(), rtol=0, atol=0)


def test_parts_of_a_training_compute_the_inputs_of_a_layer_once(computed: list[int], tmp_path: Any) -> None:
    net = stack()
    for n in range(7):
        with continued("A", ends=n == 6):
            net = local(stack(), stop=n / 2, checkpoint=tmp_path / "c")
        assert len(_kept._KEPT) == (0 < n < 6)
    assert len(computed) == 3  # one per layer
    same(net, local(stack()))


def test_nothing_is_kept_outside_of_parts(computed: list[int]) -> None:
    local(stack())
    supervised(perceptron(TRAIN, units=4))
    assert not _kept._KEPT
    assert len(computed) == 3 + 2


FIRST: dict[str, Callable[[], Any]] = {
    "local": lambda: local(stack(), at="conv2"),
    "supervised": lambda: supervised(stack()),
}
SECOND: dict[str, dict[str, Callable[[], nn.Module]]] = {
    "local": {
        "other images": lambda: local(stack(), OTHER, at="conv2"),
        "other weights before": lambda: local(changed("conv1.weight"), at="conv2"),
        "another layer": lambda: local(stack(), at="dense"),
    },
    "supervised": {
        "other images": lambda: supervised(stack(), OTHER),
        "other weights before": lambda: supervised(changed("conv1.weight")),
        "the code of another kind": lambda: local(stack(), at="conv2"),
    },
}


@pytest.mark.parametrize(("kind", "case"), [(k, c) for k, cases in SECOND.items() for c in cases])
def test_what_differs_is_computed_anew(kind: str, case: str, computed: list[int]) -> None:
    """Each gives the weights that it gives alone; the same training once more takes what is kept."""
    alone = SECOND[kind][case]()
    with continued("A", ends=False):
        FIRST[kind]()
        computed.clear()
        FIRST[kind]()
        assert len(computed) == (kind == "supervised")  # the validation images are not kept
        computed.clear()
        same(SECOND[kind][case](), alone)
    assert computed
    assert len(_kept._KEPT) == 1


def test_another_training_takes_nothing_over(computed: list[int]) -> None:
    """Two networks of one's own may differ in a setting that no weight shows."""

    def run(power: float) -> nn.Module:
        net = stack()
        net.relu1.n = power
        return local(net, at="conv2")

    alone = run(2.0)
    with continued("power 1", ends=False):
        run(1.0)
    with continued("power 2", ends=False):
        same(run(2.0), alone)


def test_weights_of_the_layer_itself_and_of_its_rule_do_not_count(computed: list[int]) -> None:
    with continued("A", ends=False):
        local(stack(), at="conv2")
        computed.clear()
        local(changed("conv2.weight"), at="conv2")
    assert not computed


def test_what_is_kept_is_not_changed_by_training() -> None:
    with continued("A", ends=False):
        local(stack(), at="conv2")
        (before,) = (value.clone() for value in _kept._KEPT.values())
        local(stack(), at="conv2")
        torch.testing.assert_close(next(iter(_kept._KEPT.values())), before, rtol=0, atol=0)
    with continued("A", ends=True):
        pass
    assert not _kept._KEPT
