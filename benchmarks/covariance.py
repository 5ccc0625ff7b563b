"""The covariance spectrum of 10 000 × 2000 responses, against float32 `eigvals` of the full covariance."""

import torch

from benchmarks.timing import Result, best
from eigencode.data import random_basis
from eigencode.spectra import spectrum


def run() -> list[Result]:
    generator = torch.Generator().manual_seed(0)
    scale = torch.arange(1, 2001) ** -0.5
    x = torch.randn(10_000, 2000, generator=generator) * scale @ random_basis(2000).float()  # no unit is a component

    def straightforward() -> torch.Tensor:
        centred = x - x.mean(0)
        return torch.linalg.eigvals(centred.T @ centred / (len(x) - 1)).real.sort(descending=True).values

    found = spectrum(x, interval=False).eigenvalues
    error = float((straightforward().double()[:100] / found[:100] - 1).abs().max())
    slow, fast, whole = best(straightforward, lambda: spectrum(x, interval=False), lambda: spectrum(x), repeats=2)
    work = "covariance spectrum 10 000×2000"
    return [
        Result(f"{work}, float64", slow, fast, 6.0, f"first 100 eigenvalues agree to {error:.0e}"),
        Result(f"{work}, with what an interval needs", slow, whole, float("nan"), "as above"),
    ]
