"""Watching a forward pass, composing penalties, and sums of powers."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import perceptron
from eigencode.penalties import Batch, Jacobian, Lp, Penalty, Spectral, active, watch, weighted
from eigencode.penalties.lp import sum_of_squares
from eigencode.representation.at import at
from eigencode.training import train_supervised


class Energy(Penalty):
    """Mean square response: the smallest penalty that watches a place."""

    watches = True

    def value(self, batch: Batch) -> Tensor:
        return batch.at(self.place).square().mean()


DATA = Images(torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3)


@pytest.mark.parametrize("place", ["input", "encoder", "latent", "batch_norm", "logits"])
def test_what_is_seen_is_what_the_place_computes(place: str) -> None:
    net = perceptron(DATA, units=5, batch_norm=True).eval()
    with watch(net, Energy(place)) as seen:
        logits = net(DATA.x)
    batch = seen.batch(DATA.x, DATA.y, logits)
    torch.testing.assert_close(batch.at(place), at(net, place)(DATA.x), rtol=0, atol=0)
    torch.testing.assert_close(batch.at("logits"), logits, rtol=0, atol=0)


def test_training_mode_is_seen_as_it_is_and_gradients_flow() -> None:
    net = perceptron(DATA, units=5, batch_norm=True).train()
    penalty = Energy("batch_norm")
    with watch(net, penalty) as seen:
        net(DATA.x)
    z = seen.batch(DATA.x).at("batch_norm")
    torch.testing.assert_close(z.mean(0), torch.zeros(5), rtol=0, atol=1e-6)  # batch statistics
    z.square().sum().backward()
    assert net.batch_norm.weight.grad is not None


def test_a_loop_that_skips_the_norm_is_seen_too() -> None:
    net = perceptron(DATA, units=5)
    points = net.norm(DATA.x)
    with watch(net, Energy("latent")) as seen:
        logits = net.run(points, after="norm")
    batch = seen.batch(points, DATA.y, logits, space="unit", epoch=2, step=7, seed=3)
    torch.testing.assert_close(batch.at("latent"), net.run(DATA.x, until="latent"))
    assert (batch.space, batch.epoch, batch.step, batch.seed, len(batch)) == ("unit", 2, 7, 3, 12)


def test_the_first_pass_counts_and_no_hook_stays() -> None:
    net = perceptron(DATA, units=5)
    watched = watch(net, [Energy("latent"), (1.0, Energy("encoder")), (0.0, Energy("input"))])
    for _ in range(2):
        with watched as seen:
            net(DATA.x)
            net(DATA.x[:3])  # something else the loop does inside the block
            assert set(seen.seen) == {"latent", "encoder"}
        batch = seen.batch(DATA.x)
        torch.testing.assert_close(batch.at("latent"), net.run(DATA.x, until="latent"))
    net(DATA.x)
    assert not seen.seen
    assert all(not m._forward_hooks for m in net.modules())
    with pytest.raises(RuntimeError, match="inside"), watched:
        raise RuntimeError("inside")
    assert all(not m._forward_hooks for m in net.modules())


def test_mistakes_are_explained() -> None:
    net = perceptron(DATA, units=5)
    watched = watch(net, Energy("latent"))
    with watched:
        pass
    with pytest.raises(InputError, match="no forward pass"):
        watched.batch(DATA.x)
    with watched:
        net(DATA.x[:3])
    with pytest.raises(InputError, match="another batch"):
        watched.batch(DATA.x)
    with pytest.raises(InputError, match="did you mean 'latent'"):
        watch(net, Energy("latnt"))

    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    net.encoder = Two()
    with pytest.raises(InputError, match="not a tensor"), watch(net, Energy("encoder")):
        net(DATA.x)


def test_terms_are_named_and_weighted() -> None:
    net = perceptron(DATA, units=5)
    pairs = [(2.0, Lp()), (0.5, Lp(1.0)), (3.0, Energy("latent")), (0.0, Energy("input")), (1.0, Energy("latent"))]
    with watch(net, pairs) as seen:
        net(DATA.x)
    terms = weighted(pairs, seen.batch(DATA.x))
    energy = net.run(DATA.x, until="latent").square().mean()
    assert list(terms) == ["Lp", "Lp 2", "Energy(latent)", "Energy(latent) 2"]
    torch.testing.assert_close(terms["Energy(latent)"], 3 * energy)
    torch.testing.assert_close(terms["Lp"], 2 * sum(p.square().sum() for p in net.parameters() if p.ndim == 2))


def test_a_list_that_is_no_list_of_pairs_is_explained(unchecked: None) -> None:
    for bad, message in [
        ([Lp()], "pairs"),
        ([(float("nan"), Lp())], "coefficient"),
        ([("1", Lp())], "coefficient"),
        ([(1.0, nn.ReLU())], "not a penalty"),
    ]:
        with pytest.raises(InputError, match=message):
            active(bad)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_lp_is_a_sum_of_powers_over_what_was_selected(p: float) -> None:
    net = perceptron(DATA, units=5, batch_norm=True)
    batch = Batch(net, DATA.x)

    def by_hand(names: list[str]) -> float:
        return sum(abs(v) ** p for n in names for v in net.get_parameter(n).flatten().tolist())

    everything = [n for n, _ in net.named_parameters()]
    assert len(everything) == 5
    for selection, names in [
        ("weights", ["encoder.weight", "readout.weight"]),
        ("all", everything),
        ("encoder.weight", ["encoder.weight"]),
        (r".*\.bias", ["batch_norm.bias", "readout.bias"]),
        (lambda name, theta: name.startswith("batch") and theta.ndim == 1, ["batch_norm.weight", "batch_norm.bias"]),
    ]:
        penalty = Lp(p, selection)
        assert list(penalty.selected(net)) == names
        assert penalty(batch).item() == pytest.approx(by_hand(names), rel=1e-5)


def test_l2_is_weight_decay_of_sgd() -> None:
    net, twin = perceptron(DATA, units=5), perceptron(DATA, units=5)
    plain = torch.optim.SGD(net.parameters(), lr=0.1)
    decayed = torch.optim.SGD(twin.parameters(), lr=0.1, weight_decay=2 * 0.03)
    for _ in range(3):
        plain.zero_grad()
        (net(DATA.x).square().mean() + 0.03 * Lp(2.0, "all")(Batch(net, DATA.x))).backward()
        plain.step()
        decayed.zero_grad()
        twin(DATA.x).square().mean().backward()
        decayed.step()
    torch.testing.assert_close(net.state_dict(), twin.state_dict())


def test_lp_refuses_nonsense() -> None:
    with pytest.raises(InputError, match="out of range"):
        Lp(0.5)
    with pytest.raises(InputError, match="no parameter"):
        Lp(2.0, "nothing")(Batch(perceptron(DATA, units=5), DATA.x))


def test_everything_in_somebodys_own_loop() -> None:
    net = perceptron(DATA, units=5)
    penalties = [(0.1, Spectral(place="latent")), (1e-3, Lp()), (1e-4, Jacobian("logits", space="unit"))]
    optimiser = torch.optim.Adam(net.parameters())
    before = net.encoder.weight.detach().clone()
    for epoch in range(2):
        for _, penalty in penalties:
            penalty.prepare(net, DATA.x, epoch)
        with watch(net, penalties) as seen:
            logits = net(DATA.x)
        loss = nn.functional.cross_entropy(logits, DATA.y)
        loss = loss + sum(weighted(penalties, seen.batch(DATA.x, DATA.y, logits)).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float((net.encoder.weight.detach() - before).abs().max()) > 0


class Product(Penalty):
    """Keeps the type of its own matrix product."""

    made: torch.dtype | None = None

    def value(self, batch: Batch) -> Tensor:
        product = batch.x.flatten(1) @ batch.net.encoder.weight.T
        type(self).made = product.dtype
        return product.float().mean()


class MixedProduct(Product):
    mixed: bool = True


def test_only_a_mixed_penalty_is_computed_in_the_precision_of_the_training(
    multiplies_bfloat16: Callable[[bool], None],
) -> None:
    multiplies_bfloat16(True)
    for kind, precision, wanted in (
        (Product, "bfloat16", torch.float32),
        (MixedProduct, "bfloat16", torch.bfloat16),
        (MixedProduct, "float32", torch.float32),
    ):
        train_supervised(perceptron(DATA, units=5), DATA, epochs=1, precision=precision, penalties=[(1.0, kind())])
        assert kind.made == wanted


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of torch's own forward mode
def test_the_sum_of_squares_is_differentiated_twice() -> None:
    theta = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(sum_of_squares, theta)
    assert torch.autograd.gradgradcheck(sum_of_squares, theta)
    assert torch.autograd.gradcheck(sum_of_squares, theta, check_forward_ad=True)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(sum_of_squares))(theta.detach()), 2 * theta.detach())
