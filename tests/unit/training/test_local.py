"""Local training against a straightforward loop, and everything it must refuse."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import ConvergenceWarning, InputError, TrainingError
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.data import load
from eigencode.models import LocalConv2d, LocalDense, Stack, convergence, initialise, krotov_hopfield, perceptron, prune
from eigencode.rules import KrotovHopfield, KrotovHopfieldSequential, Rows, Rule, SoftHebb
from eigencode.training import LocalTraining, train_local


def images(n: int = 130, seed: int = 0) -> Images:
    g = torch.Generator().manual_seed(seed)
    return Images(torch.rand(n, 1, 5, 5, generator=g), torch.arange(n) % 3)


TRAIN = images()
pytestmark = pytest.mark.filterwarnings("ignore::eigencode.base.errors.ConvergenceWarning")


def plain_loop(
    w: Tensor, train: Images, rule: Rule, epochs: int, lr: float, batch: int, seed: int, decay: bool = True
) -> tuple[Tensor, Tensor, list[float]]:
    """W ← W + ε_e ΔW / max|ΔW| with the dense update, in float64; also wins and repelled of the last epoch."""
    x, w = train.x.flatten(1).double(), w.double()
    x = x / x.abs().pow(3).sum(1, keepdim=True).pow(1 / 3)
    wins, repelled = torch.zeros(len(w), dtype=torch.int64), []
    for epoch in range(epochs):
        order = torch.randperm(len(x), generator=stream(seed, "order", epoch))
        step = lr * (1 - epoch / epochs) if decay else lr
        wins.zero_()
        bad = 0
        for i in range(0, len(x), batch):
            chosen = x[order[i : i + batch]]
            h = chosen @ (w.sign() * w.abs() ** (rule.p - 1)).T
            fast = isinstance(rule, KrotovHopfield)
            score = h if fast else h / w.abs().pow(rule.p).sum(1) ** (1 - 1 / rule.p)
            best = score.argmax(1)
            for b, unit in enumerate(best.tolist()):
                wins[unit] += 1
                bad += bool(h[b, unit] < 0)
            delta = rule.update(chosen, w)
            w = w + step * (delta / delta.abs().max() if fast else delta)
        repelled.append(bad / len(x))
    return w, wins, repelled


@pytest.mark.parametrize(
    ("rule", "lr", "batch"),
    [
        (KrotovHopfield(p=3.0, k=2, delta=0.4), 0.05, 50),
        (KrotovHopfield(p=2.0, k=7, delta=0.2, radius=1.5), 0.02, 1000),
        (KrotovHopfield(p=4.5, k=2, delta=0.0), 0.1, 13),
        (KrotovHopfieldSequential(p=3.0, k=3, losers="2..k"), 0.002, 1),
    ],
)
@pytest.mark.parametrize("decay", ["linear", "constant"])
def test_three_epochs_of_a_straightforward_loop(rule: Any, lr: float, batch: int, decay: str) -> None:
    net = krotov_hopfield(TRAIN, units=12, p=rule.p, radius=rule.radius, seed=1)
    start = net.encoder.weight.detach().clone()
    record = train_local(net, TRAIN, rule, epochs=3, lr=lr, batch_size=batch, seed=5, decay=decay)
    w, wins, repelled = plain_loop(start, TRAIN, rule, 3, lr, batch, 5, decay == "linear")
    assert float((w - start).abs().max()) > 0.03
    torch.testing.assert_close(net.encoder.weight.double(), w, rtol=0, atol=1e-5)
    torch.testing.assert_close(net.encoder.wins, wins, rtol=0, atol=0)
    torch.testing.assert_close(record.repelled, torch.tensor(repelled, dtype=torch.float64))
    sizes = [lr * (1 - e / 3) if decay == "linear" else lr for e in range(3)]
    torch.testing.assert_close(record.step_size, torch.tensor(sizes, dtype=torch.float64))
    norms = torch.linalg.vector_norm(w, rule.p, dim=1)
    torch.testing.assert_close(float(record.norm[-1]), float(norms.median()), rtol=1e-5, atol=0)
    assert float(record.active[-1]) == float((wins > 0).double().mean())
    assert (record.epochs, record.batch_size, record.seed) == (3, batch, 5)
    assert record.steps == 3 * math.ceil(130 / batch)
    assert record.rule == repr(rule)
    assert record.seconds > 0


def test_only_the_encoder_changes_and_only_its_values(leaves_no_trace) -> None:
    net = krotov_hopfield(TRAIN, units=12)
    net.train()
    net.readout.eval()
    pixels = TRAIN.pixels.clone()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    modes, flags = [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]
    rng = torch.random.get_rng_state()
    train_local(net, TRAIN, KrotovHopfield(), epochs=2, batch_size=50)
    changed = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"encoder.weight", "encoder.wins"}
    assert (modes, flags) == ([m.training for m in net.modules()], [p.requires_grad for p in net.parameters()])
    torch.testing.assert_close((torch.random.get_rng_state(), TRAIN.pixels), (rng, pixels), rtol=0, atol=0)


def test_seed_and_labels() -> None:
    def trained(train: Images, seed: int) -> Tensor:
        net = krotov_hopfield(TRAIN, units=12)
        train_local(net, train, KrotovHopfield(), epochs=2, batch_size=50, seed=seed)
        return net.encoder.weight.detach()

    one = trained(TRAIN, 1)
    torch.testing.assert_close(trained(TRAIN, 1), one, rtol=0, atol=0)
    torch.testing.assert_close(trained(Images(TRAIN.pixels, TRAIN.y.flip(0)), 1), one, rtol=0, atol=0)
    assert not torch.equal(trained(TRAIN, 2), one)


def test_bfloat16_products_lead_to_nearly_the_same_layer(multiplies_bfloat16: Callable[[bool], None]) -> None:
    multiplies_bfloat16(True)
    norms = []
    for precision in ("float32", "bfloat16"):
        net = krotov_hopfield(TRAIN, units=12, p=2.0)
        train_local(net, TRAIN, KrotovHopfield(p=2.0, precision=precision), epochs=30, lr=0.05, batch_size=50)
        norms.append(convergence(net).norm.sort().values)
    torch.testing.assert_close(norms[1], norms[0], rtol=0.05, atol=0.02)


def digits(seed: int) -> tuple[Stack, LocalTraining]:
    train, _ = load("digits")
    net = krotov_hopfield(train, units=30, seed=seed)
    rule = KrotovHopfield(p=3.0, k=2, delta=0.1)
    return net, train_local(net, train, rule, epochs=60, lr=0.1, batch_size=50, seed=seed)


def test_digits_converge() -> None:
    """The whole road on real images: norms reach R, nothing diverges, no doubt is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net, record = digits(seed=2)
    state = convergence(net)
    assert state.accepted
    assert not state.collapsed
    assert float(record.converged[-1]) == state.fraction >= 0.95
    assert float(record.converged[0]) == 0
    assert float(record.repelled[-1]) < 0.02
    assert float(record.norm[-1]) == pytest.approx(1.0, abs=0.01)
    assert int(state.wins.sum()) == 1438


