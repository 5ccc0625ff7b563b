"""Moments of the signal of stimuli that belong together: unbiased, intervals over groups that cover."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.base.groups import Groups
from eigencode.measures import SignalMeasure
from eigencode.measures.protocol import Subject
from eigencode.spectra import cvpca, signal_spectrum
from eigencode.spectra._cycles import _matched, cycles, normalisers, spectral_moments
from eigencode.spectra._moment_laws import Target

LAW = torch.arange(1, 13, dtype=torch.float64) ** -1.0
SIZES = torch.tensor([1, 2, 3, 4, 5, 9] * 6)


def draw(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def grouped(of: Tensor, alike: float, rng: torch.Generator, eigenvalues: Tensor = LAW) -> Tensor:
    """Two noisy repeats of stimuli with the correlation `alike` within groups; with 1, all of a group are equal."""
    units = len(eigenvalues)
    common, own = draw(rng, int(of.max()) + 1, units)[of], draw(rng, len(of), units)
    signal = (alike**0.5 * common + (1 - alike) ** 0.5 * own) * eigenvalues.sqrt() + 5
    return signal + (eigenvalues.mean().sqrt() * draw(rng, 2, len(of), units))


@pytest.mark.parametrize("units", [4, 12])
def test_grouped_moments_equal_the_loop_over_all_cycles(units: int, rng: torch.Generator) -> None:
    """Cycles of rows of different parts, over the sums of products of the weights of different parts."""
    part, sizes = torch.tensor([0, 0, 1, 2, 2, 2, 3, 3, 4]), [2, 1, 3, 2, 1]
    weights = (4, 3, 6, 2, 1)
    of_part = [w / (sum(weights) / 5) for w in weights]
    of_row = [of_part[g] / sizes[g] for g in part.tolist()]
    first, second = draw(rng, 2, 9, units)
    a = first @ second.T
    root = torch.tensor(of_row, dtype=torch.float64).sqrt()
    values, through = cycles(first * root[:, None], second * root[:, None], 4, part, weights)
    _, _, share = normalisers(weights, 4)
    for p in range(1, 5):
        found = {
            rows: math.prod(of_row[i] for i in rows) * math.prod(float(a[rows[k], rows[(k + 1) % p]]) for k in range(p))
            for rows in itertools.combinations(range(9), p)
            if len({int(part[i]) for i in rows}) == p
        }
        norm = {parts: math.prod(of_part[g] for g in parts) for parts in itertools.combinations(range(5), p)}
        torch.testing.assert_close(float(values[p - 1]), sum(found.values()) / sum(norm.values()))
        for g in range(5):
            mine = sum(value for rows, value in found.items() if g in part[list(rows)].tolist())
            mass = sum(value for parts, value in norm.items() if g in parts)
            torch.testing.assert_close(float(through[g, p - 1]), mine / mass)
            torch.testing.assert_close(float(share[g, p - 1]), 5 * mass / sum(norm.values()))


def test_pairs_of_groups_use_every_stimulus_and_weigh_their_products(rng: torch.Generator) -> None:
    groups = Groups.of(torch.arange(len(SIZES)).repeat_interleave(SIZES)[torch.randperm(144, generator=rng)])
    assert groups is not None
    order = torch.randperm(groups.count, generator=rng)
    (made,) = _matched(groups, order, 18, 10_000, rng)
    assert made.part is not None
    one, two = made.stimuli[0::2], made.stimuli[1::2]
    assert set(made.stimuli.tolist()) == set(range(144))
    for pair, (g, h) in enumerate(order.reshape(18, 2).tolist()):
        rows = made.part == pair
        assert set(groups.of_row[one[rows]].tolist()) == {g}
        assert set(groups.of_row[two[rows]].tolist()) == {h}
        assert int(rows.sum()) == int(groups.sizes[[g, h]].max())
        assert made.weights[pair] == int(groups.sizes[g] * groups.sizes[h])
        share = float(made.roots[rows].square().sum()) * sum(made.weights) / 18
        assert share == pytest.approx(made.weights[pair])
    blocks = _matched(groups, order, 6, 40, rng)
    assert len(blocks) == 3
    assert 40 <= sum(len(b.roots) for b in blocks) <= 58
    assert all(set(b.part.tolist()) == set(range(6)) for b in blocks if b.part is not None)


@pytest.mark.parametrize("alike", [1.0, 0.6])
def test_grouped_moments_are_unbiased_and_their_errors_true(alike: float, rng: torch.Generator) -> None:
    """200 draws of unequal groups, within three standard errors; the spread is the one that is estimated."""
    truth = torch.stack([(LAW**p).sum() for p in range(1, 5)])
    of = torch.arange(len(SIZES)).repeat_interleave(SIZES)
    values, errors = [], []
    for _ in range(200):
        x = grouped(of, alike, rng)
        there = torch.ones(x.shape[:2], dtype=torch.bool)
        found = spectral_moments(x, there, 4, 3, rng, Groups.of(of))
        scale = found.scale ** torch.arange(1, 5, dtype=torch.float64)
        values.append(found.values * scale)
        errors.append(found.covariance.diagonal() * scale**2)
    got = torch.stack(values)
    bias = (got.mean(0) - truth) / got.std(0) * 200**0.5
    assert bool((bias.abs() < 3).all()), bias
    ratio = torch.stack(errors).mean(0).sqrt() / got.std(0)
    assert bool(((ratio[:2] > 0.75) & (ratio[:2] < 1.35)).all()), ratio


def test_products_within_groups_would_be_seen(rng: torch.Generator) -> None:
    """The test of bias can fail: taken for independent, equal stimuli add to the second moment."""
    of, seconds = torch.arange(10).repeat_interleave(10), []
    for _ in range(100):
        x = grouped(of, 1.0, rng)
        found = spectral_moments(x, torch.ones(x.shape[:2], dtype=torch.bool), 2, 2, rng)
        seconds.append(float(found.values[1]) * found.scale**2)
    got = torch.tensor(seconds)
    assert float(got.mean() - LAW.square().sum()) > 3 * float(got.std()) / 100**0.5


def test_repeated_rows_give_what_single_rows_give(rng: torch.Generator) -> None:
    """Rows repeated ten times, with their noise: the interval is that of the single rows, not a third of it."""
    x = grouped(torch.arange(60), 0.0, rng)
    ten, of = x.repeat_interleave(10, 1), torch.arange(60).repeat_interleave(10)
    single, made = signal_spectrum(x, draws=100), signal_spectrum(ten, draws=100, groups=of)
    assert made.alpha.value == pytest.approx(single.alpha.value, abs=0.3 * (single.alpha.high - single.alpha.low))
    assert made.alpha.method == "95 % over 60 groups of stimuli"
    for name in ("total", "participation_ratio"):
        one, other = getattr(single, name), getattr(made, name)
        assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.3), name
    assert (single.n_groups, made.n_groups, made.n_samples) == (0, 60, 600)
    apart = signal_spectrum(ten, draws=100)
    assert apart.total.high - apart.total.low < 0.5 * (made.total.high - made.total.low)


def test_stimuli_of_their_own_are_no_groups(rng: torch.Generator) -> None:
    x = grouped(torch.arange(60), 0.0, rng)
    one, two = signal_spectrum(x, draws=100, groups=torch.arange(60).flip(0)), signal_spectrum(x, draws=100)
    torch.testing.assert_close(one.tensors(), two.tensors(), rtol=0, atol=0)
    assert one.scalars() == two.scalars()


def test_few_groups_give_a_total_without_an_interval_and_say_so(rng: torch.Generator) -> None:
    of = torch.arange(9).repeat_interleave(8)
    found = signal_spectrum(grouped(of, 0.3, rng), draws=100, groups=of)
    assert found.n_groups == 9
    assert found.warnings == ("9 groups are too few for an interval",)
    assert found.total.value > 0
    assert math.isnan(found.total.low)
    assert math.isnan(found.alpha.value)
    with pytest.raises(InputError, match="one group"):
        signal_spectrum(grouped(of, 0.3, rng), draws=100, groups=["film"] * 72)
    with pytest.raises(InputError, match="do not fit the rows"):
        signal_spectrum(grouped(of, 0.3, rng), draws=100, groups=of[1:])
    two = signal_spectrum(grouped(of, 0.3, rng), draws=100, groups=of > 4)
    assert math.isfinite(two.total.value)


def test_labels_of_stimuli_that_are_left_out_are_left_out(rng: torch.Generator) -> None:
    of = torch.arange(20).repeat_interleave(3)
    x = torch.cat([grouped(of, 0.3, rng), grouped(of, 0.3, rng)[:1]])
    x[1:, 5] = torch.nan
    kept = torch.arange(60) != 5
    for function in (lambda x, g: signal_spectrum(x, draws=100, groups=g), lambda x, g: cvpca(x, groups=g, swaps=2)):
        one, two = function(x, [f"film {g}" for g in of.tolist()]), function(x[:, kept], of[kept])
        torch.testing.assert_close(one.tensors(), two.tensors(), rtol=0, atol=0, equal_nan=True)
        assert one.n_groups == 20


def test_intervals_of_few_groups_are_those_of_t() -> None:
    """Draws around a law have the quantiles of t where the covariance is that of few groups."""
    target = Target.of(torch.zeros(2).double(), torch.eye(2, dtype=torch.float64), 9)
    drawn = target.draws(torch.zeros(2), 40_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.quantile(0.975, 0), torch.full((2,), 2.262).double(), rtol=0.03, atol=0)


def test_a_measure_hands_on_groups_of_images_and_of_positions(rng: torch.Generator) -> None:
    net = nn.Sequential(nn.Identity())
    x, of = torch.rand(40, 12, 3, 3, generator=rng), torch.arange(40) // 2
    images = ec.Images(x, torch.zeros(40).long(), groups=of)

    def measured(data: ec.Images, reduce: str) -> ec.spectra.SignalSpectrum:
        measure = SignalMeasure(reduce=reduce)
        record = measure.measure(Subject(net, data, place="0", batch_size=7, seed=3))
        said = next(iter(measure.readings(record))).convention
        assert (f", {record.n_groups} groups" in said) == (record.n_groups > 0)
        return record

    rows = x.flatten(2).mT.reshape(360, 12)
    every, alone = of.repeat_interleave(9), torch.arange(40).repeat_interleave(9)
    plain = ec.Images(x, images.y)
    for found, expected in (
        (measured(images, "flatten"), signal_spectrum(x.flatten(1), seed=3, groups=of)),
        (measured(images, "positions"), signal_spectrum(rows, seed=3, groups=every)),
        (measured(plain, "positions"), signal_spectrum(rows, seed=3, groups=alone)),
        (measured(plain, "flatten"), signal_spectrum(x.flatten(1), seed=3)),
    ):
        torch.testing.assert_close(found.moments, expected.moments)
        assert found.n_groups == expected.n_groups


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("alike", "groups", "size"), [(1.0, 150, 10), (0.7, 200, 2)], ids=["repeated", "augmented"])
def test_intervals_over_groups_cover(alike: float, groups: int, size: int, rng: torch.Generator) -> None:
    """Of 100 intervals of exponent, total and participation ratio, 90 to 99 % hold the truth, within counting."""
    eigenvalues = torch.arange(1, 101, dtype=torch.float64) ** -1.0
    truth = (1.0, float(eigenvalues.sum()), float(eigenvalues.sum() ** 2 / eigenvalues.square().sum()))
    of = torch.arange(groups).repeat_interleave(size)
    covered, counted = torch.zeros(3), 0
    for seed in range(100):
        found = signal_spectrum(grouped(of, alike, rng, eigenvalues), pairings=2, draws=100, seed=seed, groups=of)
        if found.warnings or found.law != "power law":
            continue
        counted += 1
        estimates = (found.alpha, found.total, found.participation_ratio)
        covered += torch.tensor([float(e.low <= t <= e.high) for e, t in zip(estimates, truth, strict=True)])
    assert counted > 70
    assert bool((covered / counted > 0.86).all()), (covered, counted)
    assert 0.9 < float(covered.mean()) / counted < 0.99
