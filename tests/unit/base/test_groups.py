"""Groups of rows that belong together: labels, variances, and images that carry them."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.base.groups import FEWEST, Groups
from eigencode.base.intervals import t_interval
from eigencode.base.labels import numbered
from eigencode.robustness.survival import share_of

LABELS = [7, 7, 3, 7, 5, 3]


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        torch.tensor(LABELS),
        np.array(LABELS, dtype=np.uint8),
        np.array(LABELS) / 2,
        [str(i) for i in LABELS],
        pd.Series(LABELS, index=range(6, 0, -1)),
        pd.Categorical([str(i) for i in LABELS]),
        np.array(LABELS).astype("datetime64[D]"),
        np.ma.masked_array(LABELS),
    ],
)
def test_labels_of_any_kind_are_numbered_as_they_appear(labels: Any) -> None:
    assert numbered(labels, 6).tolist() == [0, 0, 1, 0, 2, 1]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (LABELS[:5], "do not fit"),
        ([LABELS], "do not fit"),
        ([], "do not fit"),
        (3, "do not fit"),
        (["a", None, "b", "a", "b", "c"], "1 of 6"),
        ([1.0, math.nan, 2.0, 1.0, 2.0, 1.0], "1 of 6"),
        (np.ma.masked_array(LABELS, [0, 1, 1, 0, 0, 0]), "2 of 6"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        numbered(labels, 6)


def test_rows_of_their_own_are_no_groups() -> None:
    assert Groups.of(None) is None
    assert Groups.of(torch.tensor([4, 2, 9])) is None
    found = Groups.of(torch.tensor([4, 9, 4]))
    assert found is not None
    assert (found.count, found.sizes.tolist(), found.of_row.tolist()) == (2, [2, 1], [0, 1, 0])


def test_the_variance_of_a_mean_is_that_of_leaving_out_groups() -> None:
    """The jackknife over groups of equal size has (G − 1) / G Σ (x̄ without g − x̄)², which is the same for a mean."""
    g = torch.Generator().manual_seed(0)
    label = torch.randperm(60, generator=g) % 12
    x = torch.randn(60, dtype=torch.float64, generator=g) + label
    groups = Groups.of(label)
    assert groups is not None
    left_out = torch.stack([x[label != k].mean() for k in range(12)])
    jackknife = 11 / 12 * (left_out - x.mean()).square().sum()
    assert groups.variance(x) == pytest.approx(float(jackknife))
    assert Groups(torch.arange(60), torch.ones(60).long()).variance(x) == pytest.approx(float(x.var() / 60))


def test_a_mean_over_repeats_has_the_interval_of_single_rows() -> None:
    x = torch.randn(20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = Groups.of(torch.arange(20).repeat_interleave(10))
    assert t_interval(x.repeat_interleave(10).tolist(), together) == pytest.approx(t_interval(x.tolist()))
    few = Groups.of(torch.arange(FEWEST - 1).repeat(2))
    assert math.isnan(t_interval(x[: 2 * FEWEST - 2].tolist(), few)[1])


def test_a_random_subsample_has_whole_groups() -> None:
    label = torch.arange(100) // torch.tensor([3, 7]).repeat(50)
    groups = Groups.of(label)
    assert groups is not None
    index = groups.some(5, 1000, torch.Generator().manual_seed(0))
    assert len(set(label[index].tolist())) == 5
    assert bool(torch.isin(label, label[index]).sum() == len(index))
    assert len(groups.some(100, 20, torch.Generator().manual_seed(0))) <= 20
    part = groups.at(index)
    assert part.count == 5
    assert sorted(part.sizes.tolist()) == sorted(torch.unique(label[index], return_counts=True)[1].tolist())


def images(groups: Any = None, n: int = 12) -> ec.Images:
    x = torch.linspace(0.01, 1, n)[:, None, None, None].expand(n, 1, 2, 2)
    return ec.Images(x, torch.arange(n) % 3, groups=groups)


def test_images_keep_their_groups_in_every_subset() -> None:
    mine = images(["film"] * 4 + ["tree"] * 4 + ["dog"] * 4)
    assert mine.groups is not None
    assert mine.groups.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    mask = torch.arange(12) >= 6
    for index in (slice(6, 12), torch.arange(6, 12), list(range(6, 12)), mask):
        part = mine[index].groups
        assert part is not None
        assert part.tolist() == [1, 1, 2, 2, 2, 2]
    assert images()[:3].groups is None


def test_groups_are_part_of_the_hash_only_if_there_are_any() -> None:
    plain, two = images(), images([0] * 6 + [1] * 6)
    assert plain.sha256 == images(None).sha256 != two.sha256 != images([0] * 5 + [1] * 7).sha256
    assert two.sha256 == images(["a"] * 6 + ["b"] * 6).sha256


def test_a_split_keeps_groups_whole() -> None:
    mine = images(torch.arange(40) // 4, n=40)
    rest, part = mine.split(0.3, seed=1)
    assert rest.groups is not None
    assert part.groups is not None
    assert (len(rest), len(part)) == (28, 12)
    assert not set(rest.groups.tolist()) & set(part.groups.tolist())
    assert sorted(torch.cat([rest.x, part.x])[:, 0, 0, 0].tolist()) == mine.x[:, 0, 0, 0].tolist()
    assert set(part.groups.tolist()) != set(mine.split(0.3, seed=2)[1].groups.tolist())  # type: ignore[union-attr]
    with pytest.raises(InputError, match="one group"):
        images([0] * 12).split(0.5)


def test_one_large_group_counts_as_few() -> None:
    """A hundred groups, one of them with half of the rows: intervals held the truth in 5 of 100 without a word."""
    sizes = [500] + [5] * 99
    of_row = np.repeat(np.arange(100), sizes)
    draw = np.random.default_rng(0)
    x = (0.9 * draw.normal(size=(100, 20))[of_row] + 0.4 * draw.normal(size=(len(of_row), 20))) * np.arange(
        1, 21
    ) ** -0.5
    groups = Groups.of(torch.from_numpy(of_row))
    assert groups.effective == pytest.approx(995**2 / (500**2 + 99 * 25))
    assert groups.too_few == "100 groups of unequal size, which count as 3.9, are too few for an interval"
    assert Groups.of(torch.from_numpy(np.repeat(np.arange(100), 7))).effective == 100
    law = ec.spectrum(x, groups=of_row).power_law((2, 15))
    assert math.isnan(law.interval[0])
    assert "4 groups of samples for 20 units are too few" in law.warnings[0]
    found = ec.signal_spectrum(np.stack([x, x + 0.1 * draw.normal(size=x.shape)]), groups=of_row, draws=100)
    assert found.n_groups == 4
    assert found.warnings == (groups.too_few,)
    assert math.isnan(t_interval(x[:, 0].tolist(), groups)[1])
    assert math.isnan(share_of(torch.from_numpy(x[:, 0] > 0), torch.from_numpy(of_row)).low)


def test_the_intervals_of_unequal_groups_hold_the_truth() -> None:
    """Means of a hundred groups, ten of them ten times as large as the others."""
    sizes, held = [40] * 10 + [4] * 90, 0
    of_row = np.repeat(np.arange(100), sizes)
    groups = Groups.of(torch.from_numpy(of_row))
    for seed in range(200):
        draw = np.random.default_rng(seed)
        x = draw.normal(size=100)[of_row] + 0.3 * draw.normal(size=len(of_row))
        _, low, high = t_interval(x.tolist(), groups)
        held += low < 0 < high
    assert 180 <= held <= 198


def test_a_number_and_its_text_are_two_labels() -> None:
    assert numbered([1, "1", 1, "x"], 4).tolist() == [0, 1, 0, 2]
    assert numbered(torch.tensor([1.5, 2, 1.5], dtype=torch.bfloat16), 3).tolist() == [0, 1, 0]
