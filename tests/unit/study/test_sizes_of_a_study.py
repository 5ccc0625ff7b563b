"""What a layer or a data set is too small for is found before anything is trained."""

from pathlib import Path
from typing import Any

import pytest
from command import inside

from eigencode.base.errors import StudyError
from eigencode.study.plan import check_sizes
from eigencode.study.read import study


def checked(**changes: Any) -> bool:
    models = {"A": {"units": 12}, "B": {"units": 40, "kind": "krotov_hopfield"}}
    check_sizes(study({"name": "x", "data": "digits", "models": models, **changes}, ()))
    return True


TOO_SMALL: list[tuple[dict[str, Any], str]] = [
    ({"spectra": [{"window": [5, 50]}]}, r"'latent' on digits.*ranks 5..50 of 12 eigenvalues"),
    ({"spectra": [{"window": [5, 65], "at": "input"}]}, "of 64 eigenvalues"),
    ({"spectra": [{"window": [2, 12], "at": "logits"}]}, "of 10 eigenvalues"),
    ({"spectra": [{"window": [1, 12]}], "test_images": 10}, "of 9 eigenvalues"),
    ({"spectra": [{"window": [1, 12], "samples": 11}]}, "of 10 eigenvalues"),
    ({"spectra": [{"window": [1, 12], "source": "noise", "samples": 9}]}, "of 8 eigenvalues"),
    ({"landscapes": [{"image": 400}]}, r"no such test image(?s:.*)0 .. 35\d"),
    ({"landscapes": [{"image": [1, 2, 20]}], "test_images": 20}, "no such test image"),
    ({"test_images": 10_000}, "digits has fewer images than test_images(?s:.*)--set test_images=35"),
    ({"train_images": 10_000}, "digits has fewer images than train_images"),
    (
        {"models": {"A": {"factory": "toy_rules:stack", "settings": {"classes": 10}}}, "spectra": [{"at": "conv1"}]},
        "of 358 eigenvalues",
    ),
]


@pytest.mark.parametrize(("changes", "told"), TOO_SMALL, ids=[str(i) for i in range(len(TOO_SMALL))])
def test_too_small(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(StudyError, match=f"(?s){told}"):
        checked(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"spectra": [{"window": [5, 40]}]},  # B has so many
        {"spectra": [{"window": [1, 12], "source": "noise"}]},
        {"spectra": [{"window": [1, 300], "at": "conv1"}], "models": {"A": {"factory": "toy_rules:stack"}}},
        {"landscapes": [{"image": 300}], "test_images": 301},
    ],
)
def test_large_enough(changes: dict[str, Any]) -> None:
    assert checked(**changes)


def test_a_run_finds_it_before_it_trains(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('data = "digits"\nspectra = [{ window = [5, 50] }]\nmodels.A.units = 12\n')
    told = inside("run", tmp_path / "s.toml", "--store", tmp_path / "store")
    assert told.exit_code == 2
    assert "ranks 5..50 of 12 eigenvalues" in told.stderr
    assert not (tmp_path / "store").exists()
