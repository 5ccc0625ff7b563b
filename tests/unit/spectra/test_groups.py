"""Spectra of samples that belong together: intervals and correction over groups."""

import sys
from collections.abc import Callable
from statistics import mean

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.data.synthetic import PlantedCode
from eigencode.spectra import (
    _influence as influence_module,
    cross_spectrum,
    heldout_spectrum,
    injected_noise_spectrum,
    spectra_at,
    spectra_by_width,
)
from eigencode.spectra._free_bootstrap import wishart_of_groups
from eigencode.spectra.spectrum import Spectrum, spectrum

CODE = PlantedCode.of(30, 1.0)
Z = CODE.sample(400, 1)
ORIGIN = {"reduce": "", "source": "", "space": ""}
TEN = torch.arange(400).repeat_interleave(10)


def same(one: Spectrum, two: Spectrum) -> None:
    torch.testing.assert_close(one.tensors(), two.tensors(), rtol=0, atol=0, equal_nan=True)
    assert {**one.scalars(), **ORIGIN} == {**two.scalars(), **ORIGIN}


def test_samples_of_their_own_are_no_groups() -> None:
    same(spectrum(Z, groups=torch.arange(400).flip(0)), spectrum(Z))


def test_repeated_rows_give_what_single_rows_give() -> None:
    """Exponent, correction and error of 400 rows, each ten times, are those of the 400."""
    laws = []
    for seed in range(5):
        z = CODE.sample(400, seed)
        ten = z.repeat_interleave(10, 0)
        found = spectrum(z, seed=seed), spectrum(ten, groups=TEN, seed=seed), spectrum(ten, seed=seed)
        laws.append([s.power_law((2, 20)) for s in found])
        assert laws[-1][1].plain == pytest.approx(laws[-1][0].plain)
    bias, error = (
        [mean([getattr(law[k], name) for law in laws]) for k in range(3)] for name in ("bias", "standard_error")
    )
    assert error[1] == pytest.approx(error[0], rel=0.1)
    assert bias[1] == pytest.approx(bias[0], abs=0.2 * error[0])
    assert bias[2] < 0.3 * bias[0]
    assert error[2] < 0.5 * error[0]
    assert "400 groups" in laws[0][1].interval_method


def test_groups_of_independent_rows_change_little() -> None:
    z, labels = CODE.sample(2000, 3), torch.arange(2000) // 4
    law, grouped = spectrum(z).power_law((2, 25)), spectrum(z, groups=labels).power_law((2, 25))
    assert grouped.bias == pytest.approx(law.bias, abs=0.2 * law.standard_error)
    assert grouped.standard_error == pytest.approx(law.standard_error, rel=0.2)


def test_the_population_of_the_correction_is_that_of_groups() -> None:
    """Sample covariances of simulated groups, and of the Wishart matrices that stand for them."""
    g = torch.Generator().manual_seed(0)
    alike, groups, size = torch.tensor([0.9, 0.5, 0.0], dtype=torch.float64), 60, 4
    found = []
    for _ in range(3000):
        common = torch.randn(groups, 3, dtype=torch.float64, generator=g).repeat_interleave(size, 0)
        own = torch.randn(groups * size, 3, dtype=torch.float64, generator=g)
        found.append(torch.cov((alike.sqrt() * common + (1 - alike).sqrt() * own).T))
    drawn = torch.stack(list(wishart_of_groups(alike, float(size), groups * size, groups, 3000, g)))
    simulated = torch.stack(found)
    torch.testing.assert_close(drawn.mean(0), simulated.mean(0), rtol=0.01, atol=0.006)
    torch.testing.assert_close(drawn.std(0), simulated.std(0), rtol=0.06, atol=0.006)


