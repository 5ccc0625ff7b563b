"""Whatever the public functions are called with, the only errors are ours; `TypeError` for wrong signatures only.

Each call is a correct one in which one argument is replaced by a hostile value.
"""

import copy
import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from more_calls import Call, draw, images, kh, more, net
from torch import Tensor, nn

import eigencode as ec
from eigencode import data, geometry, measures, models, penalties, robustness, rules, spectra, training
from eigencode.base.errors import EigencodeError
from eigencode.base.types import Bounds


def attacked() -> dict[str, Any]:
    return {"logits": net(), "x": draw(3, 1, 4, 4), "y": torch.arange(3), "eps": 0.1}


def found() -> Any:
    return ec.robustness.critical_size(net(), images(), robustness.FGSM(), check=False)


@cache
def calls() -> dict[str, Call]:
    """A correct call of everything public, cheap enough for thousands of them."""
    small: dict[str, Any] = {"net": net(), "test": images(), "check": False}
    return {
        "train_local": (
            training.train_local,
            {"net": kh(), "train": images(), "rule": None, "epochs": 1, "lr": 0.01, "at": None},
        ),
        "train_supervised": (
            training.train_supervised,
            {
                **{"net": net(), "train": images(), "parameters": "all", "epochs": 1, "lr": 0.01, "batch_size": 12},
                **{"penalties": [(0.1, penalties.Lp())], "seed": 0, "validation": None, "patience": None},
            },
        ),
        "fit_readout": (
            training.fit_readout,
            {
                "net": kh(),
                "train": images(),
                "at": "readout",
                "strength": None,
                "seed": 0,
                "held_out": 0.5,
                "dual": None,
            },
        ),
        "Adversarial": (training.Adversarial, {"attack": robustness.FGSM(), "eps": 0.1, "space": "pixel"}),
        "Schedule": (
            training.Schedule,
            {"kind": "linear", "boundaries": (), "factors": (1.0,), "start": 0, "scale": 1.0},
        ),
        "krotov_hopfield": (
            models.krotov_hopfield,
            {"train": images(), "units": 4, "p": 3.0, "n": 2.0, "spread": 1.0, "seed": 0},
        ),
        "perceptron": (
            models.perceptron,
            {"train": images(), "units": 4, "batch_norm": False, "n": 1.0, "norm_p": 2.0},
        ),
        "UnitNorm": (models.UnitNorm, {"p": 3.0}),
        "RePU": (models.RePU, {"n": 3.0}),
        "Dense": (models.Dense, {"inputs": 3, "units": 4, "generator": None}),
        "LocalDense": (models.LocalDense, {"weight": draw(3, 4), "rule": rules.KrotovHopfield()}),
        "LocalConv2d": (
            models.LocalConv2d,
            {"weight": draw(3, 4), "rule": rules.KrotovHopfield(), "kernel": 2, "stride": 1},
        ),
        "Stack": (models.Stack, {"layers": {"a": nn.Flatten()}, "shape": (1, 4, 4), "places": {}}),
        "Standardised": (models.Standardised, {"net": net(), "mean": (0.5,), "std": (0.5,)}),
        "as_expected": (
            models.as_expected,
            {"net": net(), "expects": "0-255", "images": images(), "mean": None, "std": None},
        ),
        "prune": (models.prune, {"net": kh(), "max_components": 2, "seed": 0, "at": None}),
        "convergence": (models.convergence, {"net": kh(), "at": None}),
        "initialise": (models.initialise, {"net": kh(), "rule": rules.KrotovHopfield(), "seed": 0, "at": None}),
        "update": (rules.KrotovHopfield().update, {"x": draw(5, 4), "W": draw(3, 4)}),
        "towards_radius": (
            rules.towards_radius,
            {"weight": draw(3, 4), "wins": torch.arange(3), "p": 2.0, "radius": 1.0},
        ),
        "KrotovHopfield": (rules.KrotovHopfield, {"p": 3.0, "k": 2, "delta": 0.4, "radius": 1.0, "spread": 1.0}),
        "Lp": (penalties.Lp, {"p": 2.0, "parameters": "all"}),
        "Jacobian": (
            penalties.Jacobian,
            {"place": "latent", "projections": 1, "method": "auto", "space": "pixel", "seed": 0},
        ),
        "Spectral": (penalties.Spectral, {"alpha": 1.0, "tau": 0, "place": "latent", "refresh": "epoch"}),
        "active": (penalties.active, {"penalties": [(0.1, penalties.Lp())]}),
        "Bounds": (Bounds, {"lower": 0.0, "upper": 1.0}),
        "FGSM": (robustness.FGSM, {"norm": "l2", "loss": "margin"}),
        "PGD": (
            robustness.PGD,
            {"norm": "l2", "steps": 2, "step": None, "restarts": 1, "keep": "best", "loss": "margin"},
        ),
        "DDN": (robustness.DDN, {"steps": 2, "gamma": 0.1, "radius": None, "step": 1.0, "loss": "margin"}),
        "FMN": (robustness.FMN, {"norm": "l2", "steps": 2, "gamma": 0.1, "step": 1.0, "loss": "margin"}),
        "Square": (robustness.Square, {"norm": "l2", "steps": 2, "share": 0.5}),
        "Gaussian": (robustness.Gaussian, {"clip": None}),
        "call FGSM": (robustness.FGSM(), attacked()),
        "call PGD": (robustness.PGD(steps=2), attacked()),
        "call Gaussian": (robustness.Gaussian(), attacked()),
        "critical_size": (
            robustness.critical_size,
            {
                **small,
                "attack": robustness.FGSM(),
                "space": "pixel",
                "eps_max": 1.0,
                "eps_min": 0.1,
                "tolerance": 0.3,
                "subset": None,
            },
        ),
        "curve": (
            robustness.curve,
            {**small, "attack": robustness.FGSM(), "eps": [0.1, 0.2], "space": "pixel", "seed": 0},
        ),
        "certified_size": (
            robustness.certified_size,
            {"net": net(), "test": images(), "norm": "l2", "eps_max": 1.0, "tolerance": 0.3},
        ),
        "common_correct": (robustness.common_correct, {"nets": [net()], "test": images(), "space": "pixel"}),
        "quantile": (robustness.quantile, {"size": draw(9), "censored": draw(9) > 0.5, "q": 0.5, "confidence": 0.9}),
        "wilson": (robustness.wilson, {"successes": draw(3) * 5, "n": 9, "confidence": 0.9}),
        "worst_case": (robustness.worst_case, {"results": [found()]}),
        "Spectrum measure": (
            measures.SpectrumMeasure,
            {"source": "images", "samples": None, "window": (1, 4), "space": "unit"},
        ),
        "Critical measure": (measures.CriticalMeasure, {"attack": robustness.FGSM(), "space": "unit", "images": 3}),
        "at": (ec.at, {"module": net(), "place": "2", "space": "pixel", "reduce": "flatten"}),
        "call at": (ec.at(net(), "2"), {"x": draw(3, 1, 4, 4)}),
        "between": (ec.between, {"module": net(), "start": "1", "end": "logits", "reduce": "flatten"}),
        "trace": (
            ec.trace,
            {"module": net(), "x": draw(3, 1, 4, 4), "places": ["1", "2"], "start": "pixel", "reduce": "mean"},
        ),
        "places": (ec.places, {"module": net(), "x": draw(3, 1, 4, 4)}),
        "jacobian_norm": (
            geometry.jacobian_norm,
            {
                **{"code": net(), "x": draw(3, 1, 4, 4), "method": "auto", "projections": 3},
                **{"points": False, "batch_size": 2, "seed": 0},
            },
        ),
        "jacobian_norm of a layer": (geometry.jacobian_norm, {"code": ec.at(net(), "2"), "x": draw(3, 1, 4, 4)}),
        "landscape": (
            geometry.landscape,
            {
                **{"net": net(), "x0": draw(1, 4, 4), "place": "2", "space": "pixel", "radius": 1.0, "points": 2},
                **{"seed": 0, "relative": False, "rays": 2, "method": "auto", "projections": 3, "batch_size": 2},
            },
        ),
        "landscape_through": (
            geometry.landscape_through,
            {
                **{"net": net(), "a": draw(1, 4, 4), "b": draw(1, 1, 4, 4), "c": 1 - draw(1, 4, 4)},
                **{"place": "2", "space": "pixel", "points": 2, "rays": 2, "margin": 0.5},
            },
        ),
        "spectral_norm": (
            geometry.spectral_norm,
            {
                **{"code": net(), "x": draw(3, 1, 4, 4), "iterations": 3, "tolerance": 0.1},
                **{"points": False, "batch_size": 2, "seed": 0},
            },
        ),
        "tangents": (
            geometry.tangents,
            {
                **{"code": net(), "images": images(), "kinds": ["neighbour", "rotation"], "directions": 1, "steps": 2},
                **{"shift": 1.0, "angle": 5.0, "batch_size": 2, "seed": 0},
            },
        ),
        "lipschitz_upper": (
            geometry.lipschitz_upper,
            {
                **{"net": net(), "place": "logits", "space": "pixel", "radius": 9.0, "smallest": 0.1},
                **{"x": draw(3, 1, 4, 4)},
            },
        ),
        "spectrum": (
            spectra.spectrum,
            {
                **{"code": net(), "x": draw(9, 1, 4, 4), "interval": True, "points": False},
                **{"batch_size": 4, "seed": 0},
            },
        ),
        "spectrum of an array": (spectra.spectrum, {"code": draw(9, 5)}),
        "spectra_at": (
            spectra.spectra_at,
            {
                **{"net": net(), "x": draw(9, 1, 4, 4), "places": ["1", "2"], "start": "pixel", "reduce": "flatten"},
                **{"interval": True, "batch_size": 4, "seed": 0},
            },
        ),
        "cvpca": (spectra.cvpca, {"repeat_1": draw(9, 5), "repeat_2": draw(9, 5) + 0.1, "swaps": 2, "seed": 0}),
        "cvpca of all": (spectra.cvpca, {"repeat_1": draw(3, 9, 5), "repeat_2": None, "swaps": 2}),
        "cross_spectrum": (
            spectra.cross_spectrum,
            {"a": draw(9, 5), "b": draw(9, 3) + 0.1, "folds": 2, "repetitions": 1, "seed": 0},
        ),
        "signal_spectrum": (
            spectra.signal_spectrum,
            {"responses": draw(2, 9, 5), "moments": 2, "pairings": 1, "draws": 100, "seed": 0},
        ),
        "Images": (ec.Images, {"pixels": draw(4, 1, 3, 3), "y": torch.arange(4), "classes": None, "name": "a"}),
        "Images.of": (ec.Images.of, {"given": (draw(4, 1, 3, 3), torch.arange(4))}),
        "load": (data.load, {"name": "digits", "data_dir": None}),
        "Recording": (
            data.Recording,
            {
                **{"responses": draw(2, 5, 3), "spontaneous": draw(7, 3), "stimuli": (0, 1, 2, 3, 4)},
                **{"name": "a", "array": "b", "notes": ()},
            },
        ),
        "Recording.of": (
            data.Recording.of,
            {
                **{"responses": draw(4, 3), "labels": torch.tensor([0, 1, 0, 1]), "blank": None},
                **{"spontaneous": draw(7, 3), "name": "a"},
            },
        ),
        "prepared": (
            data.prepared,
            {
                **{"recording": data.Recording(draw(2, 5, 3), draw(7, 3)), "nan": "error", "constant": "error"},
                **{"zscore": True, "remove_spontaneous": 1},
            },
        ),
        "probe": (
            ec.probe,
            {
                **{"net": net(), "test": images(), "place": "1", "images": 3, "window": (1, 3), "weights": "uniform"},
                **{"attacks": {"FGSM": robustness.FGSM()}, "points": 0, "method": "auto", "trained": False},
                **{"name": "", "notes": (), "batch_size": 30, "seed": 0},
            },
        ),
        "profile": (
            ec.profile,
            {
                **{"net": net(), "test": images(), "places": ["1"], "reduce": "mean", "window": (1, 3)},
                **{"weights": "uniform", "interval": False, "jacobian": 2, "method": "auto", "notes": ()},
                **{"batch_size": 30, "seed": 0},
            },
        ),
        **more(),
    }


