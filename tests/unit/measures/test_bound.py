"""The bound λ₁ / n: of planted spectra, and of the same responses by another library."""

import numpy as np
import pytest
import torch

import eigencode as ec
from eigencode.measures import BoundMeasure, Subject
from eigencode.spectra import Spectrum


def largest(values: list[float]) -> float:
    (found,) = BoundMeasure().readings(Spectrum(torch.tensor(values, dtype=torch.float64), 100, len(values)))
    return found.value


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([n**-2.0 for n in range(1, 9)], 0.5),
        ([1 / n for n in range(1, 9)], 1.0),
        ([n**-0.5 for n in range(1, 10)], 3.0),
        ([8.0, 4.0, 4.0, 4.0, 0.0], 2.0),  # one rank is enough
        ([5.0], float("nan")),
        ([0.0, 0.0], float("nan")),
    ],
)
def test_planted_spectra(values: list[float], expected: float) -> None:
    assert largest(values) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("source", ["images", "noise"])
def test_of_a_network(source: str) -> None:
    _, test = ec.load("digits")
    net = ec.models.krotov_hopfield(test, units=9)
    measure = BoundMeasure(source, samples=200)  # type: ignore[arg-type]
    (found,) = measure.readings(measure.measure(Subject(net, test, "encoder")))  # type: ignore[arg-type]
    drawn = ec.data.noise.gaussian_noise(200, (1, 1, 64), seed=0).reshape(-1, *test.shape)
    points = drawn if source == "noise" else net.norm(test.x[:200])  # type: ignore[operator]
    z = (points.flatten(1) @ net.encoder.matrix().T).detach().double().numpy()  # type: ignore[operator, union-attr]
    values = np.linalg.eigvalsh(np.cov(z.T))[::-1]
    assert found.value == pytest.approx(max(n * v / values[0] for n, v in enumerate(values, 1) if n > 1), rel=1e-5)
