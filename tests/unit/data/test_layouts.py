"""The same responses in every layout that people have give the same numbers; what is not plain is refused in words."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas
import pytest
import torch
import xarray
from forked import Forked
from layouts import write_nwb, write_suite2p
from recorded import write_v73
from scipy.io import savemat

from eigencode.base.errors import DataError, InputError
from eigencode.data import prepared, read_recording
from eigencode.given import recorded

RNG = np.random.default_rng(0)
SIGNAL = np.arange(1, 31) ** -0.5 * RNG.normal(size=(40, 30))
LABELS = RNG.permutation(np.repeat(np.arange(40), RNG.integers(2, 5, 40)))
X = (SIGNAL[LABELS] + 0.3 * RNG.normal(size=(len(LABELS), 30))).astype(np.float32)
"""Presentations of 40 stimuli, each shown two to four times."""

TABLE = pandas.DataFrame(X, columns=[f"unit{i}" for i in range(30)])


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eigencode.formats._apart.start", Forked)


def _repeats() -> np.ndarray:
    """Repeats x stimuli x units, in plain words."""
    found = np.full((4, 40, 30), np.nan, np.float32)
    for stimulus in range(40):
        rows = X[stimulus == LABELS]
        found[: len(rows), stimulus] = rows
    return found


def _netcdf(path: Path) -> None:
    data = xarray.Dataset({"rates": (("presentation", "neuroid"), X)})
    data["stimulus_id"] = ("presentation", LABELS)
    data.to_netcdf(path, engine="h5netcdf")


def _data_array(path: Path) -> None:
    """An array without a name, with a time bin that is the only one, as neural benchmarks store it."""
    data = xarray.DataArray(X.T[:, :, None], dims=("neuroid", "presentation", "time_bin"))
    data.assign_coords(stimulus_id=("presentation", [f"im{i:02d}" for i in LABELS])).to_netcdf(path, engine="h5netcdf")


def _h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["session/responses"] = X
        file["session/stimuli"] = LABELS


def _names(labels: np.ndarray) -> np.ndarray:
    return np.array([f"im{i:02d}" for i in labels])


LAYOUTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "repeats with NaN": ("a.npy", lambda p: np.save(p, _repeats())),
    "npz": ("a.npz", lambda p: np.savez(p, responses=X, stimuli=LABELS)),
    "npz names": ("a.npz", lambda p: np.savez(p, responses=X, stimuli=_names(LABELS))),
    "npz istim": ("a.npz", lambda p: np.savez(p, resp=np.r_[X, X[:1]], istim=np.r_[LABELS + 1, 41])),
    "mat": ("a.mat", lambda p: savemat(p, {"responses": X.T, "stim_id": LABELS})),
    "mat 7.3": ("a.mat", lambda p: write_v73(p, {"responses": X, "stim_id": LABELS})),
    "nc": ("a.nc", _netcdf),
    "nc one time bin": ("a.nc", _data_array),
    "h5": ("a.h5", _h5),
    "nwb series": ("a.nwb", lambda p: write_nwb(p, X, LABELS)),
    "nwb units": ("a.nwb", lambda p: write_nwb(p, X, LABELS, where="units")),
    "nwb trials": ("a.nwb", lambda p: write_nwb(p, X, _names(LABELS), where="trials")),
    "suite2p": ("session", lambda p: write_suite2p(p, X, LABELS)),
    "suite2p single frames": ("session", lambda p: write_suite2p(p, X, LABELS, each=1)),
    "pt": ("a.pt", lambda p: torch.save({"responses": torch.from_numpy(X), "stimuli": torch.from_numpy(LABELS)}, p)),
    "pt nested": (
        "a.pth",
        lambda p: torch.save({"x": {"responses": torch.from_numpy(X), "image": _names(LABELS).tolist()}}, p),
    ),
    "csv": ("a.csv", lambda p: TABLE.assign(stimulus=LABELS).to_csv(p, index=False)),
    "csv index": ("a.csv", lambda p: TABLE.assign(image=_names(LABELS), trial=range(len(X))).to_csv(p)),
    "csv numbered": ("a.csv", lambda p: pandas.DataFrame(X).assign(stimulus=LABELS).to_csv(p, index=False)),
    "csv conditions": (
        "a.csv",
        lambda p: TABLE.assign(stimulus=LABELS, orientation=LABELS * 22.5, running=0.1).to_csv(p, index=False),
    ),
    "csv semicolons": ("a.csv", lambda p: TABLE.assign(stimulus=LABELS).to_csv(p, index=False, sep=";")),
    "csv commas": ("a.csv", lambda p: TABLE.assign(stimulus=LABELS).to_csv(p, index=False, sep=";", decimal=",")),
    "tsv": ("a.tsv", lambda p: TABLE.assign(stim=LABELS).to_csv(p, sep="\t", index=False)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_numbers(tmp_path: Path, name: str) -> None:
    file, write = LAYOUTS[name]
    write(tmp_path / file)
    found = prepared(read_recording(tmp_path / file))
    expected = torch.from_numpy(_repeats())
    torch.testing.assert_close(found.responses.float(), expected, equal_nan=True, rtol=1e-5, atol=1e-6)
    assert len(found.sha256) == 64


def test_the_spectrum_of_a_layout_is_that_of_the_array(tmp_path: Path) -> None:
    laws = []
    for name in ("repeats with NaN", "suite2p", "csv"):
        file, write = LAYOUTS[name]
        write(tmp_path / file)
        rows = recorded(prepared(read_recording(tmp_path / file)), (1, 10)).results["rows"]
        laws.append([r["value"] for r in rows if r["quantity"] in ("α", "signal α", "signal α, participation ratio")])
    np.testing.assert_allclose(laws[1:], [laws[0]] * 2, rtol=1e-4)


def test_a_column_of_another_name_is_no_unit_and_is_told(tmp_path: Path) -> None:
    TABLE.assign(condition_code=LABELS, good=True).to_csv(tmp_path / "a.csv", index=False)
    found = read_recording(tmp_path / "a.csv")
    assert found.responses.shape == (1, len(X), 30)
    assert any(note.startswith("condition_code has 40 values") for note in found.notes)
    assert read_recording(tmp_path / "a.csv", labels="condition_code").responses.shape == (4, 40, 30)


def test_what_could_have_been_read_is_told(tmp_path: Path) -> None:
    """Which columns are units, other arrays of the same shape, labels that do not fit."""
    TABLE.assign(stimulus=LABELS).to_csv(tmp_path / "a.csv", index=False)
    names = f"{', '.join(TABLE.columns[:3])}, …, {TABLE.columns[-1]}"
    notes = read_recording(tmp_path / "a.csv").notes
    assert f"responses: the 30 columns {names} are units (--labels and --groups take columns out)" in notes
    for other in ("dff", "F"):
        np.savez(tmp_path / "b.npz", spks=X, stim_id=LABELS[:9], **{other: X})
        notes = read_recording(tmp_path / "b.npz").notes
        assert f"spks taken; of the same shape: {other} (--key {other} takes it)" in notes
        assert f"stim_id not used: 9 values for {len(X)} rows" in notes
    assert not any("taken" in note for note in read_recording(tmp_path / "b.npz", key="spks").notes)


def test_columns_that_are_asked_for_are_no_units(tmp_path: Path) -> None:
    """Whole numbers beside counts look like a unit; labels and groups that are named are none."""
    counts = RNG.poisson(3, (40, 6))
    table = pandas.DataFrame(counts, columns=[*"ABCDEF"]).assign(clip=np.arange(40) % 20)
    table.assign(film=table["clip"] // 2).to_csv(tmp_path / "a.csv", index=False)
    assert read_recording(tmp_path / "a.csv").responses.shape == (1, 40, 8)
    found = read_recording(tmp_path / "a.csv", labels="clip", groups="film")
    np.testing.assert_array_equal(found.responses, counts.reshape(2, 20, 6))
    assert found.stimuli == tuple(range(20))
    assert found.groups == tuple(np.arange(20) // 2)
    assert read_recording(tmp_path / "a.csv", labels="film").responses.shape == (4, 10, 7)


@pytest.mark.parametrize("counts", [False, True])
def test_what_is_told_of_a_trial_is_no_unit(tmp_path: Path, counts: bool) -> None:
    """Times and behaviour became units, or, with fractions beside counts, the only ones."""
    table = pandas.DataFrame(RNG.poisson(3, X.shape) if counts else X).add_prefix("n").assign(stimulus=LABELS)
    told = {name: RNG.normal(size=len(X)) for name in ("run_speed", "pupilDiameter", "start_time", "contrast_left")}
    table.assign(**told, trial_block=RNG.normal(size=len(X)), hit=LABELS % 2).to_csv(tmp_path / "a.csv", index=False)
    found = read_recording(tmp_path / "a.csv")
    assert found.responses.shape == (4, 40, 30)
    others = ", ".join([*told, "trial_block", "hit"])
    assert f"responses: the 30 columns n0, n1, n2, …, n29 are units; not {others} (--labels" in found.notes[0]
    names = [f"{letter}VA" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcd"]
    table.set_axis([*names, "stimulus"], axis=1).assign(**told).to_csv(tmp_path / "b.csv", index=False)
    assert read_recording(tmp_path / "b.csv").responses.shape == (4, 40, 30)


@pytest.mark.parametrize("header", [False, True])
def test_a_table_of_numbers_alone(tmp_path: Path, header: bool) -> None:
    pandas.DataFrame(X).to_csv(tmp_path / "a.csv", index=False, header=header)
    found = read_recording(tmp_path / "a.csv").responses
    torch.testing.assert_close(found[0].float(), torch.from_numpy(X), rtol=1e-5, atol=1e-6)
    counts = RNG.poisson(3, (9, 5))
    np.savetxt(tmp_path / "b.csv", counts, delimiter=",", fmt="%d")
    assert read_recording(tmp_path / "b.csv").responses[0].tolist() == counts.tolist()


def test_parquet_is_read_where_pyarrow_is(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    TABLE.assign(stimulus=LABELS).to_parquet(tmp_path / "a.parquet")
    found = read_recording(tmp_path / "a.parquet").responses
    torch.testing.assert_close(found, torch.from_numpy(_repeats()), equal_nan=True)


def test_cells_of_suite2p_are_those_that_it_marks(tmp_path: Path) -> None:
    write_suite2p(tmp_path / "s", X, LABELS)
    whole = read_recording(tmp_path / "s")
    assert (whole.array, whole.responses.shape[2]) == ("spks", 30)  # of 33 regions, three are no cells
    other = read_recording(tmp_path / "s", key="F")
    torch.testing.assert_close(other.responses, 2 * whole.responses, equal_nan=True)
    (tmp_path / "s" / "iscell.npy").unlink()
    assert read_recording(tmp_path / "s").responses.shape[2] == 33
    assert read_recording(tmp_path / "s").sha256 != whole.sha256


def _suite2p(**arrays: Any) -> Callable[[Path], Path]:
    def write(home: Path) -> Path:
        write_suite2p(home / "s", X, LABELS)
        for name, values in arrays.items():
            path = home / "s" / f"{name}.npy"
            path.unlink() if values is None else np.save(path, values)
        return home / "s"

    return write


def _nwb(**how: Any) -> Callable[[Path], Path]:
    return lambda home: write_nwb(home / "a.nwb", X, LABELS, **how)


def _waveforms(samples: int) -> Callable[[Path], Path]:
    """Spike times, and the mean waveform of every unit."""

    def write(home: Path) -> Path:
        path = write_nwb(home / "a.nwb", X, LABELS, where="spikes")
        with h5py.File(path, "a") as file:
            file["units/waveform_mean"] = RNG.normal(size=(30, samples))
        return path

    return write


def _pickled(home: Path) -> Path:
    torch.save({"responses": torch.from_numpy(X), "by": Path("x")}, home / "a.pt")
    return home / "a.pt"


def _long(home: Path) -> Path:
    frame = TABLE.assign(stimulus=LABELS, trial=range(len(X))).melt(["stimulus", "trial"], var_name="neuron")
    frame.to_csv(home / "a.csv", index=False)
    return home / "a.csv"


def _written(name: str, text: str) -> Callable[[Path], Path]:
    def write(home: Path) -> Path:
        (home / name).write_text(text)
        return home / name

    return write


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "suite2p without frames": (_suite2p(frames=None), "not a folder of suite2p with the frames"),
    "suite2p without traces": (_suite2p(spks=None, F=None), "not a folder of suite2p"),
    "suite2p wrong frames": (_suite2p(frames=np.arange(len(X)) - 1), "does not number the frames"),
    "suite2p late frames": (_suite2p(frames=np.full(len(X), 10**6)), "does not number the frames"),
    "suite2p times": (_suite2p(frames=np.arange(len(X)) / 2), "frames.npy does not hold whole numbers"),
    "suite2p few labels": (_suite2p(stimuli=LABELS[:5]), "does not number|do not fit"),
    "suite2p other cells": (_suite2p(iscell=np.ones((4, 2))), "does not mark the cells"),
    "suite2p other traces": (_suite2p(F=np.ones((4, 9))), "traces of another shape"),
    "suite2p pickled": (_suite2p(spks=np.array([{}], object)), "traces of another shape|pickled"),
    "empty folder": (lambda home: home, "not a folder of suite2p"),
    "nwb time series": (_nwb(where="acquisition"), "no responses to single trials"),
    "nwb spikes": (_nwb(where="spikes"), "no responses to single trials"),
    "nwb waveforms": (_waveforms(12), "no responses to single trials"),
    "nwb waveforms as many as trials": (_waveforms(len(X)), "no responses to single trials"),
    "pt pickled": (_pickled, "holds more than tensors"),
    "csv long": (_long, "a row for each response of each unit"),
    "csv names": (_written("a.csv", "a,b\nx,y\nz,y\n"), "no array of responses"),
    "csv ragged": (_written("a.csv", "a,b\n1.5,2\n3,4,5\n"), "cannot be read"),
    "csv words": (_written("a.csv", "a\x00b"), "does not hold real"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_plain_is_refused(tmp_path: Path, name: str) -> None:
    write, says = REFUSED[name]
    with pytest.raises(InputError, match=says):
        read_recording(write(tmp_path))


def test_counts_with_a_missing_cell_are_counts_as_the_others(tmp_path: Path) -> None:
    """A column of whole numbers and an empty cell is read as floats, which says nothing about the others."""
    counts = pandas.DataFrame(RNG.poisson(3, (12, 8))).add_prefix("n").astype(object)
    counts.loc[2, "n3"] = None
    counts.assign(stimulus=np.arange(12) % 4).to_csv(tmp_path / "a.csv", index=False)
    found = read_recording(tmp_path / "a.csv").responses
    assert found.shape == (3, 4, 8)
    assert int(found.isnan().sum()) == 1
    assert prepared(read_recording(tmp_path / "a.csv"), nan="drop stimuli").responses.shape[2] == 8


@pytest.mark.parametrize("cell", ["#DIV/0!", "-", "1,5"])
def test_text_in_a_column_of_numbers_is_named(tmp_path: Path, cell: str) -> None:
    table = pandas.DataFrame(X).add_prefix("n").astype(object)
    table.loc[2, "n3"] = cell
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=rf"column 'n3' holds text[\s\S]*{re.escape(cell)}"):
        read_recording(tmp_path / "a.csv")
    table.rename(columns={"n3": "stimulus"}).to_csv(tmp_path / "a.csv", index=False)
    assert read_recording(tmp_path / "a.csv").responses.shape[2] == 29


def test_a_file_of_a_similar_name_is_suggested(tmp_path: Path) -> None:
    np.savez(tmp_path / "recording.npz", x=np.ones((3, 4)))
    with pytest.raises(DataError, match=r"no such file[\s\S]*did you mean 'recording\.npz'"):
        read_recording(tmp_path / "rec.npz")
    with pytest.raises(DataError, match="no such file") as said:
        read_recording(tmp_path / "other_thing.mat")
    assert "did you mean" not in str(said.value)


@pytest.mark.parametrize(
    "column",
    [[True] * 6 + [False] * 4, [0, 45, 90, 135, 0, 45, 90, 135, 0, "blank"], [4, 5, 6, "2/3", 4, 5, 6, "2/3", 4, 5],
     ["a3", "ff", "10", "11", "12", "13", "14", "15", "16", "17"]],
    ids=["truth", "orientation", "layer", "hexadecimal"],
)  # fmt: skip
def test_columns_about_the_trials_are_no_units(tmp_path: Path, column: list[object]) -> None:
    table = pandas.DataFrame(X[:10]).add_prefix("n").assign(told=column)
    table.to_csv(tmp_path / "a.csv", index=False)
    assert read_recording(tmp_path / "a.csv").responses.shape == (1, 10, X.shape[1])
