"""Held-out spectra between two systems: the definition, shared variance without noise, and refusals."""

import pytest
import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.groups import Groups
from eigencode.base.seeding import stream
from eigencode.spectra import cross_spectrum, spectrum
from eigencode.spectra.cross import _along


def draw(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def by_loop(a: Tensor, b: Tensor, folds: int, seed: int) -> Tensor:
    """The definition, fold by fold and direction by direction, without reduction of dimension."""
    total = torch.zeros(min(a.shape[1], b.shape[1]), dtype=torch.float64)
    order = torch.randperm(len(a), generator=stream(seed, "cross", "folds"))
    for test in order.tensor_split(folds):
        rest = [i for i in range(len(a)) if i not in test.tolist()]
        u, _, vh = torch.linalg.svd((a[rest] - a[rest].mean(0)).T @ (b[rest] - b[rest].mean(0)), full_matrices=False)
        for n in range(len(total)):
            for i in test:
                total[n] += ((a[i] - a[test].mean(0)) @ u[:, n]) * ((b[i] - b[test].mean(0)) @ vh[n])
    return total / (len(a) - folds)


@pytest.mark.parametrize("units", [(4, 3), (30, 50)])
def test_equals_the_definition(units: tuple[int, int], rng: torch.Generator) -> None:
    a = draw(rng, 25, units[0]) + 100
    b = a[:, :2] @ draw(rng, 2, units[1]) + draw(rng, 25, units[1])
    found = cross_spectrum(a, b, folds=3, seed=4).eigenvalues
    expected = by_loop(a, b, 3, 4)[: len(found)]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))
    assert len(found) == min(*units, 25 - 9 - 1)


def test_private_noise_adds_nothing_and_shared_variance_is_found(rng: torch.Generator) -> None:
    scale = torch.tensor([4.0, 2.0, 1.0, 0.0, 0.0, 0.0])
    shared = draw(rng, 8000, 6) * scale
    rotation = torch.linalg.qr(draw(rng, 6, 6)).Q
    found = cross_spectrum(shared + 2 * draw(rng, 8000, 6), 3 * shared @ rotation + 5 * draw(rng, 8000, 6))
    torch.testing.assert_close(found.eigenvalues[:3], 3 * scale[:3].double().square(), rtol=0.12, atol=0)
    assert bool((found.eigenvalues[3:].abs() < 0.5).all())
    assert (found.kind, found.n_samples, found.n_units) == ("cross-covariance", 8000, 6)


def test_unrelated_systems_share_nothing(rng: torch.Generator) -> None:
    totals = [float(cross_spectrum(draw(rng, 60, 8), draw(rng, 60, 5)).eigenvalues.sum()) for _ in range(60)]
    mean, error = torch.tensor(totals).mean(), torch.tensor(totals).std() / 60**0.5
    assert abs(float(mean)) < 3.5 * float(error)
    chance = torch.linalg.svdvals(draw(rng, 60, 8).T @ draw(rng, 60, 5) / 59).sum()
    assert float(chance) > 10 * abs(float(mean))


def test_a_system_and_itself_is_its_held_out_spectrum_with_a_standard_error(rng: torch.Generator) -> None:
    x = draw(rng, 3000, 30) * torch.arange(1, 31) ** -0.5
    found = cross_spectrum(x, x, repetitions=2)
    torch.testing.assert_close(found.eigenvalues, spectrum(x).eigenvalues, rtol=0.15, atol=0)
    law = found.power_law((2, 20))
    assert abs(law.alpha - 1) < 0.05
    assert 0 < law.standard_error < 0.05


def test_systems_that_do_not_fit_are_refused(unchecked: None, rng: torch.Generator) -> None:
    a, b = draw(rng, 20, 4), draw(rng, 20, 6)
    with pytest.raises(InputError, match="did not see the same stimuli"):
        cross_spectrum(a, b[:19])
    for settings in ({"folds": 1}, {"folds": 6}, {"repetitions": 0}):
        with pytest.raises(InputError, match="too few stimuli for the folds"):
            cross_spectrum(a, b, **settings)
    with pytest.raises(InputError, match="b: responses hold NaN"):
        cross_spectrum(a, b.masked_fill(b > 1, torch.inf))
    with pytest.raises(InputError, match="a is the same for all stimuli"):
        cross_spectrum(a[:1].expand(20, 4), b)
    with pytest.raises(InputError, match="wrong shape"):
        cross_spectrum(a[None], b)


@pytest.mark.parametrize("alike", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("sizes", [[20] * 20, [30] + [3] * 39])
def test_stimuli_of_a_group_share_their_mean(sizes: list[int], alike: float, rng: torch.Generator) -> None:
    """Unbiased, whatever the correlation within groups: each fold was centred on its own mean, which cost a group."""
    of_row = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    found = []
    for _ in range(200):
        x = alike**0.5 * draw(rng, len(sizes), 1)[of_row] + (1 - alike) ** 0.5 * draw(rng, len(of_row), 1)
        found.append(cross_spectrum(x, x, groups=of_row).eigenvalues[0])
    values = torch.stack(found)
    assert float(values.mean()) == pytest.approx(1, abs=3 * float(values.std()) / 200**0.5)


def test_groups_of_one_stimulus_are_none(rng: torch.Generator) -> None:
    """The sum over pairs of different groups, term by term."""
    x, y = draw(rng, 12, 3), draw(rng, 12, 2)
    own = Groups.of(torch.tensor([0] * 5 + [1] * 4 + [2] * 3))
    test, rest = torch.arange(12), torch.ones(12, dtype=torch.bool)
    u, _, vh = torch.linalg.svd((x - x.mean(0)).T @ (y - y.mean(0)), full_matrices=False)
    pairs = [(i, j) for i in range(12) for j in range(12) if own.of_row[i] != own.of_row[j]]
    terms = torch.stack([((x[i] - x[j]) @ u) * ((y[i] - y[j]) @ vh.T) / 2 for i, j in pairs])
    found = _along((x, y), rest, test, own).sum(0) / (12 - float(own.sizes.square().sum()) / 12)
    torch.testing.assert_close(found, terms.mean(0))
    torch.testing.assert_close(cross_spectrum(x, y, folds=2, groups=range(12)).eigenvalues, by_loop(x, y, 2, 0)[:2])
