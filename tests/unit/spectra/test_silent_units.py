"""Units that answer a few images only: the images read again for an interval may not be among these."""

import pytest
import torch

from eigencode.spectra._influence import _whitened, sampling
from eigencode.spectra.spectrum import spectrum


def planted(samples: int, units: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    ranks = torch.arange(1, units + 1, dtype=torch.float64)
    return torch.randn(samples, units, dtype=torch.float64, generator=generator) * ranks**-0.5


def test_directions_the_rows_do_not_show_have_no_bias_and_the_others_keep_theirs() -> None:
    z = planted(3000, 40)
    z[:, 30:] = 0
    z[2900:, 30:] = planted(100, 10) / 50  # seen only by images that are not read again
    centred = z - z.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / 2999)
    values, vectors = values.flip(0), vectors.flip(1)
    found = sampling(centred[:2000], vectors, values, 3000, 40, seed=0)
    assert torch.isfinite(found.log_bias[:30]).all()
    assert torch.isnan(found.log_bias[30:]).all()
    assert torch.isfinite(found.direct).all()
    assert torch.isfinite(found.mixed).all()
    whole = sampling(centred[:2000], vectors[:, :30], values[:30], 3000, 30, seed=0)
    torch.testing.assert_close(found.log_bias[:30], whole.log_bias)
    torch.testing.assert_close(found.mixed[:, :30], whole.mixed)


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-7])
def test_whitening_stops_at_the_first_dependent_direction(noise: float) -> None:
    scores = planted(500, 12)
    scores /= scores.std(0)
    scores[:, 7] = scores[:, 2] + noise * planted(500, 12)[:, 7]
    white = _whitened(scores)
    assert white.shape == (500, 7)
    torch.testing.assert_close(white.T @ white, torch.eye(7, dtype=torch.float64))


def test_independent_directions_are_all_kept_however_weak() -> None:
    scores = planted(500, 12)
    scores[:, 11] = 1e-3 * scores[:, 11] + scores[:, 0]
    assert _whitened(scores / scores.std(0)).shape == (500, 12)


def test_a_layer_with_units_that_fire_once_in_a_thousand_images_has_an_interval() -> None:
    generator = torch.Generator().manual_seed(1)
    z = planted(9000, 60)
    for unit in range(50, 60):
        z[:, unit] = 0
        z[torch.randint(9000, (2,), generator=generator), unit] = 1e-2
    found = spectrum(z).power_law((5, 40))
    assert abs(found.alpha - 1) < 3 * found.standard_error
    assert found.standard_error < 0.02
