"""`local.images`: the rule sees the first images only, the read-out all of them."""

import json
from pathlib import Path

from eigencode.study import Store, execute, plan, read_study

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


def steps_taken(folder: Path, *overrides: str) -> int:
    (folder / "s.toml").write_text(STUDY)
    study = read_study(folder / "s.toml", ["train_images=100", "test_images=20", *overrides])
    cell = plan(study)[0]
    local = next(s for s in cell.made_by() if s.name == "local")
    store = Store(folder / "store")
    assert execute([local], store).ok
    return int(json.loads((store.folder(local) / "training" / "record.json").read_text())["steps"])


def test_the_rule_sees_the_first_images_only(tmp_path: Path) -> None:
    assert steps_taken(tmp_path) == 2 * 9
    assert steps_taken(tmp_path, "models.KH.local.images=30") == 2 * 3
    assert steps_taken(tmp_path, "models.KH.local.images=500") == 2 * 9
