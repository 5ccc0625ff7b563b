"""The ridge read-out in closed form against scikit-learn, in both of its forms."""

import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import krotov_hopfield, softhebb
from eigencode.training import fit_readout


class Net(nn.Module):
    """A deep network of which only the last layer is fitted; dropout and BatchNorm show a wrong mode."""

    def __init__(self, units: int, readout: nn.Module | None = None, behind: nn.Module | None = None) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, units), nn.BatchNorm1d(units), nn.ReLU())
        self.readout = readout or nn.Sequential(nn.Dropout(0.5), nn.Linear(units, 10))
        self.behind = behind or nn.Identity()
        with torch.no_grad():
            g = torch.Generator().manual_seed(units)
            self.body[1].weight.copy_(torch.randn(units, 64, generator=g))  # type: ignore[operator]
            self.body[1].bias.zero_()  # type: ignore[operator]

    def features(self, x: Tensor) -> Tensor:
        z: Tensor = self.body.eval()(x)
        return z

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.behind(self.readout(self.body(x)))
        return z


@pytest.fixture(scope="module")
def digits() -> tuple[Images, Images]:
    return ec.load("digits")


def fitted(net: nn.Module) -> tuple[Tensor, Tensor]:
    linear = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
    return linear.weight.detach(), linear.bias.detach()


@pytest.mark.parametrize("dual", [False, True, None])
@pytest.mark.parametrize("units", [30, 300])
def test_weights_are_those_of_scikit_learn(digits: tuple[Images, Images], units: int, dual: bool | None) -> None:
    train, net = digits[0][:200], Net(units)
    net.train()
    with torch.no_grad():
        net.body[1].bias.add_(3)  # type: ignore[operator]  # a large mean
    found = fit_readout(net, train, strength=0.1, dual=dual)
    assert net.training
    z = net.features(train.x).detach().double().numpy()
    reference = Ridge(found.alpha).fit(z, torch.nn.functional.one_hot(train.y).double().numpy())
    weight, bias = fitted(net)
    torch.testing.assert_close(weight, torch.from_numpy(reference.coef_).float(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(bias, torch.from_numpy(reference.intercept_).float(), rtol=1e-4, atol=1e-5)
    varying = int((z.std(0) > 0).sum())
    assert found.alpha == pytest.approx(0.1 * 200 * z.var(0).sum() / min(199, varying))
    assert (found.dual, found.units, found.images) == (units > 200 if dual is None else dual, units, 200)


@pytest.mark.parametrize("dual", [False, True])
def test_the_strength_is_chosen_on_images_held_out(digits: tuple[Images, Images], dual: bool) -> None:
    train, test = digits
    net = Net(300)
    found = fit_readout(net, train[:500], seed=4, held_out=0.06, dual=dual)
    rest, part = train[:500].split(0.06, 4)
    for strength, accuracy in zip(found.strengths.tolist(), found.accuracies.tolist(), strict=True):
        other = Net(300)
        alone = fit_readout(other, rest, strength=strength, dual=dual)
        right = (other.eval()(part.x).argmax(1) == part.y).double().mean()
        assert float(right) == pytest.approx(accuracy)
        assert alone.accuracies.shape == (1,)
    assert found.accuracy == float(found.accuracies.max())
    best = found.strengths[found.accuracies == found.accuracy]
    assert len(best) > 1
    assert (found.strength, found.held_out) == (float(best.max()), 30)
    assert float((net.eval()(test.x).argmax(1) == test.y).double().mean()) > 0.85


def test_a_stack_of_the_package(digits: tuple[Images, Images]) -> None:
    train, test = digits
    net = krotov_hopfield(train, units=100, n=1.0)
    before = net.encoder.weight.clone()
    found = fit_readout(net, train)
    assert (found.at, found.dual) == ("readout", False)
    torch.testing.assert_close(net.encoder.weight, before, rtol=0, atol=0)
    assert float((net(test.x).argmax(1) == test.y).double().mean()) == pytest.approx(found.accuracy, abs=0.06)


def test_maps_are_flattened(digits: tuple[Images, Images]) -> None:
    train, test = digits
    net = softhebb(train, depth=1, width=16)
    found = fit_readout(net, train[:600])
    assert found.units == 16 * 4 * 4
    assert float((net.eval()(test.x).argmax(1) == test.y).double().mean()) == pytest.approx(found.accuracy, abs=0.08)


def test_silent_features_leave_the_frequencies_of_the_classes(digits: tuple[Images, Images]) -> None:
    train = digits[0]
    net = Net(20)
    with torch.no_grad():
        net.body[2].weight.zero_()  # type: ignore[operator]
    for dual in (False, True):
        fit_readout(net, train[:100], dual=dual)
        weight, bias = fitted(net)
        torch.testing.assert_close(weight, torch.zeros(10, 20))
        torch.testing.assert_close(bias, torch.bincount(train.y[:100], minlength=10) / 100)


@pytest.mark.parametrize(
    ("net", "settings", "says"),
    [
        (Net(9), {"at": "read_out"}, r"no such part(?s:.*)readout"),
        (Net(9), {"at": "body"}, "no linear read-out"),
        (Net(9, nn.Linear(9, 10, bias=False)), {}, "without bias"),
        (Net(9, behind=nn.Softmax(1)), {}, "not that of its read-out"),
        (Net(9), {"at": "body.1"}, "not that of its read-out"),
        (Net(9), {"strength": 0.0}, "strength is out of range"),
        (Net(9), {"held_out": 1.0}, "held_out is out of range"),
        (Net(9, nn.Linear(9, 5)), {}, "does not fit the classes"),
    ],
)
def test_what_is_refused(digits: tuple[Images, Images], net: nn.Module, settings: dict[str, object], says: str) -> None:
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(InputError, match=says):
        fit_readout(net, digits[0][:100], **settings)  # type: ignore[arg-type]
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_a_network_of_another_type_is_told_how_to_become_float32(kind: torch.dtype) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2)).to(kind)
    train = Images(torch.rand(40, 1, 4, 4), torch.arange(40) % 2)
    with pytest.raises(InputError, match=r"fails on these images[\s\S]*net\.float\(\)"):
        fit_readout(net, train, at="3")
