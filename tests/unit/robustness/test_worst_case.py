"""The worst case of several attacks: how far each of them looked, and what their checks said."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from eigencode.base.types import Images
from eigencode.robustness import FGSM, PGD, CriticalSizes, Gaussian, Square, critical_size, worst_case
from eigencode.robustness.masking import Masking


@pytest.fixture
def linear() -> tuple[nn.Module, Images]:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    x = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    return net, Images(x, net(x).argmax(1), classes="abc")


def test_a_robust_image_counts_up_to_the_largest_size_tried(
    linear: tuple[nn.Module, Images],
) -> None:
    net, test = linear
    every = critical_size(net, test, PGD(steps=10), check=False)
    limit = float(every.eps.median())
    far, near = (critical_size(net, test, PGD(steps=10), eps_max=e, check=False) for e in (limit, 0.8 * limit))
    found = [worst_case(order) for order in ([far, near], [near, far])]
    for one in found:
        assert one.distance[one.censored].tolist() == pytest.approx([limit] * int(one.censored.sum()))
        assert bool((one.distance <= far.distance).all())
        assert one.eps_max == limit
    assert found[0].median == found[1].median


def test_the_checks_and_gradients_are_those_of_all_attacks(linear: tuple[nn.Module, Images]) -> None:
    net, test = linear
    blind, seeing = critical_size(net, test, Square(steps=20)), critical_size(net, test, FGSM("linf"))
    assert seeing.masking.n > blind.masking.n == 0
    doubted = replace(seeing, zero_gradients=0.5, masking=Masking(n=8, flags=("one", "two")))
    for order in ([blind, seeing, doubted], [doubted, seeing, blind]):
        one = worst_case(order)
        assert one.masking == doubted.masking
        assert one.zero_gradients == pytest.approx(0.5 * seeing.gradients / one.gradients)
    none = replace(blind, gradients=0, zero_gradients=math.nan)
    assert math.isnan(worst_case([none, none]).zero_gradients)


def test_the_eps_of_noise_and_of_an_attack_are_not_mixed(linear: tuple[nn.Module, Images]) -> None:
    net, test = linear
    noise, attack = critical_size(net, test, Gaussian()), critical_size(net, test, PGD("l2", steps=5), check=False)
    lucky = replace(noise, distance=noise.distance / 100, censored=torch.zeros_like(noise.censored))
    mixed: CriticalSizes = worst_case([lucky, attack])
    torch.testing.assert_close(mixed.eps, mixed.distance, rtol=0, atol=0)
    assert torch.equal(worst_case([noise, noise]).eps, noise.eps)
