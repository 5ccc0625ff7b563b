"""Coverage of intervals over groups of images: repeated rows, and augmentations of images seen through a code."""

import math
from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from eigencode.base.record import Estimate
from eigencode.geometry._intervals import mean_estimate, median_estimate
from eigencode.measures.accuracy import Accuracy
from eigencode.robustness.survival import quantile
from eigencode.spectra import spectrum

pytestmark = pytest.mark.usefixtures("unchecked")
UNITS, WINDOW = 12, (2, 8)
Grouped = tuple[Tensor, Tensor]
"""Responses `rows x units` and the number of the group of every row."""


@cache
def weights() -> Tensor:
    g = torch.Generator().manual_seed(99)
    return torch.randn(36, UNITS, dtype=torch.float64, generator=g) * torch.arange(1, UNITS + 1) ** -0.5


def augmented(images: int, copies: int, g: torch.Generator) -> Tensor:
    """Smooth images, each shifted at random by up to one pixel and with noise, through tanh of random projections."""
    x = torch.randn(images, 1, 14, 14, dtype=torch.float64, generator=g)
    x = 4 * avg_pool2d(avg_pool2d(x, 4, 1), 4, 1)
    moves = torch.randint(0, 3, (images * copies, 2), generator=g)
    every = x.repeat_interleave(copies, 0).unfold(2, 6, 1).unfold(3, 6, 1)
    seen = every[torch.arange(images * copies), 0, moves[:, 0], moves[:, 1]]
    noise = torch.randn(images * copies, 36, dtype=torch.float64, generator=g)
    return (0.3 * (seen.flatten(1) + 0.02 * noise) @ weights()).tanh()


def repeated_ten_times(groups: int, seed: int) -> Grouped:
    z = augmented(groups, 1, torch.Generator().manual_seed(seed))
    return z.repeat_interleave(10, 0), torch.arange(groups).repeat_interleave(10)


def four_augmentations(groups: int, seed: int) -> Grouped:
    z = augmented(groups, 4, torch.Generator().manual_seed(seed))
    return z, torch.arange(groups).repeat_interleave(4)


def unequal_groups(groups: int, seed: int) -> Grouped:
    """One to eight augmentations of each image."""
    z, group = augmented(groups, 8, torch.Generator().manual_seed(seed)), torch.arange(groups).repeat_interleave(8)
    wanted = torch.randint(1, 9, (groups,), generator=torch.Generator().manual_seed(seed + 10_000))
    kept = torch.arange(8).repeat(groups) < wanted[group]
    return z[kept], group[kept]


def alpha(z: Tensor, groups: Tensor | None) -> Estimate:
    law = spectrum(z, groups=groups).power_law(window=WINDOW)
    return Estimate(law.alpha, *law.interval)


def accuracy(z: Tensor, groups: Tensor | None) -> Estimate:
    return Accuracy.of(z[:, 0] > -0.4, groups)


def critical(z: Tensor, groups: Tensor | None) -> Estimate:
    """Kaplan-Meier median of sizes that are censored at a limit of each image's own."""
    size, limit = z[:, 0] + 2, z[:, 3].abs() + 2.2
    return quantile(size.minimum(limit), size > limit, groups=groups)


def mean(z: Tensor, groups: Tensor | None) -> Estimate:
    return mean_estimate(z[:, 1].exp(), groups)


def median(z: Tensor, groups: Tensor | None) -> Estimate:
    return median_estimate(z[:, 2].exp(), groups)


Reading = Callable[[Tensor, Tensor | None], Estimate]
CHEAP: list[Reading] = [accuracy, critical, mean, median]
KINDS = [repeated_ten_times, four_augmentations, unequal_groups]


@cache
def truth(reading: Reading) -> float:
    """The number in a sample so large that its error is nothing beside that of the data sets."""
    z = augmented(60_000, 1, torch.Generator().manual_seed(12345))
    return reading(z, None).value


def coverage(
    kind: Callable[[int, int], Grouped], reading: Reading, groups: int, sets: int, together: bool = True
) -> float:
    found = []
    for seed in range(sets):
        z, group = kind(groups, seed)
        found.append(reading(z, group if together else None))
    assert not any(math.isnan(e.low) or math.isnan(e.high) for e in found)
    return sum(e.low <= truth(reading) <= e.high for e in found) / sets


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reading", [*CHEAP, alpha])
def test_intervals_over_groups_cover_as_often_as_they_say(
    kind: Callable[[int, int], Grouped], reading: Reading
) -> None:
    groups, sets = (200, 200) if reading is alpha else (60, 1000)
    covered = coverage(kind, reading, groups, sets)
    assert 0.9 <= covered <= 0.99
    assert coverage(kind, reading, groups, sets, together=False) < covered - 0.05, "this check must be able to fail"


FEW = [(kind, reading) for kind in KINDS[:2] for reading in CHEAP] + [(repeated_ten_times, alpha)]


@pytest.mark.parametrize(("kind", "reading"), FEW)
def test_without_groups_the_intervals_are_too_narrow(kind: Callable[[int, int], Grouped], reading: Reading) -> None:
    """The same on few data sets."""
    groups, sets = (100, 30) if reading is alpha else (60, 100)
    covered = coverage(kind, reading, groups, sets)
    assert covered >= 0.85
    assert coverage(kind, reading, groups, sets, together=False) < covered - 0.05
