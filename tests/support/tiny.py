"""The smallest study with everything in it: digits, 12 units, three models, two seeds, all kinds of measurement."""

import json
from pathlib import Path

STUDY = """
name = "tiny"
title = "A tiny study"
data = "digits"
train_images = 200
test_images = 60
seeds = [0, 1]
receptive_fields = 5

[models.Init]
recipe = "Init"
units = 12

[models.KH]
recipe = "KH"
units = 12
local = { epochs = 2, batch_size = 50 }
supervised = { epochs = 2, batch_size = 50 }

[models.BP]
recipe = "BP"
units = 12
supervised = { epochs = 2, batch_size = 50, schedule = { kind = "constant" } }

[[spectra]]
name = "α images"
window = [2, 8]

[[spectra]]
name = "α noise"
source = "noise"
samples = 100
window = [2, 8]

[[critical]]
name = "critical size, noise"
images = 10
attack = { name = "Gaussian" }

[[critical]]
name = "critical size, FGSM"
images = 10
attack = { name = "FGSM" }

[[curves]]
name = "FGSM"
images = 10
attack = { name = "FGSM" }
eps = [1e-3, 0.1]
points = 4
"""


def write(folder: Path, *changes: tuple[str, str], name: str = "tiny.toml") -> Path:
    """Write the study to a file after textual changes."""
    text = STUDY
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def tree(folder: Path) -> dict[str, int]:
    """Every file below a folder with the time of its last change."""
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}


def contents(store: Path) -> dict[str, str]:
    """The digest of every result in a store, which is that of its bits."""
    return {p.parent.name: json.loads(p.read_text("utf-8"))["content"] for p in store.glob("steps/*/step.json")}
