"""The covariance spectrum of 10 000 × 2000 responses, against float32 `eigvals` of the full covariance.

The last row is the covariance of the straightforward way alone, without any eigenvalue: no way that computes a
covariance has a larger ratio, in single precision or in double.
"""

import torch

from benchmarks.timing import Result, best
from eigencode.data import random_basis
from eigencode.spectra import spectrum


def run() -> list[Result]:
    generator = torch.Generator().manual_seed(0)
    scale = torch.arange(1, 2001) ** -0.5
    x = torch.randn(10_000, 2000, generator=generator) * scale @ random_basis(2000).float()  # no unit is a component

    def covariance() -> torch.Tensor:
        centred = x - x.mean(0)
        return centred.T @ centred / (len(x) - 1)

    def straightforward() -> torch.Tensor:
        return torch.linalg.eigvals(covariance()).real.sort(descending=True).values

    found = spectrum(x, interval=False).eigenvalues
    error = float((straightforward().double()[:100] / found[:100] - 1).abs().max())
    ways = (straightforward, lambda: spectrum(x, interval=False), lambda: spectrum(x), covariance)
    slow, fast, whole, alone = best(*ways, repeats=2)
    work = "covariance spectrum 10 000×2000"
    return [
        Result(f"{work}, float64", slow, fast, 6.0, f"first 100 eigenvalues agree to {error:.0e}"),
        Result(f"{work}, with what an interval needs", slow, whole, float("nan"), "as above"),
        Result(f"{work}, the float32 covariance alone", slow, alone, float("nan"), "part of the straightforward way"),
    ]
