"""Show that the straight tail of a published spectrum is rounding error: one layer in float32 and in float64.

    python examples/float32_floor.py                                   a small layer on MNIST-5k, seconds
    python examples/float32_floor.py --data cifar10 --data-dir DIR --network STORE/steps/local-…/network.safetensors

Trains a Krotov-Hopfield layer, or loads one trained by a study, takes its responses at PLACE to the test images
and to Gaussian noise, and fits the power law to the eigenvalues of their covariance from both procedures, for all
units and for those that pruning keeps.  In float32 the eigenvalues below about 1e-7 of the first are rounding errors,
half of them negative; the positive ones flatten the fit and look like a longer power law.

PLACE is the pre-activation h ("encoder") by default: there the published numbers come out within a tenth, but not
with the code relu(h)^4.5 ("latent"), the input of the read-out (docs/spectra.md).
"""

import argparse
import json
from pathlib import Path

import torch

import eigencode as ec
from eigencode.models.files import load
from eigencode.models.stack import Stack
from eigencode.paper.published import eigenvalues
from eigencode.spectra.power_law import fit_line
from eigencode.study._provenance import provenance


def slope(values: torch.Tensor, window: tuple[int, int]) -> float | None:
    """α over the window; None if an eigenvalue in it is not positive."""
    good = len(values) >= window[1] and bool((values[window[0] - 1 : window[1]] > 0).all())
    return fit_line(values.double(), window, "uniform").alpha if good else None


def trained(train: ec.Images, units: int, epochs: int, seed: int) -> Stack:
    """Train a Krotov-Hopfield layer."""
    net = ec.models.krotov_hopfield(train, units=units, p=3.0, n=4.5, seed=seed)
    rule = ec.rules.KrotovHopfield(p=3.0, k=2, delta=0.4, precision="bfloat16")
    batch = min(1000, len(train) // 10)
    ec.train_local(net, train, rule, epochs=epochs, lr=0.02, batch_size=batch, seed=seed)
    return net


def fits(responses: torch.Tensor, shift: float, windows: list[tuple[int, int]]) -> dict:
    """Exponents and number of negative eigenvalues of one array of responses, by both procedures."""
    single, double = eigenvalues(responses, shift), ec.spectrum(responses, interval=False)
    rows = [
        {"window": w, "float32, as published": slope(single, w), "float64": slope(double.eigenvalues, w)}
        for w in windows
        if w[1] <= responses.shape[1]
    ]
    negative = {"float32, as published": int((single < 0).sum()), "float64": int((double.eigenvalues < 0).sum())}
    return {"negative eigenvalues": negative, "ranks above the rounding floor": double.n_above_floor, "fits": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist5k")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--units", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", type=Path, help="weights of a layer from a study, instead of training one")
    parser.add_argument("--place", choices=["encoder", "latent"], default="encoder", help="h, or relu(h)^4.5")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    chosen = parser.parse_args()
    train, test = ec.load(chosen.data, chosen.data_dir)
    net = load(chosen.network) if chosen.network else trained(train, chosen.units, chosen.epochs, chosen.seed)
    code = ec.at(net, chosen.place, space="unit")
    noise = torch.randn(len(test), *test.shape, generator=torch.Generator().manual_seed(chosen.seed))
    images = ec.at(net, "input")(test.x).reshape(len(test), *test.shape)
    units = len(net.encoder.weight)
    kept = torch.ones(units, dtype=torch.bool)
    kept[ec.models.prune(net, seed=chosen.seed).indices] = False
    measured = {}
    for name, points, windows in (
        ("images", images, [(11, 100), (11, 250), (11, 500), (11, 800)]),
        ("noise", noise, [(11, 100)]),
    ):
        with torch.no_grad():
            z = torch.cat([code(part) for part in points.split(1000)])
        shift = float(points[:1000].mean())
        measured[name] = fits(z, shift, windows)
        measured[f"{name}, pruned"] = fits(z[:, kept], shift, windows)
    found = {
        "data": chosen.data,
        "units": units,
        "kept": int(kept.sum()),
        "place": chosen.place,
        "network": "from a study" if chosen.network else f"{chosen.epochs} epochs, seed {chosen.seed}",
        "converged": float(ec.convergence(net).converged.double().mean()),
        "measured": measured,
        "provenance": provenance(),
    }
    print(f"{units} units, {found['kept']} after pruning, {len(test)} test images of {chosen.data}")
    for name, said in measured.items():
        print(f"{name}: negative eigenvalues {said['negative eigenvalues']}")
        for row in said["fits"]:
            low, high = row["window"]
            texts = [
                f"{n} {'–' if (a := row[n]) is None else f'{a:.3f}'}" for n in ("float32, as published", "float64")
            ]
            print(f"{name}: α over ranks {low}..{high}: " + ", ".join(texts))
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
