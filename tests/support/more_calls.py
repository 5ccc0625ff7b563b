"""Correct calls of public functions that read files, and of the methods of records, for the fuzz test."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import eigencode as ec
from eigencode import data, measures, models, penalties, robustness, rules, spectra, study

Call = tuple[Callable[..., Any], dict[str, Any]]


def draw(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(len(shape)))


def images() -> ec.Images:
    return ec.Images(draw(24, 1, 4, 4), torch.arange(24) % 4)


def net() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 4))


def kh() -> models.Stack:
    return models.krotov_hopfield(images(), units=6)


@cache
def files() -> "tempfile.TemporaryDirectory[str]":
    """A recording, a folder of pictures, a saved network and a study; deleted when the process ends."""
    made = tempfile.TemporaryDirectory()
    root = Path(made.name)
    np.save(root / "a.npy", draw(2, 9, 5).numpy())
    np.savez(root / "b.npz", responses=draw(8, 5).numpy(), shown=np.arange(8) % 4)
    for n in range(8):
        folder = root / "photos" / "ab"[n % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((draw(n + 1, 6, 6)[n].numpy() * 255).astype("uint8")).save(folder / f"{n}.png")
    models.save(kh(), root / "net.safetensors")
    (root / "study.toml").write_text('name = "a"\ndata = "digits"\n[models.A]\nkind = "perceptron"\nunits = 4\n')
    return made


def spectrum() -> ec.Spectrum:
    torch.manual_seed(0)
    return ec.spectrum(torch.randn(60, 30))


def critical() -> robustness.CriticalSizes:
    return robustness.critical_size(net(), images(), robustness.FGSM(), check=False)


def chosen() -> study.Study:
    return study.read_study(Path(files().name) / "study.toml")


def watched(network: nn.Module, penalty: penalties.Penalty) -> penalties.Watch:
    """A forward pass was watched."""
    with torch.no_grad(), penalties.watch(network, penalty) as seen:
        network(draw(3, 1, 4, 4))
    return seen


def methods() -> dict[str, Call]:
    spec, found, landscape = spectrum(), critical(), ec.landscape(net(), draw(1, 4, 4), "2", "pixel", points=2)
    curve = robustness.curve(net(), images(), robustness.FGSM(), eps=[0.1, 0.2], check=False)
    window, recording = (2, 20), data.Recording(draw(2, 5, 3), draw(7, 3))
    certified = robustness.certified_size(net(), images(), "l2", eps_max=1.0, tolerance=0.3)
    penalty, network = penalties.Spectral(place="1"), net()
    penalty.prepare(network, draw(9, 1, 4, 4), 0, 0)
    made = watched(network, penalty).batch(draw(3, 1, 4, 4), torch.arange(3))
    records = {"spectrum": spec, "critical": found, "curve": curve, "landscape": landscape}
    return {
        "Spectrum": (
            spectra.Spectrum,
            {"eigenvalues": torch.arange(9.0).flip(0), "n_samples": 9, "n_units": 9},
        ),
        "Spectrum.power_law": (spec.power_law, {"window": window, "weights": "1/n", "method": "least squares"}),
        "Spectrum.window_map": (spec.window_map, {"weights": "uniform", "points": 5}),
        "Spectrum.local_slope": (spec.local_slope, {"width": 1.0}),
        "Spectrum.compare": (spec.compare, {"window": window, "weights": "uniform"}),
        "WindowMap.spread": (spec.window_map().spread, {"window": window, "factor": 2.0}),
        "CriticalSizes.quantile": (
            found.quantile,
            {"q": 0.5, "of": "distance", "errors_as_zero": True, "confidence": 0.9},
        ),
        "CertifiedSizes.quantile": (certified.quantile, {"q": 0.5, "errors_as_zero": True, "confidence": 0.9}),
        "Recording.keep": (
            recording.keep,
            {"units": torch.tensor([True, True, False]), "stimuli": torch.arange(5) < 4, "note": "a"},
        ),
        "PlantedCode.sample": (data.PlantedCode.of(4, 1.0).sample, {"n": 3, "seed": 0}),
        "PlantedCode.repeats": (data.PlantedCode.of(4, 1.0).repeats, {"n": 3, "count": 2, "snr": 1.0, "seed": 0}),
        "Images.split": (images().split, {"fraction": 0.5, "seed": 0}),
        "Images[]": (images().__getitem__, {"index": torch.arange(3)}),
        "Code.points": (ec.between(net(), "1", "3").points, {"images": draw(3, 1, 4, 4)}),
        "Pruning.apply": (models.prune(kh()).apply, {"net": kh(), "at": None}),
        "Lp.selected": (penalties.Lp().selected, {"net": net()}),
        "Spectral.prepare": (penalties.Spectral(place="1").prepare, {"net": net(), "x": draw(9, 1, 4, 4), "epoch": 0}),
        "call penalty": (penalty, {"batch": made}),
        "Batch.at": (made.at, {"place": "1"}),
        "Batch.points": (made.points, {"space": "pixel"}),
        **{f"{name}.to_dataset": (record.to_dataset, {}) for name, record in records.items()},
        **{f"{name}.to_frame": (record.to_frame, {}) for name, record in records.items()},
        **{f"repr of {name}": (record.__repr__, {}) for name, record in records.items()},
    }


@cache
def more() -> dict[str, Call]:
    """A correct call of each."""
    root = Path(files().name)
    planned = {"study": chosen()}
    return {
        **methods(),
        "heldout_spectrum": (
            spectra.heldout_spectrum,
            {"code": net(), "train": draw(9, 1, 4, 4), "test": draw(8, 1, 4, 4) / 2, "batch_size": 4, "seed": 0},
        ),
        "heldout_spectrum of arrays": (
            spectra.heldout_spectrum,
            {"code": lambda z: z, "train": draw(9, 4), "test": draw(8, 4) / 2},
        ),
        "injected_noise_spectrum": (
            spectra.injected_noise_spectrum,
            {"code": net(), "x": draw(9, 1, 4, 4), "sigma": 0.1, "swaps": 2, "batch_size": 4, "seed": 0},
        ),
        "leading_spectrum": (
            spectra.leading_spectrum,
            {
                **{"code": net(), "x": draw(9, 1, 4, 4), "top": 2, "passes": 2, "oversampling": 1},
                **{"batch_size": 4, "seed": 0},
            },
        ),
        "spectra_by_width": (
            spectra.spectra_by_width,
            {
                **{"code": net(), "x": draw(9, 1, 4, 4), "widths": (2, 3), "order": "first", "interval": True},
                **{"points": False, "batch_size": 4, "seed": 0},
            },
        ),
        "shuffled_control": (spectra.shuffled_control, {"repeat_1": draw(9, 5), "repeat_2": 2 * draw(9, 5), "seed": 0}),
        "participation_ratio": (spectra.participation_ratio, {"eigenvalues": draw(5)}),
        "rankme": (spectra.rankme, {"eigenvalues": draw(5), "epsilon": 1e-7}),
        "effective_rank": (spectra.effective_rank, {"eigenvalues": draw(5)}),
        "entropy_rank": (spectra.entropy_rank, {"values": draw(5), "epsilon": 0.0}),
        "lidar": (spectra.lidar, {"embeddings": draw(4, 3, 2), "delta": 1e-4, "epsilon": 1e-7}),
        "read_recording": (
            data.read_recording,
            {"path": root / "b.npz", "key": "responses", "axes": "su", "labels": "shown", "blank": None},
        ),
        "read_recording of three axes": (data.read_recording, {"path": root / "a.npy", "axes": "rsu"}),
        "read_folder": (
            data.read_folder,
            {"path": root / "photos", "seed": 0, "split": True, "classes": ["b", "a"], "resize": 5, "crop": 4},
        ),
        "fetch": (data.fetch, {"name": "digits", "data_dir": None}),
        "available": (data.available, {"data_dir": None}),
        "gaussian_noise": (data.gaussian_noise, {"n": 3, "shape": (1, 2, 2), "seed": 0}),
        "photograph_crops": (data.photograph_crops, {"n_train": 2, "n_test": 2, "size": 4, "seed": 0}),
        "PlantedCode.of": (data.PlantedCode.of, {"units": 4, "alpha": 1.0, "kind": "relu", "seed": 0}),
        "random_basis": (data.random_basis, {"units": 3, "seed": 0}),
        "repu_covariance": (data.repu_covariance, {"covariance": torch.eye(3).double(), "power": 2.0}),
        "masking_checks": (
            robustness.masking_checks,
            {"net": net(), "test": images(), "space": "pixel", "images": 3, "subset": None, "seed": 0, "warn": False},
        ),
        "AutoAttack": (robustness.AutoAttack, {"norm": "linf", "version": "standard", "attacks": ()}),
        "Foolbox": (robustness.Foolbox, {"attack": "DDN", "norm": "l2", "settings": {}}),
        "Sphere": (robustness.Sphere, {"clip": None}),
        "models.build": (models.build, {"where": "torch.nn:Linear", "settings": {"in_features": 2, "out_features": 1}}),
        "models.load": (models.load, {"path": root / "net.safetensors", "where": None}),
        "models.load_weights": (models.load_weights, {"net": kh(), "path": root / "net.safetensors"}),
        "models.save": (
            models.save,
            {"net": nn.Linear(2, 1), "path": root / "n.safetensors", "where": "torch.nn:Linear"}
            | {"settings": {"in_features": 2, "out_features": 1}},
        ),
        "local_layer": (models.local_layer, {"net": kh(), "at": None}),
        "local_layers": (models.local_layers, {"net": kh()}),
        "TwoClasses": (models.TwoClasses, {"net": net()}),
        "spectral_loss": (
            penalties.spectral_loss,
            {"variances": draw(5), "alpha": 1.0, "tau": 0, "anchor_gradient": False},
        ),
        "watch": (penalties.watch, {"net": net(), "penalties": penalties.Jacobian("1")}),
        "weighted": (
            penalties.weighted,
            {"penalties": [(0.1, penalties.Lp())], "batch": penalties.Batch(net(), draw(3, 1, 4, 4))},
        ),
        "needs_pixels": (penalties.needs_pixels, {"penalties": [(0.1, penalties.Lp())]}),
        "KrotovHopfieldSequential": (rules.KrotovHopfieldSequential, {"p": 3.0, "k": 2, "delta": 0.4, "losers": "kth"}),
        "Curve measure": (
            measures.CurveMeasure,
            {"attack": robustness.FGSM(), "eps": (0.1, 1.0), "points": 3, "exhaustive": False, "read": (0.1,)},
        ),
        "Jacobian measure": (
            measures.JacobianMeasure,
            {"space": "pixel", "images": 3, "method": "auto", "projections": 3},
        ),
        "Landscape measure": (
            measures.LandscapeMeasure,
            {"image": 0, "space": "pixel", "radius": 2.0, "relative": False, "points": 3},
        ),
        "read_study": (study.read_study, {"path": root / "study.toml", "overrides": ("seeds=[1]",)}),
        "plan": (study.plan, {**planned, "data_dir": None}),
        "part": (study.part, {**planned, "models": ["A"]}),
        "Places.to_frame": (ec.places(net(), draw(3, 1, 4, 4)).to_frame, {}),
    }
