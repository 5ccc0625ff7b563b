"""Local layers of any module: greedy training of stacks, what enters a layer, and what is left alone."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from toy_rules import DenseOja, PatchOja, stack

from eigencode.base.errors import ConvergenceWarning, InputError
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.models import LocalConv2d, LocalDense, Stack, convergence, krotov_hopfield, local_layers, prune
from eigencode.rules import KrotovHopfield, Rule
from eigencode.training import _feed as feeding, train_local, train_supervised

TRAIN = Images(torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 3)
pytestmark = pytest.mark.filterwarnings("ignore::eigencode.base.errors.ConvergenceWarning")
LAYERS = ("conv1", "conv2", "dense")


def plain_loop(
    x: Tensor, weight: Tensor, rule: Rule, epochs: int, lr: float, batch: int, patches: bool, order: tuple
) -> Tensor:
    """One layer by hand, in float64: patches by slicing, the dense update, the rule's own step written out."""
    weight = weight.double()
    for epoch in range(epochs):
        shuffled = torch.randperm(len(x), generator=stream(4, "order", epoch, *order))
        for part in (shuffled[i : i + batch] for i in range(0, len(x), batch)):
            rows = x[part].double()
            if patches:
                height, width = rows.shape[2] - 2, rows.shape[3] - 2
                cut = [rows[:, :, i : i + 3, j : j + 3].flatten(1) for i in range(height) for j in range(width)]
                rows = torch.cat(cut)
            delta = rule.update(rows.flatten(1), weight)
            scale = 1 / 100 if patches else 1 / delta.abs().max()
            weight = weight + lr * (1 - epoch / epochs) * scale * delta
    return weight


def test_a_stack_is_trained_greedily_in_order() -> None:
    net, untouched = stack(), stack()
    record = train_local(net, TRAIN, epochs=3, lr=0.05, batch_size=25, seed=4)
    by_hand, x = stack(), TRAIN.x
    for place, name in enumerate(LAYERS):
        layer, patches = by_hand.get_submodule(name), name != "dense"
        before = [n for n, _ in by_hand.named_children()]
        entering = by_hand.run(x, until=before[before.index(name) - 1])
        padded = nn.functional.pad(entering, [1] * 4) if name == "conv1" else entering
        start = layer.weight.detach().clone()
        wanted = plain_loop(padded, start, layer.rule, 3, 0.05, 25, patches, (place,) if place else ())
        moved = float((wanted - start).abs().max())
        assert moved > 1e-4
        torch.testing.assert_close(net.get_submodule(name).weight.double(), wanted, rtol=0, atol=1e-3 * moved)
        with torch.no_grad():
            layer.weight.copy_(wanted)
    assert (record.layers, record.epochs, record.steps) == (LAYERS, 9, 27)
    sizes = torch.tensor([0.05 * (1 - e / 3) for e in range(3)] * 3, dtype=torch.float64)
    torch.testing.assert_close(record.step_size, sizes)
    rows = {"conv1": 60 * 64, "conv2": 60 * 4, "dense": 60}
    for name, wanted in rows.items():
        state = convergence(net, at=name)
        assert int(state.wins.sum()) == wanted
    torch.testing.assert_close(
        float(record.norm[-1]), float(convergence(net, at="dense").norm.median()), rtol=1e-5, atol=0
    )
    for name in ("readout.weight", "readout.bias"):
        torch.testing.assert_close(net.state_dict()[name], untouched.state_dict()[name], rtol=0, atol=0)


def test_one_call_per_layer_is_one_call_for_all() -> None:
    whole, parts = stack(), stack()
    settings = {"epochs": 2, "batch_size": 25, "seed": 4}
    record = train_local(whole, TRAIN, **settings)
    curves = [train_local(parts, TRAIN, at=name, **settings).norm for name in LAYERS]
    torch.testing.assert_close(parts.state_dict(), whole.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(torch.cat(curves), record.norm, rtol=0, atol=0)


def test_only_the_named_layer_changes_and_nothing_else_of_the_callers() -> None:
    net = stack().train()
    net.pool.eval()
    net.conv2.weight.requires_grad_()
    calls: list[str] = []
    net.conv1.register_forward_hook(lambda *_: calls.append("mine"))
    before = {k: v.clone() for k, v in net.state_dict().items()}

    def rest() -> list[object]:
        modes, flags = [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]
        return [modes, flags, [len(m._forward_pre_hooks) for m in net.modules()], torch.random.get_rng_state().tolist()]

    kept = rest()
    train_local(net, TRAIN, epochs=1, at="conv2")
    assert rest() == kept
    assert {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])} == {"conv2.weight", "conv2.wins"}
    assert calls
    train_local(net, TRAIN, epochs=1)
    assert rest() == kept


