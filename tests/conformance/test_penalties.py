"""Every penalty does what the protocol says; one row each, and broken penalties that the table must catch."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from eigencode.paper.published import PublishedJacobian, PublishedSpectral
from eigencode.penalties import Batch, Jacobian, Lp, Penalty, Spectral, active, spectral_loss, watch, weighted
from eigencode.representation._modes import evaluating


class Row(NamedTuple):
    make: Callable[[], Penalty]
    other: Callable[[], Penalty]
    """The same kind with another setting: must not look the same to a checkpoint."""
    frozen: Callable[[Penalty, Batch], Callable[[Batch], Tensor]] = lambda penalty, batch: penalty
    """The function whose derivative the gradient is: what carries no gradient is held at its value on `batch`."""
    noise: float = 0.0
    """Relative change that other random vectors may bring."""
    extensive: bool = False
    """Differs on purpose when the batch is repeated."""


def anchored(penalty: Spectral, batch: Batch) -> Callable[[Batch], Tensor]:
    tau = max(penalty.tau, 1)
    anchor = penalty.variances(batch)[tau - 1].detach() * tau**penalty.alpha
    return lambda b: spectral_loss(penalty.variances(b), penalty.alpha, tau, anchor)


TABLE = {
    "Lp 2": Row(partial(Lp, 2.0), partial(Lp, 3.0)),
    "Lp 1 all": Row(partial(Lp, 1.0, "all"), partial(Lp, 1.0)),
    "Lp 3 by name": Row(partial(Lp, 3.0, "encoder.*"), partial(Lp, 3.0, "readout.*")),
    "Jacobian closed": Row(partial(Jacobian, method="closed"), partial(Jacobian, "encoder", method="closed")),
    "Jacobian exact": Row(partial(Jacobian, "logits", method="exact"), partial(Jacobian, "logits")),
    "Jacobian hutchinson": Row(
        partial(Jacobian, "logits", 60, "hutchinson"), partial(Jacobian, "logits", 3, "hutchinson"), noise=0.2
    ),
    "Jacobian unit": Row(
        partial(Jacobian, "logits", method="exact", space="unit"), partial(Jacobian, "logits", method="exact")
    ),
    "Spectral": Row(partial(Spectral, 1.0), partial(Spectral, 2.0), anchored),
    "Spectral after BatchNorm": Row(
        partial(Spectral, 2.0, 3, "batch_norm", 5), partial(Spectral, 2.0, 2, "batch_norm", 5), anchored
    ),
    "Spectral logits": Row(partial(Spectral, 1.5, 0, "logits"), partial(Spectral, 1.5, 0, "encoder"), anchored),
    "published Jacobian": Row(PublishedJacobian, partial(PublishedJacobian, fix={"D3"}), noise=0.3, extensive=True),
    "published spectral": Row(PublishedSpectral, partial(PublishedSpectral, fix={"D2"}), extensive=True),
}


class UnitNorm(nn.Module):
    p = 2.0

    def forward(self, x: Tensor) -> Tensor:
        return x / x.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)


class Net(nn.Module):
    """A smooth network (its second derivatives exist) with every place a penalty may ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.flat, self.encoder = UnitNorm(), nn.Flatten(), nn.Linear(12, 8)
        self.latent = Softly()
        self.batch_norm, self.readout = nn.BatchNorm1d(8), nn.Linear(8, 4)
        self.double()

    def as_layers(self, place: str) -> Any:
        from eigencode.representation.layers import chain_to

        return chain_to(self, place)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.batch_norm(self.latent(self.encoder(self.flat(self.norm(x))))))


class Softly(nn.Module):
    power = 3.0

    def forward(self, h: Tensor) -> Tensor:
        return h.relu() ** 3


def images(n: int = 40) -> Tensor:
    return torch.rand(n, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(n))


def net() -> Net:
    module = Net()
    with torch.no_grad():
        module.encoder.weight *= 3
    module(images(50))
    module.batch_norm.momentum = 0.0  # a forward pass in training mode shall not move what is differentiated
    return module


def forward(module: nn.Module, penalty: Penalty, x: Tensor) -> Batch:
    with watch(module, penalty) as seen:
        logits = module(x)
    return seen.batch(x, torch.arange(len(x)) % 4, logits, epoch=0, step=0)


def check_scalar(row: Row, module: nn.Module) -> None:
    penalty = row.make()
    penalty.prepare(module, images(60), 0, 0)
    value = penalty(forward(module, penalty, images()))
    assert value.ndim == 0
    assert value.dtype == torch.float64
    assert bool(torch.isfinite(value))
    assert value.requires_grad
    assert float(value.detach()) > 0


def check_gradient(row: Row, module: nn.Module) -> None:
    """Along random directions of parameter space, against a central difference."""
    penalty = row.make()
    penalty.prepare(module, images(60), 0, 0)
    x, theta = images(), list(module.parameters())
    batch = forward(module, penalty, x)
    held = row.frozen(penalty, batch)
    gradient = torch.autograd.grad(penalty(batch), theta, allow_unused=True)
    assert any(g is not None and float(g.abs().max()) > 0 for g in gradient)
    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        direction = [torch.randn(t.shape, generator=draw, dtype=torch.float64) for t in theta]
        h = 1e-5
        values = []
        for side in (h, -2 * h, h):
            with torch.no_grad():
                for t, d in zip(theta, direction):
                    t += side * d
            values.append(float(held(forward(module, penalty, x)).detach()))
        along = sum(float((g * d).sum()) for g, d in zip(gradient, direction) if g is not None)
        torch.testing.assert_close(along, (values[0] - values[1]) / (2 * h), rtol=1e-5, atol=1e-6)