class Odd:
    """Something of no use, without surprises when it is printed."""


def hostile(good: Any) -> list[Any]:
    """Values in place of a good one."""
    common = [None, "x", "", True, -1, 0, 2.5, math.nan, math.inf, -math.inf, 1e155, 10**30, b"x", Odd(), Odd, len]
    common += [[], (), {}, {"a": 1}, [None], ["x"], [1.0], [[1], [1, 2]], 1j, np.float32(2.0), np.int64(2), np.bool_(1)]
    common += [np.ones(3), np.ones((2, 2), "complex64"), np.full((4, 3), 1e155), np.ones((4, 3), "uint16")]
    common += [np.array([[1, "a"]], object), np.array(["a", "b"]), np.zeros((3, 2), "M8[s]"), np.zeros(3, "i4,f4")]
    common += [np.dtype("float32"), np.float64, torch.float32]
    odd = [torch.empty(0), torch.tensor(1.0), draw(2, 3).to_sparse(), draw(2, 3).to("meta"), draw(2, 3).cfloat()]
    odd += [nn.Linear(3, 2), nn.Sequential(), torch.ones(2, 3, dtype=torch.int8), torch.ones(2, 3).bool()]
    odd += [torch.full((4, 3), 1e200, dtype=torch.float64), torch.ones(3, 2).to_mkldnn(), torch.empty(3, 0)]
    if isinstance(good, Tensor):
        wrong = [good.double(), good.half(), good.bfloat16(), good.cfloat(), good.bool(), good.long(), good.to("meta")]
        wrong += [
            good.to_sparse(),
            good[:0],
            good[..., :0],
            good[:1],
            good[None],
            good.flatten(),
            good.numpy(),
            good.tolist(),
        ]
        wrong += [good.float() * v for v in (math.nan, math.inf, 1e155, -1.0, 0.0)] + [
            good.double() * 1e155,
            good.mT if good.ndim > 1 else good,
        ]
        odd += [*wrong, good.clone().float().requires_grad_(), good.repeat_interleave(2, 0)[::2]]
    if isinstance(good, nn.Module):
        odd += [
            nn.Sequential(nn.Flatten(), nn.Linear(16, 4)).double(),
            nn.Sequential(nn.Flatten(), nn.Linear(5, 4)),
            nn.Identity(),
        ]
        odd += [nn.Sequential(nn.Flatten(), nn.Linear(16, 1)), nn.Sequential(nn.Flatten(), nn.Linear(16, 4)).to("meta")]
    return [*common, *odd]