class Foreign(nn.Module):
    """Somebody's module: layers registered in another order than they run, dropout, batch statistics."""

    def __init__(self) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.top = LocalDense(DenseOja().init(5, 4 * 9, g), DenseOja())
        self.unused = LocalDense(DenseOja().init(5, 7, g), DenseOja())
        self.body = nn.Sequential(
            nn.BatchNorm2d(1), nn.Dropout(0.5), LocalConv2d(PatchOja().init(4, 9, g), PatchOja(), 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.top(nn.functional.avg_pool2d(self.body(x).relu(), 2))
        return z


def test_any_module_in_order_of_execution() -> None:
    net = Foreign().train()
    record = train_local(net, TRAIN, epochs=2, batch_size=20)
    assert record.layers == ("body.2", "top")
    assert float(net.body[0].running_mean) == 0  # no statistics were taken
    assert int(net.unused.wins.max()) == -1
    assert list(local_layers(net)) == ["top", "unused", "body.2"]
    with pytest.raises(InputError, match="never called"):
        train_local(net, TRAIN, at="unused")
    with pytest.raises(InputError, match="which local layer"):
        prune(net)
    found = prune(net, at="body.2")
    pruned = found.apply(net, at="body.2")
    assert len(found.log_variance) == 4
    assert float(pruned.body[2].weight[found.indices].abs().sum()) == 0
    torch.testing.assert_close(pruned.top.weight, net.top.weight, rtol=0, atol=0)


class Recurrent(nn.Module):
    """One local layer called twice for each image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = LocalDense(DenseOja().init(36, 36, torch.Generator().manual_seed(0)), DenseOja())

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.layer(self.layer(x.flatten(1)[:, :36]))
        return z


def test_a_layer_called_twice_is_refused_before_it_learns() -> None:
    net = Recurrent()
    before = net.layer.weight.clone()
    with pytest.raises(InputError, match=r"(?s)more than once.*layer \(2 times\)"):
        train_local(net, TRAIN, epochs=1, batch_size=20)
    assert torch.equal(net.layer.weight, before)


def test_activations_too_large_to_keep_are_computed_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, streamed = stack(), stack()
    train_local(kept, TRAIN, epochs=2, batch_size=25)
    monkeypatch.setattr(feeding, "KEPT_BYTES", 0)
    train_local(streamed, TRAIN, epochs=2, batch_size=25)
    for name in LAYERS:
        torch.testing.assert_close(streamed.get_submodule(name).weight, kept.get_submodule(name).weight)


def test_readouts_learn_from_activations_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also part of the way up, and the same numbers as without; the forward passes are counted."""
    calls: dict[str, int] = {}

    def counted(limit: int, parameters: str) -> Stack:
        monkeypatch.setattr(feeding, "KEPT_BYTES", limit)
        net = stack().requires_grad_()
        for name, layer in net.named_children():
            calls[name] = 0
            layer.register_forward_hook(lambda m, a, o, name=name: calls.update({name: calls[name] + 1}))
        train_supervised(net, TRAIN, parameters, epochs=2, batch_size=20)
        return net

    for parameters, behind in (("readout", "relu3"), ("conv2", "pool")):
        once = counted(2**30, parameters)
        few = calls[behind]
        every = counted(0, parameters)
        assert few <= 3 < calls[behind]
        for name, value in every.state_dict().items():
            torch.testing.assert_close(once.state_dict()[name], value, rtol=1e-4, atol=1e-6)


def test_dropout_and_batch_norm_are_not_computed_once() -> None:
    """What learns or is random in training mode is computed in every step, and so is all that follows it."""
    net = Stack({"norm": stack().norm, "drop": nn.Dropout(), "flat": nn.Flatten(), "readout": nn.Linear(64, 3)})
    assert feeding.fixed_layers(net, net, list(net.parameters())) == ["norm"]
    assert feeding.fixed_layers(net, net.readout, list(net.readout.parameters())) == ["norm", "drop", "flat"]
    assert feeding.fixed_layers(net.readout, net.readout, []) == []
    deep = stack().requires_grad_()
    before = feeding.fixed_layers(deep, deep.conv2, list(deep.conv2.parameters()))
    assert before == ["norm", "conv1", "relu1", "pool"]  # not what follows it


def test_failures_leave_the_whole_stack_as_it_was() -> None:
    class Breaks(DenseOja):
        def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None):
            raise KeyboardInterrupt

    net = stack()
    net.dense.rule = Breaks(spread=0.3)
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(KeyboardInterrupt):
        train_local(net, TRAIN, epochs=1)
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("make", "rule", "at", "says"),
    [
        (stack, DenseOja(), "conv1", "disagree on radius"),
        (stack, KrotovHopfield(p=2.0), "dense", "disagree on p"),
        (stack, None, "conv3", "did you mean 'conv"),
        (stack, None, "readout", "learns by gradient"),
        (lambda: krotov_hopfield(TRAIN, units=5), None, "readout", "learns by gradient"),
    ],
)
def test_rules_and_names_that_do_not_fit(make: Callable[[], Stack], rule: Rule | None, at: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        train_local(make(), TRAIN, rule, at=at)


def test_a_rule_with_other_synapses_is_refused_even_if_it_does_not_say_so() -> None:
    class Silent(PatchOja):
        @property
        def layer_settings(self) -> dict[str, float]:
            return {}

    with pytest.raises(InputError, match="another matrix"):
        train_local(stack(), TRAIN, Silent(), at="dense")


def test_every_layer_that_has_not_converged_is_named() -> None:
    with pytest.warns(ConvergenceWarning) as heard:
        train_local(stack(), TRAIN, epochs=1)
    assert [str(w.message).split(":")[0] for w in heard if "not converged" in str(w.message)] == list(LAYERS)


def test_the_default_rule_is_the_one_of_the_layer(tmp_path: Path) -> None:
    one, same = krotov_hopfield(TRAIN, units=8, p=2.0), krotov_hopfield(TRAIN, units=8, p=2.0)
    train_local(one, TRAIN, epochs=2)
    train_local(same, TRAIN, KrotovHopfield(p=2.0), epochs=2, at="encoder")
    torch.testing.assert_close(one.state_dict(), same.state_dict(), rtol=0, atol=0)


def test_the_repelled_share_is_one_of_rows() -> None:
    """Every patch and every image is repelled where all weights are negative and all inputs positive."""
    rule, g = DenseOja(), torch.Generator().manual_seed(0)
    images = Images(TRAIN.x * 0.9 + 0.1, TRAIN.y)
    for layer in (
        LocalConv2d(-rule.init(4, 9, g).abs(), rule, 3, padding=1),
        LocalDense(-rule.init(4, 64, g).abs(), rule),
    ):
        record = train_local(Stack({"layer": layer}), images, epochs=2, lr=1e-9, batch_size=25)
        assert record.repelled.tolist() == [1.0, 1.0]


def test_joint_training_changes_all_layers_from_the_same_forward_pass() -> None:
    net, by_hand = stack(), stack()
    record = train_local(net, TRAIN, epochs=2, lr=0.05, batch_size=25, seed=4, joint=True)
    for epoch in range(2):
        shuffled = torch.randperm(60, generator=stream(4, "order", epoch))
        for part in (shuffled[i : i + 25] for i in range(0, 60, 25)):
            places = [n for n, _ in by_hand.named_children()]
            x = TRAIN.x[part]
            entering = {n: by_hand.run(x, until=places[places.index(n) - 1]).clone() for n in LAYERS}
            for name, z in entering.items():
                layer = by_hand.get_submodule(name)
                weight = layer.weight.detach()
                layer.rule.step(weight, layer.rule.rows(layer.rows(z), weight), 0.05 * (1 - epoch / 2))
    for name in LAYERS:
        torch.testing.assert_close(net.get_submodule(name).weight, by_hand.get_submodule(name).weight)
    assert (record.epochs, record.steps, len(record.norm)) == (2, 6, 6)
    last = [float(convergence(net, at=name).norm.median()) for name in LAYERS]
    torch.testing.assert_close(record.norm[1::2], torch.tensor(last, dtype=torch.float64), rtol=1e-5, atol=0)


def test_joint_training_resumes_to_the_bit_and_ends_with_exact_statistics(tmp_path: Path) -> None:
    from eigencode.models import softhebb

    images = Images(torch.rand(90, 1, 12, 12, generator=torch.Generator().manual_seed(5)), torch.arange(90) % 3)
    settings = {"epochs": 2, "lr": 1.0, "batch_size": 20, "decay": "constant", "joint": True}
    whole, half, rest = (softhebb(images, 2, 4, 2) for _ in range(3))
    train_local(whole, images, **settings)
    train_local(half, images, checkpoint=tmp_path / "state", stop=1.4, **settings)
    train_local(rest, images, checkpoint=tmp_path / "state", **settings)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(rest.state_dict()[name], value, rtol=0, atol=0)
    x = whole.run(images.x, until="norm2").double().movedim(1, 0).flatten(1)
    torch.testing.assert_close(x.mean(1), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-4)


def test_one_layer_alone_is_not_trained_jointly() -> None:
    with pytest.raises(InputError, match="joint"):
        train_local(stack(), TRAIN, at="conv1", joint=True)
