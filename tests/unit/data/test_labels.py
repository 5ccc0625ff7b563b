"""Presentations without a label are left out, by whatever layout and option the labels are found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch

import eigencode as ec
from eigencode.base.errors import DataError
from eigencode.data import Recording, read_recording

RNG = np.random.default_rng(0)
LABELS = RNG.permutation(np.concatenate([np.repeat(np.arange(20.0), 2), [np.nan] * 12]))
X = RNG.normal(size=(len(LABELS), 6))


def write(folder: Path, kind: str, labels: np.ndarray) -> Path:
    path = folder / f"a{kind}"
    if kind == ".npz":
        np.savez(path, responses=X, stimuli=labels)
    elif kind == ".mat":
        scipy.io.savemat(path, {"responses": X, "stimuli": labels})
    elif kind == ".pt":
        torch.save({"responses": torch.tensor(X), "stimuli": torch.tensor(labels)}, path)
    else:
        head = ",".join([*(f"u{i}" for i in range(6)), "stimuli"])
        rows = [",".join([*map(repr, x.tolist()), "" if np.isnan(y) else repr(float(y))]) for x, y in zip(X, labels)]
        path.write_text("\n".join([head, *rows]))
    return path


@pytest.mark.parametrize("labels", [None, "stimuli"])
@pytest.mark.parametrize("kind", [".npz", ".mat", ".pt", ".csv"])
def test_rows_without_a_label_are_no_stimulus(tmp_path: Path, kind: str, labels: str | None) -> None:
    found = read_recording(write(tmp_path, kind, LABELS), labels=labels)
    assert tuple(found.responses.shape) == (2, 20, 6)
    assert found.stimuli == tuple(range(20))
    assert "12 presentations of the blank" in str(found.notes)


@pytest.mark.parametrize("labels", [None, "stimuli"])
def test_numbers_with_fractions_name_stimuli_and_negative_ones_blanks(tmp_path: Path, labels: str | None) -> None:
    angles = np.where(np.isnan(LABELS), -1.0, LABELS * 7.5)
    found = read_recording(write(tmp_path, ".npz", angles), labels=labels)
    assert found.stimuli[:3] == ("0.0", "7.5", "15.0")
    assert tuple(found.responses.shape) == (2, 20, 6)
    assert Recording.of(X, angles).stimuli == found.stimuli


def test_a_missing_label_is_left_out_whatever_the_blank_is(tmp_path: Path) -> None:
    numbered = np.where(LABELS == 19, 40.0, LABELS + 1)  # 40, the highest, is the grey screen; NaN was not labelled
    np.savez(tmp_path / "stim.npz", resp=X, istim=numbered)
    for found in (read_recording(tmp_path / "stim.npz"), Recording.of(X, numbered, blank=40)):
        assert found.stimuli == tuple(range(1, 20))
        assert "14 presentations of the blank (stimulus 40 or no label)" in str(found.notes)
    assert Recording.of(X, numbered, blank="none").stimuli == (*range(1, 20), 40)


def test_large_identifiers_masked_labels_and_missing_names() -> None:
    hashes = np.repeat(RNG.integers(2**63, 2**64, size=26, dtype=np.uint64), 2)
    assert Recording.of(X, hashes).stimuli == tuple(np.unique(hashes).tolist())
    masked: Any = np.ma.array(np.arange(52) // 2, mask=np.arange(52) // 2 == 3)
    assert Recording.of(X, masked).stimuli == (*range(3), *range(4, 26))
    names = np.array([None if i // 2 == 3 else f"im{i // 2:02d}" for i in range(52)], dtype=object)
    assert Recording.of(X, names).stimuli == tuple(f"im{i:02d}" for i in range(26) if i != 3)


@pytest.mark.parametrize("labels", [np.full(52, np.nan), np.full(52, np.inf), np.arange(52) * 1j])
def test_labels_that_are_none_are_refused(labels: np.ndarray) -> None:
    with pytest.raises((DataError, ec.InputError), match="number the presentations"):
        Recording.of(X, labels)
