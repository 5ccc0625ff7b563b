"""The Jacobian penalty: three methods, one number; BatchNorm; and what it is on a pre-activation."""

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import perceptron
from eigencode.penalties import Batch, Jacobian, Lp, needs_pixels

DRAWS = 60


def two_layers(batch_norm: bool = True) -> nn.Sequential:
    middle = [nn.BatchNorm1d(9)] if batch_norm else []
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 9), *middle, nn.ReLU(), nn.Linear(9, 4)).double()
    for _ in range(20):
        net(2 * torch.rand(50, 3, 2, 2, dtype=torch.float64))
    return net


def images(n: int) -> Tensor:
    return torch.rand(n, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(n))


def by_loop(net: nn.Module, x: Tensor) -> Tensor:
    """½ mean ‖J‖² by `jacrev`, one image at a time, in evaluation mode."""
    net.eval()
    rows = [torch.func.jacrev(lambda p: net(p[None])[0])(p).square().sum() for p in x]
    return torch.stack(rows).mean() / 2


@pytest.mark.parametrize("size", [1, 8, 64])
@pytest.mark.parametrize("training", [True, False])
def test_exact_is_jacrev_on_two_layers_with_batch_norm(size: int, training: bool) -> None:
    net, x = two_layers().train(training), images(size)
    value = Jacobian("logits", method="exact")(Batch(net, x))
    assert net.training == training
    torch.testing.assert_close(value, by_loop(net, x))


@pytest.mark.parametrize("size", [1, 8, 64])
@pytest.mark.parametrize("projections", [1, 3, 10])
@pytest.mark.parametrize("place", ["3", "logits"])
def test_hutchinson_is_exact_in_the_mean(size: int, projections: int, place: str) -> None:
    net, x = two_layers(), images(size)
    exact = Jacobian(place, method="exact")(Batch(net, x)).detach()
    if place == "3":
        torch.testing.assert_close(Jacobian(place, method="closed")(Batch(net, x)).detach(), exact)
    penalty = Jacobian(place, projections, "hutchinson")
    with torch.no_grad():
        draws = torch.stack([penalty(Batch(net, x, step=step)) for step in range(DRAWS)])
    error = draws.std() / len(draws) ** 0.5
    assert abs(float((draws.mean() - exact) / error)) < 4


def test_every_image_and_every_projection_has_a_vector_of_its_own() -> None:
    """The spread falls as 1/sqrt(images) and as 1/sqrt(projections), also for one image seen many times."""
    net, x = two_layers(), images(1)

    def spread(count: int, projections: int) -> float:
        penalty, batch = Jacobian("logits", projections, "hutchinson"), x.expand(count, -1, -1, -1)
        with torch.no_grad():
            return float(torch.stack([penalty(Batch(net, batch, step=step)) for step in range(200)]).std())

    alone = spread(1, 1)
    assert 3.0 < alone / spread(16, 1) < 5.2
    assert 2.1 < alone / spread(1, 8) < 3.7


def test_gradients_of_the_three_methods_agree() -> None:
    net, x = two_layers(), images(64)
    gradients = []
    for penalty in (
        Jacobian("3", method="closed"),
        Jacobian("3", method="exact"),
        Jacobian("3", 3000, method="hutchinson"),
    ):
        value = penalty(Batch(net, x, step=0))
        gradients.append(torch.autograd.grad(value, [net[1].weight, net[2].weight]))
    torch.testing.assert_close(gradients[0], gradients[1])
    for ours, exact in zip(gradients[2], gradients[1]):
        assert float((ours - exact).norm() / exact.norm()) < 0.05


