"""The networks of the paper as study entries: `recipe = "BP"` in a study starts from these settings.

Values: arXiv 2405.00679, appendix, as tabulated in docs/conventions.md; every one can be overridden in the study.
"""

from typing import Any

_BP_SCHEDULE = {"kind": "piecewise", "boundaries": [30, 90, 120, 160], "factors": [1.0, 0.5, 0.2, 0.1, 0.01]}
_BP = {"epochs": 1000, "lr": 1e-3, "batch_size": 1000, "schedule": _BP_SCHEDULE}

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
}