def check_batch_size(row: Row, module: nn.Module) -> None:
    """A mean over images: seeing every image twice changes nothing."""
    penalty = row.make()
    penalty.prepare(module, images(60), 0, 0)
    x = images()
    with evaluating(module), torch.no_grad():
        once, twice = (float(penalty(forward(module, penalty, b))) for b in (x, torch.cat([x, x])))
    if not row.extensive:
        torch.testing.assert_close(once, twice, rtol=1e-9 + row.noise, atol=0)


def check_caller(row: Row, module: nn.Module, leaves_no_trace: Callable) -> None:
    penalty, x = row.make(), images()

    def use() -> None:
        penalty.prepare(module, images(60), 0, 0)
        with evaluating(module):
            batch = forward(module, penalty, x)
        penalty(batch)

    for mode in (True, False):
        leaves_no_trace(module.train(mode), x, use)


def check_repeatable(row: Row, module: nn.Module) -> None:
    """The same step gives the same number, in a loop that resumes and one that does not."""
    values = []
    for _ in range(2):
        penalty = row.make()
        penalty.prepare(module, images(60), 0, 0)
        with evaluating(module), torch.no_grad():
            values.append(penalty(forward(module, penalty, images())))
    torch.testing.assert_close(values[0], values[1], rtol=0, atol=0)


def check_repr(row: Row) -> None:
    assert repr(row.make()) == repr(row.make())
    assert repr(row.make()) != repr(row.other())


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("training", [True, False])
def test_scalar_and_gradient(name: str, training: bool) -> None:
    module = net().train(training)
    check_scalar(TABLE[name], module)
    check_gradient(TABLE[name], module)


@pytest.mark.parametrize("name", TABLE)
def test_batch_size_does_not_matter(name: str) -> None:
    check_batch_size(TABLE[name], net())


@pytest.mark.parametrize("name", TABLE)
def test_nothing_of_the_caller_changes(name: str, leaves_no_trace: Callable) -> None:
    check_caller(TABLE[name], net(), leaves_no_trace)


@pytest.mark.parametrize("name", TABLE)
def test_same_step_same_number_and_telling_repr(name: str) -> None:
    check_repeatable(TABLE[name], net())
    check_repr(TABLE[name])


@pytest.mark.parametrize("name", TABLE)
def test_a_coefficient_of_zero_costs_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    penalty, module, x = TABLE[name].make(), net(), images()
    monkeypatch.setattr(type(penalty), "value", lambda self, batch: pytest.fail("computed for nothing"))
    with watch(module, [(0.0, penalty)]) as seen:
        module(x)
    assert not seen.seen
    assert weighted([(0.0, penalty)], seen.batch(x)) == {}
    assert active([(0.0, penalty)]) == []


class Broken(Penalty):
    def __init__(self, fault: str) -> None:
        super().__init__("latent")
        self.fault = fault

    watches = True

    def value(self, batch: Batch) -> Tensor:
        z = batch.at("latent")
        if self.fault == "detached":
            return z.detach().square().mean() + 0 * z.sum()
        if self.fault == "half the gradient":
            return (z.square() + z.detach().square()).mean() / 2
        if self.fault == "sum":
            return z.square().sum()
        if self.fault == "statistics":
            batch.net.train()(batch.x)
        if self.fault == "hook":
            batch.net.latent.register_forward_hook(lambda *_: None)
        if self.fault == "global random numbers":
            return (z * torch.rand(())).square().mean()
        return z.square().mean() if self.fault != "vector" else z.square().mean(0)

    def extra_repr(self) -> str:
        return "" if self.fault == "repr" else super().extra_repr() + self.fault


def test_the_table_catches_broken_penalties(leaves_no_trace: Callable) -> None:
    def row(fault: str) -> Row:
        return Row(partial(Broken, fault), partial(Broken, "repr"))

    healthy = row("")
    check_scalar(healthy, net())
    check_gradient(healthy, net())
    check_batch_size(healthy, net())
    check_caller(healthy, net(), leaves_no_trace)
    check_repeatable(healthy, net())
    check_repr(healthy)
    catches: list[tuple[str, Callable[[Row], None]]] = [
        ("detached", lambda r: check_gradient(r, net())),
        ("half the gradient", lambda r: check_gradient(r, net())),
        ("sum", lambda r: check_batch_size(r, net())),
        ("statistics", lambda r: check_caller(r, net(), leaves_no_trace)),
        ("hook", lambda r: check_caller(r, net(), leaves_no_trace)),
        ("global random numbers", lambda r: check_repeatable(r, net())),
        ("repr", check_repr),
    ]
    for fault, check in catches:
        with pytest.raises(AssertionError):
            check(row(fault))
    with pytest.raises(ValueError, match="not a scalar"):
        check_scalar(row("vector"), net())
