"""A small study measured at snapshots of the training, for its figures of learning in time."""

from pathlib import Path
from typing import Any

from eigencode.report import StudyRun
from eigencode.study import Store, execute, plan, results as study_results, rows
from eigencode.study.read import study

LENGTH: dict[str, Any] = {"epochs": 8, "batch_size": 50, "snapshots": (0, 1, 2, 4)}
READ_OUT = {"parameters": "readout", "epochs": 2, "batch_size": 50}
MODELS = {
    "Init": {"kind": "perceptron", "units": 12},
    "KH": {"kind": "krotov_hopfield", "units": 12, "local": LENGTH, "supervised": READ_OUT},
    "BP": {"kind": "perceptron", "units": 12, "supervised": {**LENGTH, "schedule": {"kind": "constant"}}},
}
WHEN = {"when": "snapshots"}
STUDY: dict[str, Any] = {
    **{"name": "learning", "title": "Learning in time", "data": "digits", "train_images": 200, "test_images": 60},
    **{"seeds": [0, 1], "receptive_fields": 4, "models": MODELS},
    "spectra": [
        {"name": "α images", "window": [2, 8], **WHEN},
        {"name": "α noise", "source": "noise", "samples": 100, "window": [2, 8], **WHEN},
    ],
    "critical": [{"name": "critical size, FGSM", "images": 20, "attack": {"name": "FGSM"}, **WHEN}],
    "measure": [{"kind": "accuracy", **WHEN}, {"kind": "jacobian", "name": "‖J‖", **WHEN}],
}


def measured(folder: Path, raw: dict[str, Any] = STUDY) -> StudyRun:
    """Run the study, and write its results but no figures and no page."""
    chosen, store = study(raw), Store(folder / "store")
    cells = plan(chosen)
    assert execute([c.step for c in cells], store).ok
    target = folder / "store" / "reports" / chosen.name
    found = rows(chosen, cells, store)
    study_results.write(target, chosen, cells, found, {"claims": [], "provenance": {}, "seconds": 1.0})
    return StudyRun(target, folder / "store")
