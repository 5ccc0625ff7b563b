"""Which results of a study a change of the code makes anew: edits of a copy of the sources, keys before and after."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from code_cache import forget

from eigencode.study import _fingerprint as module, plan
from eigencode.study.read import study

SQUARES = {"eps": 0.1, "attack": {"name": "Square"}}
LOCAL = {"recipe": "KH", "units": 5}
STUDY = study(
    {
        "name": "x",
        "data": "digits",
        "models": {
            "Init": {"recipe": "Init", "units": 5},
            "KH": LOCAL,
            "KH published": {**LOCAL, "published": ["D5", "D6"]},
            "BP": {"recipe": "BP", "units": 5},
            "AT": {
                "recipe": "PGD-AT",
                "units": 5,
                "supervised": {"adversarial": {"eps": 0.1, "attack": {"name": "Square"}}},
            },
        },
        "spectra": [{"widths": [3, 5]}, {"name": "published", "published": ["D13"]}],
        "critical": [
            {"attack": {"name": "FGSM"}},
            {"attack": {"name": "Square"}},
            {"name": "on a grid", "attack": {"name": "PGD"}, "grid": {"eps": [1e-3, 1.0], "points": 5}},
        ],
        "curves": [{"attack": {"name": "PGD"}}, {"attack": {"name": "Square"}}],
        "certified": [{"norm": "l2"}],
        "landscapes": [{"image": 0}],
    }
)
Edit = Callable[[str, str, str], None]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edit]:
    """`edit(file, old, new)` in a copy of the package, which from then on is what keys are made from."""
    shutil.copytree(module.ROOT, tmp_path / "eigencode", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "ROOT", tmp_path / "eigencode")

    def change(file: str, old: str, new: str) -> None:
        found = list((tmp_path / "eigencode").glob(file))
        assert found, f"no file {file}"
        for path in found:
            text = path.read_text(encoding="utf-8")
            assert old in text, f"{path}: {old}"
            path.write_text(text.replace(old, new, 1), encoding="utf-8")
        forget()

    yield change
    forget()


def keys() -> dict[tuple[str, str, str], str]:
    """The key of every step, by model, kind and quantity."""
    cells = plan(STUDY)
    made = {(c.model, s.name, "network"): s.key for c in cells for s in c.made_by()}
    return made | {(c.model, c.step.name, c.quantity): c.step.key for c in cells}


@pytest.fixture(autouse=True, scope="module")
def _before() -> None:
    BEFORE.update(keys())


BEFORE: dict[tuple[str, str, str], str] = {}


def changed() -> set[tuple[str, str, str]]:
    """What is made anew."""
    after = keys()
    assert after.keys() == BEFORE.keys()
    return {name for name in after if after[name] != BEFORE[name]}


def everything_of(*models: str, but: tuple[str, ...] = ()) -> set[tuple[str, str, str]]:
    return {(m, kind, q) for m, kind, q in BEFORE if m in models and kind not in but}


def test_a_default_of_square_concerns_what_uses_square(edit: Edit) -> None:
    edit("robustness/square.py", "steps: int = 500", "steps: int = 600")
    edit("robustness/square.py", "share: float = 0.8", "share: float = 0.7")
    measured = {name for name in BEFORE if "Square" in name[2]}
    assert len(measured) == 2 * 5
    assert changed() == measured | everything_of("AT", but=("initial",))


def test_a_default_of_pgd_concerns_what_uses_pgd(edit: Edit) -> None:
    """The masking checks of the other attacks have settings of their own."""
    edit("robustness/pgd.py", "steps: int = 20", "steps: int = 30")
    measured = {name for name in BEFORE if "PGD" in name[2] or name[2] == "on a grid"}
    assert measured
    assert changed() == measured


def test_the_interval_of_alpha_concerns_no_network_and_no_attack(edit: Edit) -> None:
    edit("spectra/power_law.py", "return w / w.sum()", "return w / w.mean()")
    edit("spectra/_fit.py", "else Z95", "else 2")
    edit("spectra/_influence.py", "return ", "return 2 * ")
    assert {kind for _, kind, _ in changed()} == {"spectrum", "widths"}


def test_words_concern_nothing(edit: Edit) -> None:
    edit("rules/krotov_hopfield.py", "k is larger than the layer", "fewer units than k")
    edit("rules/krotov_hopfield.py", "rule: {name} is out of range", "rule: {name} makes no sense")
    edit("training/local.py", "a smaller lr", "a smaller learning rate")
    edit("base/errors.py", "  wanted: {wanted}", "  expected: {wanted}")
    edit("**/*.py", '"""', '# A comment.\n"""Reworded: ')
    assert changed() == set()


def test_the_arithmetic_of_a_rule_concerns_the_networks_it_trains(edit: Edit) -> None:
    edit("rules/krotov_hopfield.py", "alpha=gain * scale", "alpha=2 * gain * scale")
    assert changed() == everything_of("KH", "KH published"), "BP and AT are trained by backpropagation alone"


def test_the_networks_concern_everything_measured_on_them(edit: Edit) -> None:
    edit("models/builders.py", "def krotov_hopfield(", "SLOPE = 0.0\n\n\ndef krotov_hopfield(")
    assert changed() >= {name for name in BEFORE if name[0] != "data"}
