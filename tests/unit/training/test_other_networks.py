"""Networks, rules and callbacks that do more than those of this package: what is trained is what is called."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune as torch_prune, weight_norm

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import LocalDense, Stack, UnitNorm, convergence, initialise, prune, softhebb
from eigencode.penalties import Lp
from eigencode.rules import Competitive, KrotovHopfield, Oja, Sanger, SoftHebb
from eigencode.training import Callback, Schedule, fit_readout, train_local, train_supervised

PIXELS = torch.rand(90, 1, 4, 4, generator=torch.Generator().manual_seed(0)).clamp_min(0.01)
TRAIN = Images(PIXELS, torch.arange(90) % 3)


def layers() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    layer = {"norm": UnitNorm(), "flat": nn.Flatten(), "hidden": nn.Linear(16, 12), "relu": nn.ReLU()}
    return {**layer, "readout": nn.Linear(12, 3)}


class Scaled(Stack):
    def forward(self, x: Tensor) -> Tensor:
        return 20 * self.run(x)


class Turned(Stack):
    def run(self, x: Tensor, **where: Any) -> Tensor:
        return super().run(x, **where).flip(1)


def hooked(before: bool) -> Stack:
    net = Stack(layers())
    if before:
        net.register_forward_pre_hook(lambda module, given: (1.2 - given[0],))
    else:
        net.register_forward_hook(lambda module, given, out: out.flip(1))
    return net


@pytest.mark.parametrize("parameters", ["all", "readout"])
@pytest.mark.parametrize(
    "made",
    [lambda: Scaled(layers()), lambda: Turned(layers()), lambda: hooked(True), lambda: hooked(False)],
    ids=["forward", "run", "before", "behind"],
)
def test_a_stack_that_is_more_than_its_layers_is_trained_as_a_whole(made: Any, parameters: str) -> None:
    net, plain = made(), nn.Sequential(made())
    settings: dict[str, Any] = {"epochs": 5, "lr": 0.02, "batch_size": 30, "validation": TRAIN[:50]}
    told = train_supervised(net, TRAIN, parameters, **settings)
    same = train_supervised(plain, TRAIN, parameters if parameters == "all" else "0.readout", **settings)
    assert told.loss.tolist() == same.loss.tolist()
    right = (net(TRAIN[:50].x).argmax(1) == TRAIN[:50].y).double().mean()
    assert float(told.validation_accuracy[-1]) == pytest.approx(float(right))


@pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")
@pytest.mark.parametrize("change", [weight_norm, lambda layer: torch_prune.random_unstructured(layer, "weight", 0.5)])
def test_weights_that_cannot_be_set_are_refused(change: Any) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3))
    change(net[3])
    with pytest.raises(InputError, match="computed from other tensors"):
        fit_readout(net, TRAIN, "3")


@pytest.mark.parametrize("change", [parametrizations.weight_norm, lambda m: torch_prune.identity(m, "weight")])
def test_local_weights_that_cannot_be_set_are_refused(change: Any) -> None:
    rule = KrotovHopfield()
    net = nn.Sequential(nn.Flatten(), LocalDense(rule.init(12, 16, torch.Generator().manual_seed(0)), rule))
    found = prune(net)
    change(net[1])
    for act in (lambda: train_local(net, TRAIN), lambda: initialise(net, rule), lambda: found.apply(net)):
        with pytest.raises(InputError, match="computed from other tensors"):
            act()


def test_a_layer_of_one_unit_cannot_be_pruned() -> None:
    with pytest.raises(InputError, match="single unit"):
        prune(nn.Sequential(LocalDense(torch.ones(1, 4), KrotovHopfield())))


class Clamp(Callback):
    """Makes all weights positive after every step, in one of several ways."""

    def __init__(self, how: str) -> None:
        self.how = how

    def on_step(self, progress: Any) -> None:
        layer = progress.net[1]
        with torch.no_grad():
            match self.how:
                case "in place":
                    layer.weight.clamp_(0)
                case "data in place":
                    layer.weight.data.clamp_(0)
                case "data":
                    layer.weight.data = layer.weight.data.clamp(0)
                case "parameter":
                    layer.weight = nn.Parameter(layer.weight.detach().clamp(0), requires_grad=False)


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.ConvergenceWarning")
def test_local_training_goes_on_from_the_weights_of_a_callback() -> None:
    found = []
    for how in ("in place", "data in place", "data", "parameter"):
        rule = KrotovHopfield()
        net = nn.Sequential(nn.Flatten(), LocalDense(rule.init(8, 16, torch.Generator().manual_seed(1)), rule))
        told = train_local(net, TRAIN, epochs=4, batch_size=30, callbacks=[Clamp(how)])
        found.append((net[1].weight.tolist(), told.norm.tolist()))
        assert float(told.norm[-1]) == pytest.approx(float(convergence(net).norm.median()))
    assert found[1:] == found[:1] * 3


class Branches(nn.Module):
    """Two local layers on one input, which changes between them: in place, or not."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        rule, drawn = Oja(), torch.Generator().manual_seed(2)
        self.a, self.b = (LocalDense(rule.init(4, 16, drawn), rule) for _ in range(2))
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1) * 1.0
        a = self.a(x)
        return a + self.b(x.mul_(-1).add_(1) if self.in_place else 1 - x)


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.ConvergenceWarning")
def test_joint_training_learns_from_the_input_that_the_layer_got() -> None:
    nets = [Branches(True), Branches(False)]
    for net in nets:
        train_local(net, TRAIN, epochs=2, batch_size=30, joint=True)
    for name in ("a", "b"):
        torch.testing.assert_close(getattr(nets[0], name).weight, getattr(nets[1], name).weight)


