"""A small study measured at snapshots of the training, with its figures of learning in time."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from eigencode.report import StudyRun
from eigencode.study import Cell, Store, execute, plan, results as study_results, rows
from eigencode.study.read import study
from eigencode.study.steps.network import Training

EPOCHS, BATCH = 8, 50
SNAPSHOTS = (1, 2, 4)

LENGTH = {"epochs": EPOCHS, "batch_size": BATCH, "snapshots": SNAPSHOTS}
MODELS = {
    "Init": {"kind": "perceptron", "units": 12},
    "KH": {"kind": "krotov_hopfield", "units": 12, "local": LENGTH},
    "BP": {"kind": "perceptron", "units": 12, "supervised": {**LENGTH, "schedule": {"kind": "constant"}}},
}
STUDY: dict[str, Any] = {
    **{"name": "learning", "title": "Learning in time", "data": "digits", "train_images": 200, "test_images": 60},
    **{"seeds": [0, 1], "receptive_fields": 4, "models": MODELS},
    "spectra": [
        {"name": "α images", "window": [2, 8]},
        {"name": "α noise", "source": "noise", "samples": 100, "window": [2, 8]},
    ],
    "critical": [{"name": "critical size, FGSM", "images": 20, "attack": {"name": "FGSM"}}],
    "measure": [{"kind": "jacobian", "name": "‖J‖"}],
}


def at_snapshots(cells: list[Cell], steps_per_epoch: int) -> Iterator[Cell]:
    """The cells of snapshots, from the untrained network to the finished one."""
    for cell in cells:
        net = cell.network
        if not isinstance(net, Training):
            continue
        chain = [net]
        while chain[-1].earlier is not None:
            chain.append(chain[-1].earlier)
        held = cell.step is net
        moments = [] if held else [(0, net.start)]
        for epoch, made in [*moments, *((n.stop or EPOCHS, n) for n in reversed(chain))]:
            step = made if held else replace(cell.step, net=made)
            yield replace(cell, step=step, network=made, epoch=float(epoch), at_step=epoch * steps_per_epoch)


def measured(folder: Path, raw: dict[str, Any] = STUDY, steps_per_epoch: int = 4) -> StudyRun:
    """Run the study, and write its results but no figures and no page."""
    chosen, store = study(raw), Store(folder / "store")
    cells = plan(chosen)
    cells = [*cells, *at_snapshots(cells, steps_per_epoch)]
    assert execute([c.step for c in cells], store).ok
    target = folder / "store" / "reports" / chosen.name
    found = rows(chosen, cells, store)
    study_results.write(target, chosen, cells, found, {"claims": [], "provenance": {}, "seconds": 1.0})
    return StudyRun(target, folder / "store")