@cache
def choices() -> list[tuple[str, str, int]]:
    """Every call, argument and hostile value, by number."""
    return [(n, a, i) for n in calls() for a, good in calls()[n][1].items() for i in range(len(hostile(good)))]


def survives(name: str, argument: str, number: int) -> bool:
    """The call works, or ends in an error of ours."""
    function, good = copy.deepcopy(calls()[name])
    bad = hostile(good[argument])[number]
    try:
        function(**{**good, argument: bad})
    except EigencodeError:
        pass
    except Exception as error:
        raise AssertionError(f"{name}({argument}={bad!r:.80}): {type(error).__name__}: {error}") from error
    return True


pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings("ignore"),  # torch and numpy warn of them, too
]
COMMON = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


@settings(max_examples=300, **COMMON)
@given(st.data())
def test_a_few_hundred_calls(drawn: st.DataObject) -> None:
    assert survives(*drawn.draw(st.sampled_from(choices())))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(calls()))
def test_every_hostile_value_in_every_argument(name: str) -> None:
    wrong = []
    for choice in (c for c in choices() if c[0] == name):
        try:
            survives(*choice)
        except AssertionError as error:
            wrong.append(str(error))
    assert wrong == []


def as_numpy(good: Any) -> Any:
    """The same setting as numpy has it."""
    kinds: dict[type, type] = {bool: np.bool_, int: np.int64, float: np.float32, str: np.str_}
    return kinds.get(type(good), lambda same: same)(good)


def test_settings_may_be_numbers_of_numpy() -> None:
    wrong = {}
    for name in calls():
        function, good = copy.deepcopy(calls()[name])
        try:
            function(**{word: as_numpy(value) for word, value in good.items()})
        except Exception as error:  # of whatever kind
            wrong[name] = repr(error)
    assert wrong == {}


def test_the_good_calls_work_and_an_error_of_others_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in calls():
        function, good = calls()[name]
        function(**copy.deepcopy(good))
    monkeypatch.setitem(calls(), "towards_radius", (lambda **_: [][1], {"p": 2.0}))
    with pytest.raises(AssertionError, match="IndexError"):
        survives("towards_radius", "p", 0)
    assert len(choices()) > 12_000
