"""Figure: spectrum, smoothness and sensitivity of three codes.    python examples/concepts.py --out published/concepts

Three codes of an angle θ with units cos kθ and sin kθ of variance k^(−α), so their spectra are known.  For a stimulus
of dimension d = 1 the bound of Stringer et al. (2019) is α = 1 + 2/d = 3: the derivative of a code below it diverges
with the number of units, so with noisy responses ever closer angles cannot be distinguished.
"""

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

import eigencode as ec
from eigencode.report.figures._style import save, style
from eigencode.report.view import PALETTE

ALPHAS = (1.5, 3.0, 4.5)
WIDTHS = (16, 32, 64, 128, 256, 512, 1024)


def fourier(alpha: float, units: int) -> Callable[[Tensor], Tensor]:
    """A code with two units per frequency, so that the variances of ranks 2k − 1 and 2k are both k^(−α)."""
    k = torch.arange(1, units // 2 + 1, dtype=torch.float64)
    size = k ** (-alpha / 2)

    def code(theta: Tensor) -> Tensor:
        return torch.cat([size * torch.cos(k * theta), size * torch.sin(k * theta)], dim=1)

    return code


def measured(alpha: float, angles: int) -> dict[str, list[float] | float]:
    """Spectrum and exponent of a code, one projection of it onto a random direction, and its derivative by width."""
    theta = torch.linspace(0, 2 * math.pi, angles + 1, dtype=torch.float64)[:-1, None]
    code = fourier(alpha, WIDTHS[-1])
    spectrum = ec.spectrum(code(theta), interval=False)
    direction = torch.randn(WIDTHS[-1], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen = code(theta) @ direction
    stretch = [float(ec.jacobian_norm(fourier(alpha, n), theta[:1], "exact").value[0]) for n in WIDTHS]
    return {
        "alpha": alpha,
        "alpha_measured": spectrum.power_law(window=(11, 500)).alpha,
        "eigenvalues": spectrum.eigenvalues[:500].tolist(),
        "projection": (seen / seen.std()).tolist(),
        "jacobian_norm": stretch,
    }


def drawn(found: list[dict]) -> Figure:
    """Figure of three panels: the spectra, one projection of each code, and the norm of its derivative by width."""
    figure = Figure(figsize=(7.0, 2.2))
    spectra, seen, stretch = figure.subplots(1, 3)
    for colour, code in zip(PALETTE[1:], found):
        label = f"α = {code['alpha']:g}"
        spectra.loglog(range(1, 501), code["eigenvalues"], color=colour, label=label)
        n = len(code["projection"])
        height = 6 * found.index(code)
        seen.plot([2 * i / n for i in range(n)], [height + v for v in code["projection"]], color=colour, linewidth=0.6)
        stretch.loglog(WIDTHS, code["jacobian_norm"], marker="o", markersize=3, color=colour)
    spectra.set(xlabel="rank n", ylabel="eigenvalue λₙ", title="spectrum …")
    spectra.legend()
    seen.set(xlabel="angle θ / π", yticks=[], title="… smoothness …")
    stretch.set(xlabel="units", ylabel="‖∂z/∂θ‖", title="… and sensitivity")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--angles", type=int, default=4096)
    parser.add_argument("--out", type=Path, default=Path("concepts"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    found = [measured(alpha, chosen.angles) for alpha in ALPHAS]
    with style():
        save(drawn(found), chosen.out / "smoothness")
    kept = [{k: v for k, v in code.items() if k in ("alpha", "alpha_measured", "jacobian_norm")} for code in found]
    text = json.dumps({"angles": chosen.angles, "widths": WIDTHS, "codes": kept}, indent=1)
    (chosen.out / "smoothness.json").write_text(text + "\n", encoding="utf-8")
    for code in kept:
        print(f"α = {code['alpha']}: measured {code['alpha_measured']:.3f}, ‖∂z/∂θ‖ by width", end=" ")
        print(" ".join(f"{v:.2f}" for v in code["jacobian_norm"]))


if __name__ == "__main__":
    main()
