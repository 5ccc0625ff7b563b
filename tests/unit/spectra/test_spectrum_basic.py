"""The spectrum of planted data, its laws of invariance, and its manners."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.representation.at import at
from eigencode.robustness._draws import Draws
from eigencode.spectra import Spectrum, cvpca, signal_spectrum, spectrum


def planted(n: int, units: int, alpha: float, rng: torch.Generator) -> torch.Tensor:
    scale = torch.arange(1, units + 1, dtype=torch.float64) ** (-alpha / 2)
    rotation = torch.linalg.qr(torch.randn(units, units, generator=rng, dtype=torch.float64)).Q
    return (torch.randn(n, units, generator=rng, dtype=torch.float64) * scale) @ rotation


@pytest.mark.parametrize(("n", "units"), [(300, 40), (40, 300), (40, 40), (41, 40)])
def test_equals_eigvalsh_of_torch_cov(n: int, units: int, rng: torch.Generator) -> None:
    x = planted(n, units, 1.0, rng) + 100
    want = torch.linalg.eigvalsh(torch.cov(x.T)).flip(0)[: min(units, n - 1)]
    got = spectrum(x)
    torch.testing.assert_close(got.eigenvalues, want, rtol=1e-10, atol=1e-14)
    assert (got.n_samples, got.n_units) == (n, units)
    torch.testing.assert_close(spectrum(x, interval=False).eigenvalues, want, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("sizes", [[300], [1] * 300, [7, 293], [299, 1], [39, 2, 259]])
def test_any_split_of_a_stream_gives_the_same(sizes: list[int], rng: torch.Generator) -> None:
    x = planted(300, 40, 1.0, rng) * 1e-3 + 1e3
    want = torch.linalg.eigvalsh(torch.cov(x.T)).flip(0)
    torch.testing.assert_close(spectrum(iter(x.split(sizes))).eigenvalues, want, rtol=1e-9, atol=0)


def test_large_mean_tiny_spread_in_float32_has_no_negative_eigenvalue(rng: torch.Generator) -> None:
    x = (planted(400, 200, 3.0, rng) * 0.1 + 100).float()
    got = spectrum(x)
    assert bool((got.eigenvalues >= 0).all())
    torch.testing.assert_close(
        got.eigenvalues, torch.linalg.eigvalsh(torch.cov(x.double().T)).flip(0), rtol=1e-8, atol=1e-16
    )
    rounded = spectrum((planted(400, 200, 3.0, rng) * 0.1 + 1e4).float())
    assert 40 < rounded.n_above_floor < 65
    torch.testing.assert_close(rounded.floor, 1e4 * got.floor, rtol=1e-3, atol=0)


def test_numpy_integers_and_half_precision(rng: torch.Generator) -> None:
    counts = torch.randint(0, 9, (50, 6), generator=rng)
    want = torch.linalg.eigvalsh(torch.cov(counts.double().T)).flip(0)
    torch.testing.assert_close(spectrum(counts.numpy()).eigenvalues, want)
    torch.testing.assert_close(spectrum(counts.to(torch.bfloat16)).eigenvalues, want)
    frozen = counts.double().numpy()
    frozen.flags.writeable = False
    torch.testing.assert_close(spectrum(frozen).eigenvalues, want)


def test_planted_exponent_is_recovered(rng: torch.Generator) -> None:
    x = planted(20000, 100, 1.5, rng)
    law = spectrum(x).power_law(window=(5, 50))
    assert law.interval[0] < 1.5 < law.interval[1] + 0.02
    assert law.interval[1] - law.interval[0] < 0.05


def test_a_code_is_borrowed(rng: torch.Generator, leaves_no_trace) -> None:  # type: ignore[no-untyped-def]
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    x = torch.rand(30, 1, 4, 4, generator=rng)
    leaves_no_trace(net, x, lambda: spectrum(at(net, "3"), x))
    leaves_no_trace(net, x, lambda: spectrum(net, x, batch_size=7))
    net.eval()
    want = spectrum(net[:4](x).detach())
    torch.testing.assert_close(spectrum(at(net, "3"), x, batch_size=7).eigenvalues, want.eigenvalues)


def test_record_travels(rng: torch.Generator, tmp_path) -> None:  # type: ignore[no-untyped-def]
    spec = spectrum(planted(60, 30, 1.0, rng))
    spec.save(tmp_path)
    back = Spectrum.load(tmp_path)
    assert back.power_law((2, 20)) == spec.power_law((2, 20))
    np.testing.assert_array_equal(np.asarray(back.eigenvalues), np.asarray(spec.eigenvalues))


def test_wrong_input_is_refused(rng: torch.Generator, unchecked: None) -> None:
    x = torch.randn(20, 5, generator=rng)
    for bad in (x[:1], x[0], torch.cat([x, x.new_full((1, 5), torch.nan)]), iter([])):
        with pytest.raises(InputError):
            spectrum(bad)
    with pytest.raises(InputError, match="no points"):
        spectrum(nn.Linear(5, 2))
    with pytest.raises(InputError, match="window"):
        spectrum(x).power_law()


@pytest.mark.usefixtures("unchecked")
def test_eigenvalues_in_another_order_are_refused_and_the_advice_works() -> None:
    rising = np.arange(1.0, 6.0)
    for given in (rising, rising.tolist(), torch.from_numpy(rising), rising[[3, 1, 0, 2, 4]]):
        with pytest.raises(InputError, match=r"not in order[\s\S]*sort\(descending=True\)"):
            Spectrum(given, n_samples=9, n_units=5)  # type: ignore[arg-type]
        found = Spectrum(torch.as_tensor(given).sort(descending=True).values, n_samples=9, n_units=5)
        assert found.eigenvalues.tolist() == [5, 4, 3, 2, 1]
    Spectrum(torch.tensor([3.0, 3.0, 0.0]), n_samples=9, n_units=5)
    for bad in (torch.eye(3), torch.tensor([2.0, torch.nan])):
        with pytest.raises(InputError, match="not a spectrum"):
            Spectrum(bad, n_samples=9, n_units=5)
    assert Spectrum(rising, 9, 5, kind="cvpca").eigenvalues.tolist() == [1, 2, 3, 4, 5]  # type: ignore[arg-type]


def test_wide_responses_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch, rng: torch.Generator) -> None:
    x = torch.randn(20, 300, generator=rng) + 5
    whole = spectrum(x)
    monkeypatch.setattr("eigencode.spectra._covariance.ELEMENTS", 20 * 7)
    parts = spectrum(x)
    torch.testing.assert_close(parts.eigenvalues, whole.eigenvalues)
    torch.testing.assert_close(parts.influence, whole.influence)
    assert parts.floor == pytest.approx(whole.floor)


@pytest.mark.parametrize(("n", "units"), [(300, 40), (40, 90)])
def test_batches_in_one_memory_are_copied(n: int, units: int) -> None:
    x = torch.randn(n, units, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    memory = torch.empty(10, units, dtype=torch.float64)

    def batches() -> Iterator[Tensor]:
        for part in x.split(10):
            yield memory.copy_(part)

    found = spectrum(batches(), interval=False)
    torch.testing.assert_close(found.eigenvalues, spectrum(x, interval=False).eigenvalues)


@pytest.mark.parametrize("measure", [
    lambda x: cvpca(x[0], x[1]).eigenvalues,
    lambda x: float(signal_spectrum(x).alpha),
    lambda x: Draws(0, range(3)).normal((4,)),
], ids=["cvPCA", "moments", "noise"])  # fmt: skip
def test_draws_do_not_depend_on_the_default_type_of_torch(measure: Callable) -> None:
    g = torch.Generator().manual_seed(0)
    signal = torch.randn(300, 30, generator=g, dtype=torch.float64) * torch.arange(1, 31) ** -0.5
    x = signal + 0.3 * torch.randn(2, 300, 30, generator=g, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = measure(x)
        try:
            torch.set_default_dtype(torch.float64)
            found = measure(x)
        finally:
            torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(found, known, rtol=0, atol=0)
