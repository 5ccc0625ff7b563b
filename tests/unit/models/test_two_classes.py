"""A network with one logit is measured as one with two classes, and the errors say how."""

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.measures import AccuracyMeasure, Subject
from eigencode.models import Standardised, TwoClasses
from eigencode.robustness import FGSM, PGD, Gaussian, critical_size, curve, masking_checks

X = 0.05 + 0.9 * torch.rand(30, 1, 2, 2, generator=torch.Generator().manual_seed(0))


class Single(nn.Module):
    """One logit w·x + b per image, as `N 1` or `N`."""

    def __init__(self, squeezed: bool = False) -> None:
        super().__init__()
        self.flat, self.out, self.squeezed = nn.Flatten(), nn.Linear(4, 1), squeezed
        self.out.bias.data.sub_(self.out(X.flatten(1)).median())

    def forward(self, x: Tensor) -> Tensor:
        z = self.out(self.flat(x))
        return z[:, 0] if self.squeezed else z


def labelled(net: nn.Module) -> ec.Images:
    return ec.Images(X, (net(X).flatten() > 0).long())


@pytest.mark.parametrize("squeezed", [False, True])
def test_sizes_are_the_distances_from_the_plane(squeezed: bool) -> None:
    net = Single(squeezed)
    test, w, z = labelled(net), net.out.weight.detach().double(), net(X).detach().flatten().double()
    sizes = critical_size(TwoClasses(net), test, FGSM(), eps_max=0.04)
    assert sizes.n_correct == 30
    broken = ~sizes.censored
    assert bool(broken.any())
    torch.testing.assert_close(sizes.eps[broken], (z.abs() / w.abs().sum())[broken], rtol=0.02, atol=1e-6)
    jacobian = ec.jacobian_norm(TwoClasses(net), X)
    torch.testing.assert_close(jacobian.value, torch.full((30,), float(w.norm()), dtype=torch.float64))
    assert float(AccuracyMeasure().measure(Subject(TwoClasses(net), test))) == 1.0
    torch.testing.assert_close(TwoClasses(net)(X).softmax(1)[:, 1], net(X).flatten().sigmoid())


def test_two_classes_are_probed_at_the_places_of_the_network() -> None:
    net = Single().train()
    found = ec.probe(
        TwoClasses(Standardised(net, 0.5, 0.25)),
        labelled(Standardised(net, 0.5, 0.25)),
        "out",
        images=10,
        attacks={"FGSM": FGSM()},
        points=3,
    )
    assert found.jacobian.units == 1
    assert found.accuracy.value == 1.0
    assert net.training


@pytest.mark.parametrize("squeezed", [False, True])
def test_one_logit_alone_is_refused_and_the_advice_works(squeezed: bool) -> None:
    net = Single(squeezed)
    test = labelled(net)
    function = lambda x: net(x)  # noqa: E731
    for refused in (
        lambda n: critical_size(n, test, FGSM()),
        lambda n: curve(n, test, Gaussian(), [0.1]),
        lambda n: masking_checks(n, test),
        lambda n: PGD(steps=2)(n, X, test.y, 0.1),
    ):
        with pytest.raises(InputError, match=r"models.TwoClasses\(net\)"):
            refused(function)
        with pytest.raises(InputError, match=r"models.TwoClasses\(net\)"):
            refused(net)
        assert refused(TwoClasses(net)) is not None


def test_a_landscape_and_an_accuracy_of_one_logit_are_refused() -> None:
    net = Single()
    for refused in (
        lambda: ec.landscape(net, X[0], "out", "pixel", 1.0, 3),
        lambda: AccuracyMeasure().measure(Subject(net, labelled(net))),
        lambda: ec.probe(net, labelled(net), "out", images=10),
    ):
        with pytest.raises(InputError, match=r"models.TwoClasses\(net\)"):
            refused()


def test_another_output_is_no_single_logit() -> None:
    with pytest.raises(InputError, match="no single logit"):
        TwoClasses(nn.Flatten())(X)


def test_wrapping_changes_no_mode() -> None:
    net = Single().train()
    net.out.eval()
    TwoClasses(Standardised(net, 0.5, 0.25))
    assert (net.training, net.out.training) == (True, False)
