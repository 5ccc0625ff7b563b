"""BatchNorm layers without statistics get exact ones before the layers behind them are trained."""

import copy

import pytest
import torch
from torch import nn

from eigencode.base.errors import TrainingError
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.models import LocalConv2d, Stack, softhebb
from eigencode.representation._modes import hooked
from eigencode.rules import SoftHebb
from eigencode.training import train_local, train_supervised
from eigencode.training._feed import computed, outputs
from eigencode.training._layer_inputs import settle_all, without_statistics

TRAIN = Images(torch.rand(700, 1, 12, 12, generator=torch.Generator().manual_seed(5)) ** 3, torch.arange(700) % 3)

pytestmark = pytest.mark.filterwarnings("ignore::eigencode.base.errors.ConvergenceWarning")


def stack() -> Stack:
    return softhebb(TRAIN, 2, 4, 2)


def learn(net: nn.Module, **more: object) -> None:
    train_local(net, TRAIN, epochs=1, lr=1.0, batch_size=100, decay="constant", **more)  # type: ignore[arg-type]


def test_the_statistics_are_those_of_all_images_at_that_layer() -> None:
    net = stack()
    learn(net)
    for name, before in (("norm1", None), ("norm2", "pool1")):
        x = TRAIN.x if before is None else net.run(TRAIN.x, until=before)
        norm, values = net.get_submodule(name), x.detach().double().movedim(1, 0).flatten(1)
        torch.testing.assert_close(norm.running_mean.double(), values.mean(1), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(norm.running_var.double(), values.var(1, correction=0), rtol=1e-5, atol=1e-7)
        assert norm.num_batches_tracked == 1


def test_a_large_mean_does_not_hurt_the_variance() -> None:
    net = Stack({"shift": nn.Conv2d(1, 1, 1), "norm": nn.BatchNorm2d(1, affine=False), "conv": layer()})
    with torch.no_grad():
        net.shift.weight.fill_(1.0)
        net.shift.bias.fill_(1000.0)  # type: ignore[union-attr]
    train_local(net.double(), TRAIN, epochs=1, batch_size=100)
    torch.testing.assert_close(
        float(net.norm.running_var), float(TRAIN.x.double().var(correction=0)), rtol=1e-4, atol=0
    )


def layer() -> LocalConv2d:
    rule = SoftHebb()
    return LocalConv2d(rule.init(3, 9, torch.Generator().manual_seed(0)), rule, 3)


def test_statistics_that_are_known_stay() -> None:
    net = stack()
    with torch.no_grad():
        net.norm1.running_mean.fill_(0.3)
    assert without_statistics(net, TRAIN) == ["norm2"]
    learn(net)
    assert float(net.norm1.running_mean) == pytest.approx(0.3)


def test_a_random_stack_gets_them_before_its_readout_learns() -> None:
    net = stack()
    weights = net.conv2.weight.clone()
    train_supervised(net, TRAIN, "readout", epochs=1)
    assert not without_statistics(net, TRAIN)
    x = net.run(TRAIN.x, until="norm2").double().movedim(1, 0).flatten(1)
    torch.testing.assert_close(x.mean(1), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.var(1, correction=0), torch.ones(4, dtype=torch.float64), rtol=1e-3, atol=0)
    torch.testing.assert_close(net.conv2.weight, weights, rtol=0, atol=0)


def test_backpropagation_keeps_running_averages_as_ever() -> None:
    net = softhebb(TRAIN, 1, 4, local=False)
    train_supervised(net, TRAIN, epochs=1, batch_size=100)
    assert net.norm1.num_batches_tracked == 7


def test_they_are_part_of_a_resumed_training(tmp_path) -> None:
    whole, half, rest = stack(), stack(), stack()
    learn(whole)
    learn(half, checkpoint=tmp_path / "state", stop=1)
    learn(rest, checkpoint=tmp_path / "state")
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(rest.state_dict()[name], value, rtol=0, atol=0)


def test_a_failed_training_restores_them() -> None:
    net = stack()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(TrainingError):
        train_local(net, TRAIN, epochs=1, lr=1e38, batch_size=100, decay="constant")
    for name, value in before.items():
        torch.testing.assert_close(net.state_dict()[name], value, rtol=0, atol=0)


def sampled(depth: int) -> Stack:
    return softhebb(TRAIN, depth, 4, 2, departures=["sampled statistics"])


def test_sampled_statistics_are_those_of_the_batches_as_in_a_loop_of_torch() -> None:
    net, other = sampled(1), sampled(1)
    learn(net)
    learn(other, seed=1)
    assert not torch.equal(net.norm1.running_mean, other.norm1.running_mean)  # they depend on the last batches
    witness, exact = nn.BatchNorm2d(1, affine=False), TRAIN.x
    with torch.no_grad():
        witness.running_mean.fill_(exact.mean())  # type: ignore[union-attr]
        witness.running_var.fill_(exact.var(correction=0))  # type: ignore[union-attr]
        for index in torch.randperm(700, generator=stream(0, "order", 0)).split(100):
            witness(exact[index])
    torch.testing.assert_close(net.norm1.running_mean, witness.running_mean)
    torch.testing.assert_close(net.norm1.running_var, witness.running_var)


def test_with_sampled_statistics_a_layer_learns_from_normalised_batches() -> None:
    net, seen = sampled(2).eval(), []
    net.conv2.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    learn(net)
    batches = [x for x in seen if len(x) == 100]
    assert len(batches) == 7
    for x in batches:
        torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-5)
        torch.testing.assert_close(x.var((0, 2, 3), correction=0), torch.ones(4), rtol=0, atol=1e-3)
    assert not any(module.training for module in net.modules())