def test_units_that_never_leave_their_start_are_told_and_pruned() -> None:
    with pytest.warns(ConvergenceWarning, match=r"has not converged: [78]"):
        net, _ = digits(seed=0)
    state = convergence(net)
    assert torch.equal(state.converged, state.wins > 0)
    assert prune(net).indices.tolist() == (~state.converged).nonzero().flatten().tolist()


def test_the_record_survives_the_disk(tmp_path: Path) -> None:
    record = train_local(krotov_hopfield(TRAIN, units=12), TRAIN, KrotovHopfield(), epochs=2, batch_size=50)
    record.save(tmp_path)
    back = LocalTraining.load(tmp_path)
    torch.testing.assert_close(back.tensors(), record.tensors(), rtol=0, atol=0)
    assert back.scalars() == record.scalars()
    assert set(record.to_dataset().dims) == {"epoch"}


@dataclass(frozen=True)
class Poison(KrotovHopfield):
    """Fine in the first epoch; then a value that is not finite."""

    value: float = math.nan
    last_good: int = 3

    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        rows = super().rows(x, weight, derived)
        calls[0] += 1
        if calls[0] > self.last_good:
            rows.values[0, 0] = self.value
        return rows


@dataclass(frozen=True)
class RawPoison(Poison):
    def step(self, weight: Tensor, change: Rows, size: float) -> None:
        weight.index_add_(0, change.units, change.values, alpha=size)


calls = [0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("make", [Poison, RawPoison])
def test_values_that_are_not_finite_stop_the_training(make: Any, value: float, tmp_path: Path) -> None:
    calls[0] = 0
    net = krotov_hopfield(TRAIN, units=12)
    start = net.encoder.weight.detach().clone()
    path = tmp_path / "c.safetensors"
    says = "epoch 1, step 1" if make is Poison else "NaN or infinite weights"
    with pytest.raises(TrainingError, match=says):
        train_local(net, TRAIN, make(value=value, last_good=4), 5, 1e-3, 50, checkpoint=path, checkpoint_every=1)
    torch.testing.assert_close(net.encoder.weight.detach(), start, rtol=0, atol=0)
    from safetensors.torch import load_file

    assert bool(torch.isfinite(load_file(str(path))["encoder.weight"]).all())  # the checkpoint of epoch 0 is still good


def refuse(says: str, net: Stack, rule: Rule, **settings: Any) -> None:
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(InputError, match=says):
        train_local(net, settings.pop("train", TRAIN), rule, **settings)
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epochs": 0}, "epochs is out of range"),
        ({"lr": 0.0}, "lr is out of range"),
        ({"lr": -0.1}, "lr is out of range"),
        ({"lr": math.inf}, "lr is out of range"),
        ({"lr": math.nan}, "lr is out of range"),
        ({"batch_size": 0}, "batch_size is out of range"),
        ({"decay": "cosine"}, "decay is out of range"),
        ({"checkpoint_every": 0}, "checkpoint_every is out of range"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], says: str) -> None:
    refuse(says, krotov_hopfield(TRAIN, units=12), KrotovHopfield(), **settings)