def test_few_groups_give_no_interval_and_say_so() -> None:
    few = spectrum(Z, groups=torch.arange(400) // 50)
    law = few.power_law((2, 25))
    assert (few.n_groups, few.influence.numel()) == (8, 0)
    assert law.interval[0] != law.interval[0]
    assert "8 groups" in law.warnings[0]
    fewer_than_units = spectrum(Z, groups=torch.arange(400) // 20).power_law((2, 25))
    assert fewer_than_units.interval[0] != fewer_than_units.interval[0]
    assert "20 groups of samples for 30 units" in fewer_than_units.warnings[0]
    assert fewer_than_units.standard_error > 0


def test_groups_come_from_images_from_the_argument_and_with_any_source(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.arange(400) // 4
    images = ec.Images(torch.rand(400, 1, 3, 3), torch.zeros(400).long(), groups=labels)
    flat = nn.Flatten()
    rows = images.x.flatten(1)
    expected = spectrum(rows, groups=labels)
    assert expected.n_groups == 100
    same(spectrum(flat, images), expected)
    same(spectrum(flat, images.x, groups=[f"film {i}" for i in labels.tolist()]), expected)
    same(spectrum(iter(rows.split(70)), groups=labels), spectrum(rows, groups=labels, batch_size=70))
    assert spectrum(flat, images.x).n_groups == 0
    same(spectra_at(nn.Sequential(flat), images, ["0"])["0"], expected)
    widths = spectra_by_width(flat, images, widths=(9,), order="first")[0]
    torch.testing.assert_close(widths.influence, expected.influence)
    with pytest.raises(InputError, match="do not fit"):
        spectrum(iter(rows.split(70)), groups=labels[:-1])
    with pytest.raises(InputError, match="do not fit"):
        spectrum(iter(rows.split(70)), groups=[*labels.tolist(), 7])
    # a subsample of whole groups
    for module in ("spectrum", "places", "widths"):
        monkeypatch.setattr(sys.modules[f"eigencode.spectra.{module}"], "rows_wanted", lambda units: 40)
    part = spectrum(rows, groups=labels)
    assert part.group_size == 4
    assert len(part.influence) == 40
    same(spectrum(iter(rows.split(70)), groups=labels), spectrum(rows, groups=labels, batch_size=70))
    same(spectra_at(nn.Sequential(flat), images, ["0"])["0"], part)
    monkeypatch.setattr(influence_module, "NUMBERS", 9 * 80)
    assert len(spectrum(rows, groups=labels).influence) == 20


def error(found: Spectrum) -> float:
    return found.power_law((2, 15)).standard_error


@pytest.mark.parametrize(
    "measured",
    [
        lambda z, groups: ec.cvpca(z, z + 0.1 * z.roll(7, 0), groups=groups, swaps=1),
        lambda z, groups: cross_spectrum(z, z.flip(1), groups=groups),
        lambda z, groups: heldout_spectrum(lambda x: x, Z, z, groups=groups),
        lambda z, groups: injected_noise_spectrum(lambda x: x, z, 0.1, groups=groups, swaps=1),
    ],
    ids=["cvpca", "cross", "held-out", "noise"],
)
def test_other_spectra_have_errors_over_groups(measured: Callable[[Tensor, Tensor | None], Spectrum]) -> None:
    z = CODE.sample(300, 5)
    ten, labels = z.repeat_interleave(10, 0), torch.arange(300).repeat_interleave(10)
    single, grouped, apart = error(measured(z, None)), error(measured(ten, labels)), error(measured(ten, None))
    assert grouped == pytest.approx(single, rel=0.35)
    assert apart < 0.5 * grouped
    assert measured(ten, labels).n_groups == 300
    assert error(measured(z, torch.arange(300))) == error(measured(z, None))


def test_folds_of_two_systems_keep_groups_whole() -> None:
    z = CODE.sample(40, 2)
    with pytest.raises(InputError, match="too few groups"):
        cross_spectrum(z, z, groups=torch.arange(40) // 4)
    assert cross_spectrum(z, z, groups=torch.arange(40) // 4, folds=2).n_groups == 10
