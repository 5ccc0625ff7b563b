"""Read-outs behind several powers of the rectifier share one local training and one encoder."""

from pathlib import Path
from typing import Any

import pytest
import torch

import eigencode as ec
from eigencode.base.errors import StudyError
from eigencode.measures import Subject
from eigencode.spectra import Spectrum
from eigencode.study import Cell, Store, execute, plan
from eigencode.study._checks import check
from eigencode.study.config import Study
from eigencode.study.plan import networks
from eigencode.study.read import study
from eigencode.study.steps.data import data
from eigencode.study.steps.network import network

POWERS: dict[str, Any] = {"as trained": {}, "1": {"readout_n": 1.0}, "3": {"readout_n": 3.0}}
LOCAL = {"epochs": 20, "batch_size": 20, "lr": 0.3}


def three(**more: Any) -> Study:
    common = {"kind": "krotov_hopfield", "units": 20, "n": 2.0, "prune": True, "local": LOCAL, **more}
    supervised = {"parameters": "readout", "epochs": 1}
    models = {name: {**common, "supervised": supervised, **power} for name, power in POWERS.items()}
    spectra = [{"name": "α", "window": [2, 4], "interval": False}]
    return study({"name": "s", "data": "digits", "train_images": 60, "test_images": 50, "models": models} | {
        "spectra": spectra, "data_spectrum": False
    })  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Cell], Store]:
    cells, store = plan(three()), Store(tmp_path_factory.mktemp("store"))
    assert execute([cell.step for cell in cells], store).ok
    return cells, store


def last(name: str) -> Any:
    chosen = three()
    return networks(chosen, data("digits", None, 60, 50), chosen.models[name], 0)


def test_one_local_training_for_all_powers(done: tuple[list[Cell], Store]) -> None:
    cells, _ = done
    made: dict[str, set[str]] = {}
    for cell in cells:
        for step in cell.made_by():
            made.setdefault(step.name, set()).add(step.key)
    assert {name: len(keys) for name, keys in made.items()} == {
        "trained": 3, "rectified": 4, "pruned": 1, "local": 1, "initial": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("name", "n"), [("as trained", 2.0), ("1", 1.0), ("3", 3.0)])
def test_the_code_is_that_power_of_the_same_encoder(done: tuple[list[Cell], Store], name: str, n: float) -> None:
    _, store = done
    net, first = (network(store.folder(last(which))) for which in (name, "as trained"))
    x = ec.load("digits")[1].x[:9]
    with torch.no_grad():
        torch.testing.assert_close(ec.at(net, "encoder")(x), ec.at(first, "encoder")(x), rtol=0, atol=0)
        torch.testing.assert_close(ec.at(net, "latent")(x), ec.at(first, "encoder")(x).relu() ** n)
    assert net.spec["n"] == n  # type: ignore[index]


@pytest.mark.parametrize(("name", "n"), [("as trained", 2.0), ("3", 3.0)])
def test_before_pruning_the_power_is_the_same(done: tuple[list[Cell], Store], name: str, n: float) -> None:
    cells, store = done
    (cell,) = (c for c in cells if c.model == name and c.name == "α, raw")
    local = next(step for step in cell.made_by() if step.name == "local")
    net, test = network(store.folder(local)), data("digits", None, 60, 50).pair()[1]
    code, points = cell.measure.source_of(Subject(net, test, "encoder"))  # type: ignore[attr-defined]
    with torch.no_grad():
        z = code(points).relu().double() ** n
    expected = torch.linalg.eigvalsh(torch.cov(z.T)).flip(0)
    found = Spectrum.load(Path(store.folder(cell.step))).eigenvalues
    torch.testing.assert_close(found, expected[: len(found)], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"local": None, "prune": False, "radius": 1.0}, "power of the rectifier after local training"),
        ({"local": {**LOCAL, "snapshots": "log:3"}}, "the snapshots of a local training have the power `n`"),
    ],
)
def test_a_power_that_would_not_be_that_of_all_numbers_is_refused(more: dict[str, Any], says: str) -> None:
    whole = three()
    raw = whole.model_dump() | {"models": {"3": {**whole.models["3"].model_dump(), **more}}}
    with pytest.raises(StudyError, match=says):
        check(Study.model_validate(raw))
