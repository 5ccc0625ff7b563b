"""The correction for finite sampling: it must have settled, and say how surely it is known."""

import math
from dataclasses import replace
from statistics import mean
from typing import Any

import pytest
import torch
from torch import Tensor

from eigencode.data.synthetic import PlantedCode
from eigencode.spectra import _population as population_module
from eigencode.spectra._free_bootstrap import wishart
from eigencode.spectra.power_law import PowerLaw
from eigencode.spectra.spectrum import Spectrum, spectrum


def fits(population: PlantedCode, samples: int, count: int) -> list[PowerLaw]:
    return [spectrum(population.sample(samples, s), seed=s).power_law((11, 200)) for s in range(count)]


def test_more_steps_do_not_change_the_correction_of_a_flat_spectrum(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = PlantedCode.of(400, 0.7).sample(800, 2)
    law = spectrum(flat, seed=2).power_law((11, 200))
    monkeypatch.setattr(population_module, "MOST", 40)
    monkeypatch.setattr(population_module, "SETTLED", 0.01)
    more = spectrum(flat, seed=2).power_law((11, 200))
    assert law.bias > 0.03
    assert law.alpha == pytest.approx(more.alpha, abs=0.0005)  # 0.0036 apart after two or three steps


@pytest.mark.slow
def test_the_correction_of_a_flat_spectrum_has_settled() -> None:
    laws = fits(PlantedCode.of(400, 0.7), 800, 10)
    assert mean([w.bias for w in laws]) > 0.06
    assert abs(mean([w.alpha for w in laws]) - 0.7) < 0.0055  # 0.0082 after two steps


def test_what_is_not_gaussian_counts_as_an_error_of_the_correction() -> None:
    found = {kind: spectrum(PlantedCode.of(400, 3.5, kind).sample(800)) for kind in ("gaussian", "relu")}
    without = {kind: replace(s, log_bias_error=torch.zeros(400)) for kind, s in found.items()}
    grown = {kind: error_of(found[kind]) / error_of(without[kind]) for kind in found}
    assert grown["gaussian"] < 1.1
    assert grown["relu"] > 1.4
    law = found["relu"].power_law((11, 200))
    low, high = law.interval
    assert (high - low) / 2 == pytest.approx(1.96 * law.standard_error, rel=1e-4)


def error_of(s: Spectrum) -> float:
    return s.power_law((11, 200)).standard_error


def test_the_error_of_the_correction_moves_all_ranks_together() -> None:
    s = spectrum(PlantedCode.of(30, 1.0).sample(300))
    alone = replace(s, log_bias_error=torch.linspace(0, 1, 30, dtype=torch.float64))
    row = torch.zeros(2, 30, dtype=torch.float64)
    row[0, 0], row[1, 29] = 1, 2
    added = alone.logs.covariance(row) - replace(s, log_bias_error=torch.zeros(30)).logs.covariance(row)
    torch.testing.assert_close(added, torch.tensor([[0.0, 0.0], [0.0, 4.0]], dtype=torch.float64))


def test_bartletts_factors_give_the_eigenvalues_of_gaussian_samples() -> None:
    """Mean log eigenvalues of 20 directions and 40 samples, against those of samples drawn one by one."""
    generator = torch.Generator().manual_seed(0)
    quick = torch.stack([torch.linalg.eigvalsh(w).log() for w in wishart(20, 40, 400, generator)])
    drawn = torch.randn(400, 40, 20, dtype=torch.float64, generator=generator)
    slow = torch.stack([torch.linalg.eigvalsh(torch.cov(x.T)).log() for x in drawn])
    error = ((quick.var(0) + slow.var(0)) / 400).sqrt()
    assert ((quick.mean(0) - slow.mean(0)).abs() < 4 * error).all()


@pytest.mark.parametrize("kind", ["gaussian", "relu"])
def test_the_bias_is_what_resampling_does_to_the_population_found(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last resampled spectrum is taken from its derivative: as good as resampling once more."""
    errors, found = [], population_module._population

    def resampled_once_more(log_lambda: Tensor, log_f: Tensor, *rest: Any) -> population_module.Population:
        again, _ = population_module._resample(log_lambda, noises, mixing=False)
        errors.append(float((log_f - again).square().mean().sqrt()) / (2 / 100) ** 0.5)
        return found(log_lambda, log_f, *rest)

    noises: list[Tensor] = []
    made = population_module.resampled
    monkeypatch.setattr(population_module, "_population", resampled_once_more)
    monkeypatch.setattr(population_module, "resampled", lambda *a: noises.append(made(*a)) or noises[-1])
    for seed in range(5):
        noises.clear()
        spectrum(PlantedCode.of(50, 3.5, kind).sample(100, seed), seed=seed)
    assert len(errors) == 5
    assert mean(errors) < 0.001  # 0.002 without the derivative


def test_a_code_of_lower_rank_than_samples_is_corrected_without_a_warning_also_with_more_units() -> None:
    """512 units in 200 dimensions, 300 samples: the interval holds the truth, and nothing says that there is none."""
    held = []
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        mixing = torch.linalg.qr(torch.randn(512, 200, generator=generator, dtype=torch.float64))[0]
        scale = torch.arange(1, 201).double().rsqrt()
        law = spectrum(torch.randn(300, 200, generator=generator, dtype=torch.float64) * scale @ mixing.T).power_law(
            (5, 50)
        )
        low, high = law.interval
        held.append(low <= 1 <= high)
        assert not any("no interval" in w for w in law.warnings)
        assert math.isfinite(law.bias)
    assert sum(held) >= 10
    full = spectrum(torch.randn(300, 512, generator=torch.Generator().manual_seed(0))).power_law((5, 50))
    assert any("no interval" in w for w in full.warnings)
    assert full.interval[0] != full.interval[0]