def test_jreg_on_the_pre_activation_is_weight_decay_on_the_encoder() -> None:
    data = Images(torch.rand(30, 1, 4, 4), torch.arange(30) % 3)
    net = perceptron(data, units=12)
    batch = Batch(net, data.x, data.y, step=0)
    decay = 0.5 * Lp(2.0, "encoder.weight")(batch)
    wanted = torch.autograd.grad(decay, net.encoder.weight)[0]
    torch.testing.assert_close(wanted, net.encoder.weight.detach())  # ½‖A‖² has gradient A
    for method in ("closed", "exact"):
        value = Jacobian("encoder", method=method, space="unit")(batch)
        torch.testing.assert_close(value, decay)
        torch.testing.assert_close(torch.autograd.grad(value, net.encoder.weight)[0], wanted)
    estimates = [Jacobian("encoder", 2000, "hutchinson", "unit")(Batch(net, data.x[:4], step=s)) for s in range(3)]
    for value in estimates:
        ours = torch.autograd.grad(value, net.encoder.weight)[0]
        assert float((ours - wanted).norm() / wanted.norm()) < 0.1
    in_pixels = Jacobian("encoder", method="exact")(batch)  # through the unit norm it is not a constant any more
    other = Jacobian("encoder", method="exact")(Batch(net, 2 * data.x))
    torch.testing.assert_close(other, in_pixels / 4)


def test_the_closed_form_needs_one_forward_product_and_no_double_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Images(torch.rand(30, 1, 4, 4), torch.arange(30) % 3)
    net = perceptron(data, units=12, batch_norm=True)
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **k: pytest.fail("a derivative was taken"))
    value = Jacobian("batch_norm", space="pixel")(Batch(net, data.x))
    assert value.requires_grad


def test_points_of_unit_space_are_taken_as_they_are() -> None:
    data = Images(torch.rand(10, 1, 4, 4), torch.arange(10) % 3)
    net = perceptron(data, units=6)
    points = net.norm(data.x)
    from_pixels = Jacobian("logits", method="exact", space="unit")
    torch.testing.assert_close(from_pixels(Batch(net, points, space="unit")), from_pixels(Batch(net, data.x)))
    flat = Batch(net, points.flatten(1), space="unit")  # how a loop may keep them
    torch.testing.assert_close(from_pixels(flat), from_pixels(Batch(net, data.x)))
    in_pixels = Jacobian("latent")
    with pytest.raises(InputError, match="needs pixels"):
        in_pixels(Batch(net, points, space="unit"))
    assert needs_pixels([(1.0, in_pixels)])
    assert not needs_pixels([(0.0, in_pixels), (1.0, from_pixels), (1.0, Lp())])


def test_random_vectors_follow_seed_and_step() -> None:
    net, x = two_layers(), images(5)

    def draw(step: int | None, seed: int = 0, loop_seed: int = 0, penalty: Jacobian | None = None) -> float:
        penalty = penalty or Jacobian("logits", seed=seed)
        return float(penalty(Batch(net, x, step=step, seed=loop_seed)).detach())

    assert draw(3) == draw(3)
    assert len({draw(3), draw(4), draw(3, seed=1), draw(3, loop_seed=1)}) == 4
    own = Jacobian("logits")
    assert len({draw(None, penalty=own) for _ in range(3)}) == 3  # a loop that does not count steps


def test_as_a_measurement_it_needs_no_graph() -> None:
    net, x = two_layers(), images(5)
    for method in ("exact", "hutchinson"):
        with torch.no_grad():
            assert not Jacobian("logits", method=method)(Batch(net, x)).requires_grad


def test_wrong_input_is_explained(unchecked: None) -> None:
    net, x = two_layers(), images(5)
    for bad, message in [
        (lambda: Jacobian("logits", projections=0), "out of range"),
        (lambda: Jacobian("logits", method="magic"), "out of range"),
        (lambda: Jacobian("logits", method="closed")(Batch(net, x)), "no closed form"),
        (lambda: Jacobian("nowhere")(Batch(net, x)), "no place"),
        (lambda: Jacobian("logits", space="unit")(Batch(net, x)), "no unit space"),
        (lambda: Jacobian("logits", space="other"), "unknown space"),
        (lambda: Jacobian("logits")(Batch(net, x[:0])), "empty batch"),
    ]:
        with pytest.raises(InputError, match=message):
            bad()
