"""A network that is wrong everywhere has nothing to attack: empty results, not an error."""

import math

import pytest
import torch

from eigencode.base.types import Images
from eigencode.robustness import DDN, FGSM, PGD, Gaussian, critical_size, curve

TEST = Images(
    torch.rand(4, 1, 2, 2, generator=torch.Generator().manual_seed(0)), torch.ones(4, dtype=torch.int64), "ab"
)


def always_0(x: torch.Tensor) -> torch.Tensor:
    return torch.tensor([[2.0, 0.0]]).expand(len(x), 2) + 0 * x.sum()


@pytest.mark.parametrize("attack", [Gaussian(), FGSM(), PGD(steps=2), DDN(steps=2)])
def test_critical_sizes_are_empty_and_their_median_is_nan(attack) -> None:
    found = critical_size(always_0, TEST, attack)
    assert (found.n, found.n_correct, len(found.size)) == (4, 0, 0)
    assert math.isnan(found.median.value)


@pytest.mark.parametrize("attack", [Gaussian(), FGSM(), PGD(steps=2)])
def test_the_curve_is_zero(attack) -> None:
    found = curve(always_0, TEST, attack, eps=[0.01, 0.1])
    assert found.accuracy.tolist() == [0, 0]
