"""Settings of published networks, used by a study with `recipe = "BP"` etc.

Values: arXiv 2405.00679, appendix, as tabulated in docs/conventions.md; for the SoftHebb networks arXiv 2209.11883,
appendix.  A study can override each of them.
"""

from typing import Any

_BP_SCHEDULE = {"kind": "piecewise", "boundaries": (30, 90, 120, 160), "factors": (1.0, 0.5, 0.2, 0.1, 0.01)}
_BP = {"epochs": 1000, "lr": 1e-3, "batch_size": 1000, "schedule": _BP_SCHEDULE}

_SPECREG_SCHEDULE = {"kind": "exponential", "start": 90, "scale": 30.0}


def _penalised(name: str, coefficient: float, **settings: Any) -> dict[str, Any]:
    """Settings of backpropagation with one penalty."""
    penalty = {"name": name, "coefficient": coefficient, **settings}
    return {"kind": "perceptron", "supervised": {**_BP, "penalties": [penalty]}}


def _spectral(coefficient: float, schedule: dict[str, Any], name: str = "Spectral", **settings: Any) -> dict[str, Any]:
    """Settings of backpropagation with BatchNorm after the ReLU and a spectral penalty."""
    model = _penalised(name, coefficient, **settings)
    return {**model, "batch_norm": True, "supervised": {**model["supervised"], "schedule": schedule}}


_READOUT = {"parameters": "readout", "epochs": 50, "lr": 1e-3, "batch_size": 64, "schedule": {"kind": "halving"}}
_SOFTHEBB = {
    "kind": "softhebb",
    "local": {"epochs": 1, "lr": 1.0, "batch_size": 10, "decay": "constant"},
    "supervised": _READOUT,
}

RECIPES: dict[str, dict[str, Any]] = {
    "Init": {"kind": "perceptron"},
    "KH": {
        "kind": "krotov_hopfield",
        "p": 3.0,
        "n": 4.5,
        "local": {
            "rule": {"name": "KrotovHopfield", "k": 2, "delta": 0.4},
            "epochs": 1000,
            "lr": 0.02,
            "batch_size": 1000,
        },
        "prune": True,
        "supervised": {"parameters": "readout", "epochs": 1000, "lr": 1e-3, "batch_size": 1000},
    },
    "BP": {"kind": "perceptron", "supervised": _BP},
    "L2": _penalised("Lp", 5e-4, p=2.0, parameters="all"),
    "JReg": _penalised("Jacobian", 1e-3, place="latent", space="unit"),
    "SpecReg": _spectral(1.0, _SPECREG_SCHEDULE, place="latent", alpha=1.0, tau=0),
    "SpecReg-KH": _spectral(1e-3, {"kind": "constant"}, place="latent", alpha=2.62, tau=10),
    "BP-BN": {"kind": "perceptron", "batch_norm": True, "supervised": _BP},
    "JReg-published": _penalised("PublishedJacobian", 1e-3),
    "SpecReg-published": {
        **_spectral(1.0, _SPECREG_SCHEDULE, "PublishedSpectral", alpha=1.0, tau=0),
        "published": ["D17"],
    },
    "PGD-AT": {"kind": "perceptron", "supervised": {**_BP, "adversarial": {"eps": 0.005}}},
    "SoftHebb": _SOFTHEBB,
    "SoftHebb-hard": {**_SOFTHEBB, "settings": {"competition": "hard"}},
    "SoftHebb-random": {"kind": "softhebb", "supervised": _READOUT},
    "SoftHebb-BP": {
        "kind": "softhebb",
        "settings": {"local": False},
        "supervised": {**_READOUT, "parameters": "all"},
    },
    "SoftHebb-MNIST": {
        "kind": "softhebb_dense",
        "local": {"epochs": 1, "lr": 1.0, "batch_size": 32, "decay": "constant"},
        "supervised": {"parameters": "readout", "epochs": 10, "lr": 1e-3, "batch_size": 32},
    },
}
