"""Studies of deep networks, of learning in time and of many local layers run in a small form, on bundled digits."""

from pathlib import Path
from typing import Any

import pytest

from eigencode.study import Store, execute
from eigencode.study._claims import verdicts
from eigencode.study.config import Study
from eigencode.study.part import part
from eigencode.study.plan import plan
from eigencode.study.read import read_study
from eigencode.study.results import rows

STUDIES = Path(__file__).parents[3] / "studies"
pytestmark = pytest.mark.filterwarnings("ignore")

SMALL = {
    "alpha_buys": [
        *("KH n 1", "KH n 4.5", "random 250", "BP 250", "BP 1 epoch", "L2 5e-4", "Jacobian 1e-3", "Spectral 1"),
        *("noise 0.1", "PGD 4", "SoftHebb 1", "BP stack 1", "SoftHebb dense 250", "dropout 250", "residual, L2"),
    ],
    "softhebb_cifar10": ["soft, 3 layers", "BP as published, 3 layers"],
    "dynamics": ["KH", "SoftHebb, BP twin"],
    "ensemble": ["KH"],
    "exponent": ["KH-4.5", "KH-10", "ridge-4.5", "ridge-10"],
    "manifold": ["KH", "BP", "BP-5", "Init"],
}
SEEDS = {"ensemble": [0, 1, 2]}
"""By default one."""

EPOCHS = {"alpha_buys": 20}
"""By default one."""


def smaller(study: Study, seeds: list[int], epochs: int) -> Study:
    """Few images, units, epochs, snapshots and steps of the attacks; everything else as it is."""
    raw: dict[str, Any] = study.model_dump(exclude_unset=True)
    for model in raw["models"].values():
        if model.get("factory"):
            model["settings"] = {**model["settings"], "width": 2}
        elif model["kind"].startswith("softhebb"):
            size = {"units": 12} if model["kind"] == "softhebb_dense" else {"width": 2}
            model["settings"] = {**model["settings"], **size}
        else:
            model["units"] = 12
        for stage in (model[name] for name in ("local", "supervised") if model.get(name)):
            stage |= {"epochs": epochs} | ({"snapshots": "log:3"} if stage.get("snapshots") else {})
    for entry in (e for table in ("measure", "critical", "certified", "spectra") for e in raw.get(table, ())):
        images = 6 if epochs == 1 else 20
        entry |= {k: v for k, v in {"images": images, "samples": 40}.items() if k in entry}
        if entry["kind"] == "spectrum":
            entry |= {"window": (1, 3)}
        if entry["kind"] == "critical" and "steps" in entry["attack"]:
            entry["attack"] = {**entry["attack"], "steps": 3}
    # the claims of models and quantities stay
    return Study.model_validate({**raw, "data": "mnist5k", "train_images": 60, "test_images": 30, "seeds": seeds})


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.usefixtures("unchecked")
def test_a_study_in_small(name: str, tmp_path: Path) -> None:
    whole = read_study(STUDIES / f"{name}.toml")
    some = part(whole, SMALL[name])
    claims = (*some.claims, *(c for c in whole.claims if c.relation))  # a part has none about relations
    some = some.model_copy(update={"relations": whole.relations, "claims": claims}) if whole.relations else some
    study = smaller(some, SEEDS.get(name, [0]), EPOCHS.get(name, 1))
    store, cells = Store(tmp_path), plan(study)
    done = execute([cell.step for cell in cells], store)
    assert not done.failed
    found = {(r.model, r.quantity) for r in rows(study, cells, store) if r.epoch is None}
    for c in study.claims:
        named = {(model, c.quantity) for model in (*c.order, c.model) if model}
        named |= {(c.other, c.other_quantity or c.quantity)} if c.other else set()
        assert named | ({(c.model, c.chooses)} if c.chooses else set()) <= found
    if name == "ensemble":
        judged = {v.statement: v for v in verdicts(study, rows(study, cells, store))}
        assert all(v.verdict != "not measured" for said, v in judged.items() if "bound" in v.compared), judged
        assert any("rank" in v.compared for v in judged.values())
    if name == "alpha_buys":
        judged = {v.statement: v for v in verdicts(study, rows(study, cells, store))}
        plain = [v for said, v in judged.items() if said.split()[0] in ("1.", "2.", "5.", "6.", "14.")]
        assert [v.verdict for v in plain if v.verdict == "not measured"] == []
        assert all(v.compared.split(" networks in ")[1].startswith("14 groups") for v in plain), plain
    if name == "exponent":
        assert len({s.key for c in cells for s in c.made_by() if s.name == "local"}) == 1
    if name == "dynamics":
        moments = {r.step for r in rows(study, cells, store) if r.model == "KH" and r.quantity == "α images"}
        assert {None, 0, 1} <= moments
