"""The studies of deep networks and of learning in time run from end to end in a small form, on bundled digits."""

from pathlib import Path
from typing import Any

import pytest

from eigencode.study import Store, execute
from eigencode.study.config import Study
from eigencode.study.part import part
from eigencode.study.plan import plan
from eigencode.study.read import read_study
from eigencode.study.results import rows

STUDIES = Path(__file__).parents[3] / "studies"
pytestmark = pytest.mark.filterwarnings("ignore")

SMALL = {"softhebb_cifar10": ["soft, 3 layers", "BP as published, 3 layers"], "dynamics": ["KH", "SoftHebb, BP twin"]}


def smaller(study: Study) -> Study:
    """Few images, units, epochs, snapshots and steps of the attacks; everything else as it is."""
    raw: dict[str, Any] = study.model_dump(exclude_unset=True)
    for model in raw["models"].values():
        if model["kind"] == "softhebb":
            model["settings"] = {**model["settings"], "width": 2}
        else:
            model["units"] = 12
        for stage in (model[name] for name in ("local", "supervised") if model.get(name)):
            stage |= {"epochs": 1} | ({"snapshots": "log:3"} if stage.get("snapshots") else {})
    for entry in (e for table in ("measure", "critical", "spectra") for e in raw.get(table, ())):
        entry |= {k: v for k, v in {"images": 6, "samples": 40}.items() if k in entry}
        if entry["kind"] == "spectrum":
            entry |= {"window": (1, 3)}
        if entry["kind"] == "critical" and "steps" in entry["attack"]:
            entry["attack"] = {**entry["attack"], "steps": 3}
    # the claims of models and quantities stay
    return Study.model_validate({**raw, "data": "mnist5k", "train_images": 60, "test_images": 30, "seeds": [0]})


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.usefixtures("unchecked")
def test_a_study_in_small(name: str, tmp_path: Path) -> None:
    study = smaller(part(read_study(STUDIES / f"{name}.toml"), SMALL[name]))
    store, cells = Store(tmp_path), plan(study)
    done = execute([cell.step for cell in cells], store)
    assert not done.failed
    found = {(r.model, r.quantity) for r in rows(study, cells, store) if r.epoch is None}
    named = {
        (m, q) for c in study.claims for m, q in ((c.model, c.quantity), (c.other, c.other_quantity or c.quantity))
    }
    assert named <= found
    if name == "dynamics":
        moments = {r.step for r in rows(study, cells, store) if r.model == "KH" and r.quantity == "α images"}
        assert {None, 0, 1} <= moments