@pytest.mark.parametrize("joint", [False, True])
def test_sampled_statistics_of_a_resumed_training(tmp_path, joint: bool) -> None:
    nets = [sampled(2) for _ in range(3)]
    state = tmp_path / "state"
    for net, more in zip(nets, ({}, {"checkpoint": state, "stop": 1}, {"checkpoint": state})):
        train_local(net, TRAIN, epochs=2, lr=1.0, batch_size=100, joint=joint, **more)  # type: ignore[arg-type]
    for name, value in nets[0].state_dict().items():
        torch.testing.assert_close(nets[2].state_dict()[name], value, rtol=0, atol=0)
    exact = float(TRAIN.x.mean())
    assert float(nets[0].norm1.running_mean) != pytest.approx(exact, abs=1e-6)


def test_a_network_of_ones_own_with_a_normalised_local_layer() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(300, 3)
            self.learning = nn.BatchNorm2d(1)
            self.bn = nn.BatchNorm2d(1, affine=False)
            self.conv = layer()
            self.after = nn.BatchNorm2d(3, affine=False)

        def forward(self, x):
            return self.head(self.after(self.conv(self.bn(self.learning(x)))).flatten(1))

    net = Net()
    learn(net, at="conv")
    assert without_statistics(net, TRAIN) == ["after"]
    torch.testing.assert_close(float(net.bn.running_mean), float(TRAIN.x.mean()), rtol=1e-4, atol=0)
    assert float(net.learning.running_mean) == 0  # a layer that learns stays as it is while it is fixed


class _Doubled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 1.0


@pytest.mark.parametrize("between", [nn.Identity, _Doubled], ids=["at once", "a second pass"])
def test_the_inputs_of_a_layer_are_computed_once_with_its_statistics(between: type[nn.Module]) -> None:
    images, conv, behind = TRAIN[:200], layer(), layer()
    net = Stack({"norm": nn.BatchNorm2d(1, affine=False), "conv": conv, "second": nn.Conv2d(3, 1, 1)})
    net.add_module("norm2", nn.BatchNorm2d(1, affine=False))
    net.add_module("between", between())
    net.add_module("behind", behind)
    passes = 0

    def count(module: nn.Module, args: object, out: torch.Tensor) -> None:
        nonlocal passes
        passes += len(out)

    with hooked([net.get_submodule("second")], count):
        found = settle_all(net.eval(), images, ["norm", "norm2"], behind)
    assert (found is None) == (between is _Doubled)
    if found is not None:
        torch.testing.assert_close(found, net.run(images.x, until="between"), rtol=0, atol=0)
        assert passes <= len(images) + 5


def test_a_layer_behind_something_done_in_place_is_not_behind_its_norm() -> None:
    net = Stack({"norm": nn.BatchNorm2d(1, affine=False), "relu": nn.ReLU(inplace=True), "conv": layer()})
    assert settle_all(net.eval(), TRAIN[:200], ["norm"], net.get_submodule("conv")) is None


def test_a_chunk_is_small_where_a_layer_is_large() -> None:
    images = TRAIN[:600]
    wide = Stack({"wide": nn.Conv2d(1, 100, 1), "sum": nn.Conv2d(100, 1, 1)})
    small = Stack({"small": nn.Conv2d(1, 1, 1)})
    with torch.no_grad():
        sizes = [len(part) for part in outputs(wide, wide, images)]
        torch.testing.assert_close(computed(wide, wide, images), wide(images.x))
        alone = [len(part) for part in outputs(small, small, images)]
    assert sizes == [145] * 4 + [20]
    assert alone == [600]
