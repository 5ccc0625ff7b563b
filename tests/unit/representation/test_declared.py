"""No closed form believes layers that the network does not compute."""

import warnings

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.geometry import lipschitz_upper
from eigencode.penalties import Batch, Jacobian
from eigencode.representation._declared import declared
from eigencode.robustness._certificate import certificate

X = torch.rand(8, 1, 3, 3, generator=torch.Generator().manual_seed(0))


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 4))


def hooked() -> nn.Sequential:
    net = plain()
    net[1].register_forward_hook(lambda module, args, out: 3 * out)
    return net


def pre_hooked() -> nn.Sequential:
    net = plain()
    net[1].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    return net


def normed() -> nn.Sequential:
    """The old weight_norm: its weight is computed before every pass, so `weight` is out of date until then."""
    net = plain()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net[1] = nn.utils.weight_norm(net[1])
    with torch.no_grad():
        net[1].weight_g *= 4
    return net


class Wrong(nn.Linear):
    """A `matrix()` that is not the map."""

    def matrix(self) -> Tensor:
        return self.weight

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) @ torch.diag(torch.linspace(0.5, 2, self.out_features))


def mismatched() -> nn.Sequential:
    net = plain()
    net[1] = Wrong(9, 7, bias=False)
    return net


class Between(nn.Sequential):
    """Agrees with its layers at the images and nowhere else."""

    def as_layers(self, place: str) -> object:
        from eigencode.representation.layers import chain_to

        return chain_to(self, place)

    def forward(self, x: Tensor) -> Tensor:
        levels = 2**4
        return super().forward((x * levels).round() / levels)


def rounded() -> nn.Module:
    return Between(*plain())


ON_THE_GRID = (X * 2**4).round() / 2**4


@pytest.mark.parametrize("make", [hooked, pre_hooked, normed, mismatched])
def test_the_jacobian_is_that_of_the_network(make) -> None:
    net = make()
    found = ec.jacobian_norm(ec.at(net, "2"), X)
    wanted = [float(torch.autograd.functional.jacobian(ec.at(net, "2"), x[None]).detach().norm()) for x in X]
    torch.testing.assert_close(found.value.tolist(), wanted, rtol=1e-5, atol=1e-6)
    penalty = Jacobian("2", method="auto", projections=2000)(Batch(net, X))
    assert float(penalty.detach()) == pytest.approx(sum(v**2 for v in wanted) / len(X) / 2, rel=0.1)


@pytest.mark.parametrize("make", [hooked, pre_hooked, mismatched])
def test_closed_forms_bounds_and_proofs_are_refused(make) -> None:
    net = make()
    with pytest.raises(InputError, match="no closed form"):
        ec.jacobian_norm(ec.at(net, "2"), X, method="closed")
    with pytest.raises(InputError, match=r"(?s)no product bound.*not the ones that the network computes"):
        lipschitz_upper(net, "2", "pixel", x=X)
    assert certificate(net, "pixel", X) is None


def test_a_network_that_agrees_at_the_images_only() -> None:
    net = rounded()
    assert declared(ec.at(net, "logits"), ON_THE_GRID) is None
    assert declared(ec.at(plain(), "logits"), ON_THE_GRID) is not None


def test_honest_layers_are_believed_in_every_space_and_type() -> None:
    train, _ = ec.load("digits")
    for net in (
        ec.models.krotov_hopfield(train[:50], units=20),
        ec.models.perceptron(train[:50], units=20, batch_norm=True),
    ):
        for dtype in (torch.float32, torch.float64):
            x = train[:5].x.to(dtype)
            net.to(dtype)
            for place in ("encoder", "latent", "logits"):
                for space in ("pixel", "unit"):
                    code = ec.at(net, place, space)
                    assert declared(code, code.points(x)) is not None, (place, space, dtype)


def test_bounds_need_images_where_no_shape_is_known() -> None:
    class Shaped(nn.Sequential):
        def as_layers(self, place: str) -> object:
            from eigencode.representation.layers import chain_to

            return chain_to(self, place)

        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[1:] == (1, 3, 3)
            return super().forward(x)

    net = Shaped(*plain())
    assert lipschitz_upper(net, "2", "pixel", x=X).value > 0
    with pytest.raises(InputError, match=r"(?s)no product bound.*pass some images as x="):
        lipschitz_upper(net, "2", "pixel")


def test_a_penalty_compares_once_per_epoch_and_network() -> None:
    penalty, net, passes = Jacobian("2"), plain(), 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    net.register_forward_pre_hook(count)
    for epoch, expected in ((0, 1), (0, 1), (1, 2), (None, 3), (None, 4), (2, 5), (2, 5)):
        penalty(Batch(net, X, epoch=epoch))
        assert passes == expected, epoch
    other = hooked()
    wrong = Jacobian("2", projections=3000)
    wrong(Batch(net, X, epoch=0))
    assert float(wrong(Batch(other, X, epoch=0)).detach()) == pytest.approx(
        float((ec.jacobian_norm(ec.at(other, "2"), X, method="exact").value ** 2).mean()) / 2, rel=0.1
    )