def test_a_closed_form_readout_settles_the_batch_norm_before_it() -> None:
    images = Images(torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(3)), torch.arange(60) % 3)
    fitted, trained = softhebb(images, depth=1, width=4), softhebb(images, depth=1, width=4)
    fit_readout(fitted, images)
    train_supervised(trained, images, "readout", epochs=1)
    assert not bool((fitted.norm1.running_mean == 0).all())
    assert fitted.norm1.running_var.tolist() == trained.norm1.running_var.tolist()
    torch.testing.assert_close(fitted.norm1.running_mean, images.x.mean((0, 2, 3)))


def test_a_penalty_too_small_for_float64_is_said() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Linear(12, 3))
    with torch.no_grad():
        net[0], net[1].weight[1:], net[1].bias[:] = nn.Flatten(), net[1].weight[:1], 0.0
    with pytest.raises(InputError, match="too small for float64"):
        fit_readout(net, TRAIN, "2", 1e-30)


class Own(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.readout, self.scale = Stack(layers()), scale

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.scale * self.readout(x)
        return out


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((1.0, lambda name, p: "hidden" in name), (1.0, lambda name, p: "readout" in name and p.ndim == 1)),
        ((1.0, lambda name, p: True), (30.0, lambda name, p: True)),
    ],
    ids=["selection", "attribute"],
)
def test_a_checkpoint_of_other_settings_is_refused(first: Any, second: Any, tmp_path: Path) -> None:
    def train(scale: float, keep: Any, stop: float | None = None) -> None:
        penalty = [(0.1, Lp(2.0, keep))]
        settings: dict[str, Any] = {"epochs": 4, "batch_size": 30, "checkpoint": tmp_path / "state", "stop": stop}
        train_supervised(Own(scale), TRAIN, penalties=penalty, **settings)

    train(*first, stop=2)
    with pytest.raises(InputError, match="belongs to another run"):
        train(*second)
    train(*first)


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.ConvergenceWarning")
@pytest.mark.parametrize(("built", "learned"), [(Oja(), Competitive()), (Competitive(), Sanger())])
def test_a_layer_is_judged_by_the_rule_that_trained_it(built: Any, learned: Any) -> None:
    net = nn.Sequential(nn.Flatten(), LocalDense(built.init(6, 16, torch.Generator().manual_seed(0)), built))
    told = train_local(net, TRAIN, learned, epochs=10, batch_size=30, lr=0.1)
    assert net[1].rule == learned
    assert convergence(net).fraction == float(told.converged[-1])


class Failing(Callback):
    def on_epoch(self, progress: Any) -> bool | None:
        raise KeyError("stop")


def test_after_an_error_a_layer_has_its_rule_and_weights_of_before() -> None:
    rule = Oja()
    net = nn.Sequential(nn.Flatten(), LocalDense(rule.init(6, 16, torch.Generator().manual_seed(0)), rule))
    before = net[1].weight.tolist()
    with pytest.raises(KeyError):
        train_local(net, TRAIN, Competitive(), epochs=2, batch_size=30, callbacks=[Failing()])
    assert net[1].rule == rule
    assert net[1].weight.tolist() == before


def test_the_sign_of_a_direction_does_not_make_it_diverged() -> None:
    leading = torch.full((1, 3), 3**-0.5)
    for rule in (Oja(), Sanger()):
        for sign in (1, -1):
            found = rule.health(sign * leading, torch.tensor([5]))
            assert found.accepted, (rule, sign)
        assert bool(rule.health(leading * torch.nan, torch.tensor([5])).diverged.all())


@pytest.mark.parametrize("start", [0.5, 1.0, 2.0, 25.0])
def test_an_untrained_softhebb_layer_has_not_converged(start: float) -> None:
    rule = SoftHebb(start=start)
    layer = LocalDense(rule.init(50, 64, torch.Generator().manual_seed(0)), rule)
    assert layer.health().fraction == 0
    assert rule.health(torch.eye(3), torch.tensor([0, 1, 2])).fraction == 1


def test_two_states_do_not_go_into_one_file(tmp_path: Path) -> None:
    net = Stack(layers())
    for settings in (
        {"snapshots": {0: tmp_path / "a", 1: tmp_path / "x" / ".." / "a"}},
        {"snapshots": {1: tmp_path / "a"}, "checkpoint": str(tmp_path / "a")},
    ):
        with pytest.raises(InputError, match="one file for several states"):
            train_supervised(net, TRAIN, epochs=2, **settings)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("factor", [-1.0, np.nan, np.inf])
def test_a_step_size_is_no_ascent(factor: float) -> None:
    with pytest.raises(InputError, match="factor is out of range"):
        Schedule("piecewise", boundaries=(2,), factors=(1.0, factor))


def test_training_inside_no_grad() -> None:
    net, same = Stack(layers()), Stack(layers())
    with torch.no_grad():
        told = train_supervised(net, TRAIN, epochs=2)
    assert told.loss.tolist() == train_supervised(same, TRAIN, epochs=2).loss.tolist()