@pytest.mark.usefixtures("unchecked")
def test_a_rule_that_does_not_fit_the_network_or_the_images() -> None:
    net = krotov_hopfield(TRAIN, units=12, p=3.0)
    refuse("disagree on p", net, KrotovHopfield(p=2.0))
    refuse("disagree on radius", net, KrotovHopfieldSequential(radius=2.0))
    refuse("k is larger than the layer", net, KrotovHopfield(k=13))
    refuse("no local layer", perceptron(TRAIN, units=12), KrotovHopfield())
    other = Images(torch.rand(9, 1, 25, 1) * 0.9 + 0.1, torch.arange(9) % 3)
    refuse("do not fit this network", net, KrotovHopfield(), train=other)


def test_a_rule_draws_the_initial_weights() -> None:
    made = [krotov_hopfield(TRAIN, units=12, seed=3) for _ in range(3)]
    for net, spread in zip(made, (1.0, 0.01), strict=False):
        initialise(net, KrotovHopfield(spread=spread), seed=3)
        torch.testing.assert_close(net.encoder.weight, spread * made[2].encoder.weight, rtol=0, atol=0)
        assert net.encoder.rule == KrotovHopfield(spread=spread)
    train_local(made[1], TRAIN, epochs=1, batch_size=50)
    initialise(made[1], KrotovHopfield(), seed=3)
    torch.testing.assert_close(made[1].state_dict(), made[2].state_dict(), rtol=0, atol=0)


def test_a_rule_that_starts_otherwise_than_the_layer_is_refused_until_the_layer_is_trained() -> None:
    net, rule = krotov_hopfield(TRAIN, units=12), KrotovHopfield(spread=0.5)
    with pytest.raises(InputError, match=r"(?s)'encoder' does not start as the rule says.*models.initialise"):
        train_local(net, TRAIN, rule, epochs=1)
    train_local(net, TRAIN, KrotovHopfield(k=3, delta=0.1), epochs=1)  # starts the same
    before = net.encoder.weight.clone()
    train_local(net, TRAIN, rule, epochs=1, lr=1e-9, batch_size=200)  # goes on, whatever the rule would start from
    torch.testing.assert_close(net.encoder.weight, before, rtol=0, atol=1e-8)
    train_local(initialised(rule), TRAIN, rule, epochs=1)


def initialised(rule: Rule) -> Stack:
    net = krotov_hopfield(TRAIN, units=12)
    initialise(net, rule)
    return net


@dataclass(frozen=True)
class Narrow(KrotovHopfield):
    def init(self, units: int, inputs: int, generator: torch.Generator) -> Tensor:
        return torch.ones(units, 1)


@pytest.mark.parametrize(("rule", "told"), [(Narrow(), "Narrow.init"), (KrotovHopfield(p=2.0), "disagree on p")])
def test_initialise_refuses(rule: Rule, told: str) -> None:
    net = krotov_hopfield(TRAIN, units=12)
    before = net.encoder.weight.clone()
    with pytest.raises(InputError, match=told):
        initialise(net, rule)
    torch.testing.assert_close(net.encoder.weight, before, rtol=0, atol=0)


def test_a_layer_in_the_place_of_an_ordinary_one_needs_the_start_of_the_rule() -> None:
    """Weights of an ordinary layer have a norm below one: by the criterion of SoftHebb they have converged at once."""
    rule = SoftHebb()
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))
    train = Images(torch.rand(50, 1, 5, 5), torch.arange(50) % 10)
    net.set_submodule("0", LocalConv2d.like(net.get_submodule("0"), rule))
    with pytest.raises(InputError, match=r"(?s)'0' does not start as the rule says.*wanted:.*models.initialise"):
        train_local(net, train, rule, at="0", epochs=1, batch_size=50)
    initialise(net, rule, at="0")
    with pytest.warns(ConvergenceWarning):
        train_local(net, train, rule, at="0", epochs=1, lr=1e-9, batch_size=50)


class Same(nn.Conv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(nn.functional.pad(x, (1, 1, 1, 1)))


class Cosine(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight / self.weight.norm(dim=1, keepdim=True))


def hooked(layer: nn.Module) -> nn.Module:
    layer.register_forward_hook(lambda module, args, out: 2 * out)
    return layer


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        (LocalConv2d, Same(1, 6, 3, bias=False)),
        (LocalConv2d, hooked(nn.Conv2d(1, 6, 3, bias=False))),
        (LocalDense, Cosine(5, 3, bias=False)),
        (LocalDense, hooked(nn.Linear(5, 3, bias=False))),
    ],
)
def test_a_layer_that_computes_otherwise_is_not_copied(kind: type[nn.Module], layer: nn.Module) -> None:
    with pytest.raises(InputError, match="a local layer cannot stand in for this"):
        kind.like(layer, SoftHebb())
