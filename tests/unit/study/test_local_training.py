"""Local training in studies: its images, its initial weights, and rules that do not fit the network."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from eigencode.base.errors import StudyError
from eigencode.study import Step, Store, execute, plan, read_study
from eigencode.study.steps.network import network

STUDY = """
data = "digits"
seeds = [0]
validation = 0.1
data_spectrum = false

[models.KH]
recipe = "KH"
units = 12
local = { epochs = 2, batch_size = 10 }
supervised = { epochs = 1, batch_size = 100 }
"""


def local_step(folder: Path, *overrides: str) -> tuple[Step, Store]:
    (folder / "s.toml").write_text(STUDY)
    study = read_study(folder / "s.toml", ["train_images=100", "test_images=20", *overrides])
    local = next(s for s in plan(study)[0].made_by() if s.name == "local")
    store = Store(folder / "store")
    assert execute([local], store).ok
    return local, store


def steps_taken(folder: Path, *overrides: str) -> int:
    local, store = local_step(folder, *overrides)
    return int(json.loads((store.folder(local) / "training" / "record.json").read_text())["steps"])


def test_the_rule_sees_the_first_images_only(tmp_path: Path) -> None:
    assert steps_taken(tmp_path) == 2 * 9
    assert steps_taken(tmp_path, "models.KH.local.images=30") == 2 * 3
    assert steps_taken(tmp_path, "models.KH.local.images=500") == 2 * 9


def test_the_rule_draws_the_initial_weights(tmp_path: Path) -> None:
    def trained(*overrides: str) -> nn.Module:
        local, store = local_step(tmp_path, "models.KH.local.lr=1e-9", *overrides)
        return network(store.folder(local))

    one, small = trained(), trained("models.KH.local.rule.spread=0.25")
    torch.testing.assert_close(small.encoder.weight, one.encoder.weight / 4, rtol=0, atol=1e-7)
    assert float(one.encoder.weight.std()) > 0.9


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["models.KH.spread=0.5"], r"local.rule=\{.*spread.*0.5"),
        (["models.KH.local.rule.p=2.0"], "models.KH.local.rule: rule and layer 'encoder' disagree on p"),
        (["models.KH.local.rule.k=13"], "models.KH.local.rule: k is larger than the layer"),
        (["models.A={kind='krotov_hopfield', radius=2.0}"], "`radius` is for local training"),
    ],
)
def test_a_rule_that_does_not_fit_is_found_before_anything_runs(
    tmp_path: Path, overrides: list[str], told: str
) -> None:
    (tmp_path / "s.toml").write_text(STUDY)
    with pytest.raises(StudyError, match=told):
        plan(read_study(tmp_path / "s.toml", overrides))
