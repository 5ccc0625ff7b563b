"""Training by gradient against a hand-written loop, on networks of this package and of anybody else."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.models import Stack, krotov_hopfield, perceptron
from eigencode.penalties import Lp, Spectral
from eigencode.training import Schedule, SupervisedTraining, train_supervised


def images(n: int = 100, seed: int = 0, dtype: torch.dtype = torch.float32) -> Images:
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    x = 0.6 * torch.rand(n, 1, 5, 5, generator=g) + 0.02
    x[torch.arange(n), 0, y] += 0.3  # a bright row says the class
    return Images((x * 255).to(torch.uint8) if dtype == torch.uint8 else x, y)


TRAIN, VALIDATION = images(), images(40, 1)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(25, 10), nn.ReLU(), nn.Linear(10, 3))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


MAKE: dict[str, Callable[[], nn.Module]] = {
    "perceptron": lambda: perceptron(TRAIN, units=10),
    "batch_norm": lambda: perceptron(TRAIN, units=10, batch_norm=True),
    "krotov_hopfield": lambda: krotov_hopfield(TRAIN, units=10),
    "mlp": mlp,
    "cnn": cnn,
}


def copies(make: Callable[[], nn.Module]) -> tuple[nn.Module, nn.Module]:
    one, two = make(), make()
    two.load_state_dict(one.state_dict())
    return one, two


def by_hand(
    net: nn.Module,
    train: Images,
    optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
    epochs: int = 3,
    batch: int = 32,
    seed: int = 0,
    rate: Callable[[int], float] = lambda epoch: 1e-2,
    extra: Callable[[nn.Module], Tensor] = lambda net: torch.zeros(()),
    clip: float = math.inf,
) -> list[float]:
    """The textbook loop: full forward pass of the images of every batch."""
    learn = [p for p in net.parameters() if p.requires_grad]
    opt = optimizer(learn)
    history = []
    for epoch in range(epochs):
        opt.param_groups[0]["lr"] = rate(epoch)
        order = torch.randperm(len(train), generator=stream(seed, "order", epoch))
        total = 0.0
        for i in range(0, len(train), batch):
            index = order[i : i + batch]
            loss = F.cross_entropy(net(train.x[index]), train.y[index]) + extra(net)
            opt.zero_grad()
            loss.backward()
            norm = math.sqrt(sum(float(p.grad.square().sum()) for p in learn))
            for p in learn:
                p.grad *= min(1.0, clip / (norm + 1e-6))
            opt.step()
            total += float(loss.detach()) * len(index)
        history.append(total / len(train))
    return history


def assert_same(a: nn.Module, b: nn.Module, atol: float = 1e-6) -> None:
    torch.testing.assert_close(dict(a.state_dict()), dict(b.state_dict()), rtol=1e-5, atol=atol)


def adam(learn: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(learn)


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_a_hand_written_adam_loop(name: str, dtype: torch.dtype) -> None:
    train = images(dtype=dtype)
    ours, theirs = copies(MAKE[name])
    start = {k: v.clone() for k, v in ours.state_dict().items()}
    record = train_supervised(ours, train, epochs=3, lr=1e-2, batch_size=32, seed=4)
    theirs.train()
    losses = by_hand(theirs, train, adam, seed=4)
    assert_same(ours, theirs)
    torch.testing.assert_close(record.loss, torch.tensor(losses, dtype=torch.float64), rtol=1e-5, atol=1e-6)
    assert any(not torch.equal(v, start[k]) for k, v in ours.state_dict().items())
    assert (record.epochs, record.steps, record.seed, record.best_epoch) == (3, 12, 4, -1)
    assert bool(record.validation_accuracy.isnan().all())
    assert record.lr.tolist() == [1e-2] * 3


@pytest.mark.parametrize(
    ("settings", "optimizer"),
    [
        ({"optimizer": "sgd", "momentum": 0.8}, lambda learn: torch.optim.SGD(learn, lr=1, momentum=0.8)),
        (
            {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.1},
            lambda learn: torch.optim.SGD(learn, 1, 0, 0, 0.1),
        ),
        ({"optimizer": "adamw", "weight_decay": 0.1}, lambda learn: torch.optim.AdamW(learn, weight_decay=0.1)),
        ({"optimizer": "adam", "weight_decay": 0.1}, lambda learn: torch.optim.Adam(learn, weight_decay=0.1)),
    ],
)
def test_other_optimizers(settings: dict[str, Any], optimizer: Any) -> None:
    ours, theirs = copies(mlp)
    train_supervised(ours, TRAIN, epochs=3, lr=1e-2, batch_size=32, **settings)
    by_hand(theirs, TRAIN, optimizer)
    assert_same(ours, theirs)


def test_schedule_clipping_and_penalty() -> None:
    ours, theirs = copies(mlp)
    schedule = Schedule("piecewise", boundaries=(1, 2), factors=(1.0, 0.5, 0.1))
    record = train_supervised(
        ours, TRAIN, "all", 3, 1e-2, [(0.01, Lp(2.0, "all"))], 32, schedule=schedule, optimizer="sgd", clip_norm=0.2
    )
    by_hand(
        theirs,
        TRAIN,
        lambda learn: torch.optim.SGD(learn, lr=1, momentum=0.9),
        rate=lambda epoch: (1e-2, 5e-3, 1e-3)[epoch],
        extra=lambda net: 0.01 * sum(p.square().sum() for p in net.parameters()),
        clip=0.2,
    )
    assert_same(ours, theirs)
    torch.testing.assert_close(record.lr, torch.tensor([1e-2, 5e-3, 1e-3], dtype=torch.float64), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["perceptron", "batch_norm", "krotov_hopfield"])
def test_the_readout_on_kept_representations_is_the_readout_on_the_full_pass(name: str) -> None:
    ours, theirs = copies(MAKE[name])
    train_supervised(ours, TRAIN, "readout", epochs=3, lr=1e-2, batch_size=32)
    theirs.requires_grad_(False).eval()
    theirs.readout.requires_grad_(True)
    by_hand(theirs, TRAIN, adam)
    assert_same(ours, theirs)
    full = MAKE[name]()  # a penalty forces the whole forward pass
    train_supervised(full, TRAIN, "readout", 3, 1e-2, [(1e-30, Lp(parameters="readout.*"))], 32)
    assert_same(ours, full)


@pytest.mark.parametrize("parameters", ["encoder", "readout", "batch_norm"])
def test_what_does_not_learn_stays_bit_for_bit(parameters: str) -> None:
    net = perceptron(TRAIN, units=10, batch_norm=True)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    train_supervised(net, TRAIN, parameters, epochs=2, lr=1e-2, batch_size=32)
    changed = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    inside = {k for k in before if k.startswith(parameters)}
    assert changed == inside


def test_a_frozen_batch_norm_keeps_its_statistics_when_all_learns() -> None:
    net = cnn()
    net[:2].requires_grad_(False)
    before = {k: v.clone() for k, v in net[:2].state_dict().items()}
    train_supervised(net, TRAIN, epochs=2, lr=1e-2, batch_size=32)
    torch.testing.assert_close(dict(net[:2].state_dict()), before, rtol=0, atol=0)
    assert all(m.training for m in net.modules())


@pytest.mark.parametrize("fail", [False, True])
def test_flags_modes_hooks_and_the_global_generator_are_restored(fail: bool) -> None:
    from eigencode.training import Callback, Progress

    class Fails(Callback):
        def on_step(self, progress: Progress) -> None:
            torch.rand(3)
            assert progress.net.readout.training
            if fail and progress.step == 3:
                raise KeyError

    net = perceptron(TRAIN, units=10, batch_norm=True)
    net.norm.eval()
    net.batch_norm.eval()
    net.encoder.weight.requires_grad_(False)
    pixels, rng = TRAIN.pixels.clone(), torch.random.get_rng_state()
    before = [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]
    spectral = Spectral(place="latent")
    settings = {"epochs": 2, "batch_size": 25, "penalties": [(1.0, spectral)], "callbacks": [Fails()]}
    if fail:
        with pytest.raises(KeyError):
            train_supervised(net, TRAIN, **settings)
    else:
        train_supervised(net, TRAIN, **settings)
        assert all(p.grad is None for p in net.parameters())
    assert before == ([m.training for m in net.modules()], [p.requires_grad for p in net.parameters()])
    assert not any(m._forward_hooks for m in net.modules())
    torch.testing.assert_close((TRAIN.pixels, torch.random.get_rng_state()), (pixels, rng), rtol=0, atol=0)
    assert len(spectral.basis) == 0


def trained(make: Callable[[], nn.Module], **settings: Any) -> tuple[nn.Module, SupervisedTraining]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = make()
    return net, train_supervised(net, TRAIN, **{"epochs": 4, "lr": 1e-2, "batch_size": 32, **settings})


@pytest.mark.parametrize("make", [mlp, cnn, MAKE["batch_norm"]])
def test_validation_watches_without_touching(make: Callable[[], nn.Module]) -> None:
    alone, _ = trained(make)
    watched, record = trained(make, validation=VALIDATION)
    torch.testing.assert_close(dict(alone.state_dict()), dict(watched.state_dict()), rtol=0, atol=0)
    with torch.no_grad():
        accuracy = float((watched.eval()(VALIDATION.x).argmax(1) == VALIDATION.y).double().mean())
    assert float(record.validation_accuracy[-1]) == accuracy
    assert record.best_epoch == int(record.validation_accuracy.argmax())


def test_dropout_follows_the_seed_and_nothing_else() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(25, 3))

    one, _ = trained(make, seed=1)
    torch.rand(17)  # somebody draws from the global generator in between
    two, _ = trained(make, seed=1)
    assert_same(one, two, atol=0)
    three, _ = trained(make, seed=2)
    assert not torch.equal(one[2].weight, three[2].weight)


def test_a_penalty_can_be_used_again() -> None:
    """A basis left over from another network must not enter the next training."""
    spectral = Spectral(place="latent")
    for seed in (1, 2):
        results = []
        for penalty in (spectral, Spectral(place="latent")):
            net = perceptron(TRAIN, units=10, seed=seed)
            train_supervised(net, TRAIN, epochs=1, lr=1e-2, batch_size=50, penalties=[(1.0, penalty)])
            results.append(dict(net.state_dict()))
        torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)


class Counting(Lp):
    calls = 0

    def value(self, batch: Any) -> Tensor:
        Counting.calls += 1
        return super().value(batch)

    def prepare(self, *args: Any, **settings: Any) -> None:
        Counting.calls += 1


def test_a_penalty_with_coefficient_zero_costs_nothing() -> None:
    Counting.calls = 0
    plain, record = trained(MAKE["perceptron"])
    zero, other = trained(MAKE["perceptron"], penalties=[(0.0, Counting()), (0, Spectral(place="no such place"))])
    assert Counting.calls == 0
    assert_same(plain, zero, atol=0)
    torch.testing.assert_close(other.loss, record.loss, rtol=0, atol=0)
    trained(MAKE["perceptron"], penalties=[(0.1, Counting())])
    assert Counting.calls == 2 * 16


@pytest.mark.parametrize("name", ["perceptron", "cnn"])
def test_bfloat16_stays_near_float32(name: str, multiplies_bfloat16: Callable[[bool], None]) -> None:
    multiplies_bfloat16(True)
    exact, wanted = trained(MAKE[name], epochs=8)
    rough, record = trained(MAKE[name], epochs=8, precision="bfloat16")
    assert all(p.dtype == torch.float32 for p in rough.parameters())
    torch.testing.assert_close(record.loss, wanted.loss, rtol=0.05, atol=0.02)
    assert not torch.equal(next(iter(exact.parameters())), next(iter(rough.parameters())))
    assert float(record.loss[-1]) < 0.9 * float(record.loss[0])
    assert (wanted.precision, record.precision) == ("float32", "bfloat16")


def test_a_processor_that_does_not_multiply_bfloat16_trains_in_float32(
    multiplies_bfloat16: Callable[[bool], None],
) -> None:
    multiplies_bfloat16(False)
    exact, _ = trained(MAKE["perceptron"])
    net, record = trained(MAKE["perceptron"], precision="bfloat16")
    assert_same(net, exact, atol=0)
    assert record.precision == "float32"


def test_running_accuracy_is_that_of_the_batches() -> None:
    net = mlp()
    record = train_supervised(net, TRAIN, epochs=1, lr=1e-30, batch_size=32)
    accuracy = float((net(TRAIN.x).argmax(1) == TRAIN.y).double().mean())
    assert float(record.train_accuracy[0]) == accuracy


def test_a_last_batch_of_one_image_is_left_out() -> None:
    record = train_supervised(cnn(), images(65), epochs=2, batch_size=32)
    assert record.steps == 4
    assert train_supervised(mlp(), images(3), epochs=2, batch_size=1).steps == 6


def test_learning_works() -> None:
    net, record = trained(MAKE["perceptron"], epochs=60, validation=VALIDATION)
    assert float(record.validation_accuracy[-1]) > 0.95
    assert isinstance(net, Stack)
