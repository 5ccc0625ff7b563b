"""Reading recorded responses: every format and layout gives the same numbers, and every wrong file is named."""

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import torch
import xarray
from forked import Forked
from recorded import ISTIM, stim, write_stringer, write_v73
from scipy.io import savemat

from eigencode.base.errors import DataError, InputError
from eigencode.data import Recording, read_recording
from eigencode.formats import arrays_in


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of files are read here, each in a process of its own."""
    monkeypatch.setattr("eigencode.formats._apart.start", Forked)


X = np.random.default_rng(0).normal(size=(2, 6, 8)).astype(np.float32)
SPONT = np.random.default_rng(1).normal(size=(9, 8))


def write(path: Path, **arrays: Any) -> Path:
    """The arrays in whatever format the name of the file says."""
    if path.suffix == ".npy":
        np.save(path, next(iter(arrays.values())))
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.name == "v73.mat":
        write_v73(path, arrays)
    elif path.suffix.lower() == ".mat":
        savemat(path, arrays, appendmat=False)
    else:
        dims = {"responses": ("repeat", "stimulus", "unit"), "spontaneous": ("frame", "unit")}
        data = xarray.Dataset({k: (dims.get(k, [f"{k}{i}" for i in range(v.ndim)]), v) for k, v in arrays.items()})
        data.to_netcdf(path, engine="scipy" if path.name == "old.nc" else "h5netcdf")
    return path


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mat", "v73.mat", "a.nc", "old.nc", "A.MAT"])
def test_every_format_gives_the_array_that_was_written(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, responses=X, **({} if name == "a.npy" else {"spontaneous": SPONT}))
    found = read_recording(path)
    torch.testing.assert_close(found.responses, torch.from_numpy(X), rtol=0, atol=0)
    assert (found.name, found.stimuli, found.notes) == (name, (0, 1, 2, 3, 4, 5), ())
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    if name == "a.npy":
        assert (found.spontaneous, found.array) == (None, "array")
    else:
        torch.testing.assert_close(found.spontaneous, torch.from_numpy(SPONT), rtol=0, atol=0)


def test_a_matrix_is_one_repeat(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path / "a.npy", responses=X[0]))
    torch.testing.assert_close(found.responses, torch.from_numpy(X[:1]), rtol=0, atol=0)


@pytest.mark.parametrize("axes", ["rsu", "sur", "usr", "urs"])
def test_axes_can_be_in_any_order(tmp_path: Path, axes: str) -> None:
    moved = np.transpose(X, ["rsu".index(letter) for letter in axes])
    found = read_recording(write(tmp_path / "a.npy", responses=moved), axes=axes)
    torch.testing.assert_close(found.responses, torch.from_numpy(X), rtol=0, atol=0)
    turned = read_recording(write(tmp_path / "b.npy", responses=X[1].T), axes="us")
    torch.testing.assert_close(turned.responses, torch.from_numpy(X[1:]), rtol=0, atol=0)


def test_named_axes_of_netcdf_are_believed_and_bring_the_stimuli(tmp_path: Path) -> None:
    names = [f"image {i}" for i in range(6)]
    data = xarray.Dataset({"responses": (("neuroid", "stimuli", "trial"), X.T)}, {"stimuli": names})
    data["spont"] = (("neuroid", "time"), SPONT.T)
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = read_recording(tmp_path / "a.nc")
    torch.testing.assert_close(found.responses, torch.from_numpy(X), rtol=0, atol=0)
    torch.testing.assert_close(found.spontaneous, torch.from_numpy(SPONT), rtol=0, atol=0)
    assert found.stimuli == tuple(names)


KINDS = [("<f4", "float32"), (">f4", "float32"), (">f8", "float64"), ("f2", "float32"), ("i2", "float32")]
KINDS += [("u1", "float32"), ("i8", "float64"), ("?", "float32"), ("g", "float64")]


@pytest.mark.parametrize(("kind", "becomes"), KINDS)
def test_number_types(tmp_path: Path, kind: str, becomes: str) -> None:
    values = np.arange(48).reshape(6, 8) // 3 % 2
    found = read_recording(write(tmp_path / "a.npy", responses=values.astype(kind)))
    assert str(found.responses.dtype) == f"torch.{becomes}"
    assert found.responses[0].long().tolist() == values.tolist()


def test_the_array_that_can_be_meant(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mat", x=X[0], rate=np.array([[30.0]]), label="V1", depth=np.ones((8, 1)), spont=SPONT)
    assert read_recording(path).array == "x"
    path = write(tmp_path / "b.npz", x=X[0], responses=X, stimuli=np.array([5, 3, 4, 0, 1, 2]))
    assert (read_recording(path).array, read_recording(path).stimuli) == ("responses", (5, 3, 4, 0, 1, 2))
    assert read_recording(path, "x").array == "x"


@pytest.mark.parametrize("name", ["a.npz", "a.mat", "v73.mat"])
def test_several_arrays_are_listed(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, before=X[0], after=X)
    with pytest.raises(InputError, match=r"several arrays could be") as error:
        read_recording(path)
    for words in (str(path), "before (6 x 8 float32)", "after (2 x 6 x 8 float32)", "key="):
        assert words in str(error.value)
    with pytest.raises(InputError, match=r"no array 'befor'[\s\S]*did you mean 'before'"):
        read_recording(path, "befor")


def by_hand(rows: Any, labels: Any, leave_out: tuple[object, ...]) -> tuple[torch.Tensor, list[object]]:
    """The presentations of each label in plain words: a list of rows, and NaN where there are no more.

    Three labels have three repeats at most: of four rows the first two are averaged.
    """
    shown = {label: [r for r, own in zip(rows, labels, strict=True) if own == label] for label in sorted({*labels})}
    kept = {label: mine for label, mine in shown.items() if label not in leave_out and len(mine) > 1}
    if len(kept) == 3:
        kept = {k: m if len(m) < 4 else [(m[0] + m[1]) / 2, *m[2:]] for k, m in kept.items()}
    nothing = np.full(len(rows[0]), np.nan)
    most = max(map(len, kept.values()))
    return torch.tensor(np.stack([np.stack(m + [nothing] * (most - len(m))) for m in kept.values()], 1)), list(kept)


def same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found.double(), expected.double(), equal_nan=True)


@pytest.mark.parametrize("key", [None, "stim"])
@pytest.mark.parametrize("version", ["5", "5 packed", "7.3"])
def test_the_files_of_stringer(tmp_path: Path, version: str, key: str | None) -> None:
    path = tmp_path / "natimg2800_M0_2017-01-01.mat"
    if version == "7.3":
        write_v73(path, {"db": {"mouse_name": "M0"}, "med": np.ones((7, 3)), "stim": stim()})
    else:
        write_stringer(path, packed=version != "5")
    found = read_recording(path, key)
    expected, kept = by_hand(stim()["resp"], ISTIM, (6,))
    assert found.stimuli == (1, 2, 3, 5) == tuple(kept)
    same(found.responses, expected)
    torch.testing.assert_close(found.spontaneous, torch.from_numpy(stim()["spont"]), rtol=0, atol=0)
    assert found.array == "stim.resp"
    assert found.notes == (
        "2 presentations of the blank (stimulus 6) left out",
        "1 stimulus not shown twice left out",
        "stimuli shown 2 to 4 times: every presentation is used",
    )


def test_the_same_layout_without_a_struct(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **stim())
    same(read_recording(tmp_path / "a.npz").responses, by_hand(stim()["resp"], ISTIM, (6,))[0])
    raw = read_recording(write_stringer(tmp_path / "a.mat"), "stim.resp")
    assert raw.responses.shape == (1, len(ISTIM), 7)


def test_no_spontaneous_activity_is_an_empty_array_in_matlab(tmp_path: Path) -> None:
    assert read_recording(write_stringer(tmp_path / "a.mat", spont=np.zeros((0, 0)))).spontaneous is None
    assert (
        read_recording(write_v73(tmp_path / "b.mat", {"stim": {**stim(), "spont": np.zeros((0, 0))}})).spontaneous
        is None
    )


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_red_cells_are_left_out_as_in_the_published_analysis(tmp_path: Path, version: str) -> None:
    red, path = [0, 1, 0, 0, 1, 0, 0], tmp_path / "a.mat"
    if version == "5":
        write_stringer(path, redcell=red)
    else:
        write_v73(path, {"stat": {"redcell": [np.array([[float(r)]]) for r in red]}, "stim": stim()})
    found = read_recording(path)
    same(found.responses, by_hand(stim()["resp"], ISTIM, (6,))[0][:, :, [0, 2, 3, 5, 6]])
    assert found.spontaneous is not None
    assert found.spontaneous.shape == (12, 5)
    assert found.notes[-1] == "red cells (stat.redcell) left out: 2"


WRONG_STIM: list[tuple[dict[str, Any], str]] = [
    ({"istim": np.ones((4, 1))}, "istim does not number the presentations"),
    ({"istim": np.full((15, 1), 1.5)}, "istim does not number the presentations"),
    ({"istim": np.zeros((15, 1))}, "fewer than two stimuli were shown twice"),
    ({"istim": np.full((15, 1), np.nan)}, "istim does not number the presentations"),
    ({"istim": np.arange(1.0, 16.0)[:, None]}, "fewer than two stimuli were shown twice"),
    (
        {"istim": np.arange(1.0, 16.0)[:, None] - (np.arange(15) == 1)[:, None]},
        "fewer than two stimuli were shown twice",
    ),
    ({"resp": np.ones((15, 7), dtype=complex) * 1j}, "stim.resp does not hold real numbers"),
    ({"resp": np.ones((15, 7, 2))}, "stim.resp: wrong shape"),
    ({"resp": np.ones((15, 7))}, "stim.resp: no unit responds differently"),
    ({"spont": np.ones((4, 3))}, "the spontaneous activity does not fit"),
    ({"spont": np.ones((4, 3, 2))}, "stim.spont has 3 axes"),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("wrong", "says"), WRONG_STIM)
def test_a_damaged_stim_is_named(tmp_path: Path, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        read_recording(write_stringer(tmp_path / "natimg.mat", **wrong))
    assert "natimg.mat" in str(error.value)


def test_marks_of_other_cells_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"stat\.redcell does not mark the units"):
        read_recording(write_v73(tmp_path / "a.mat", {"stat": {"redcell": [np.ones((1, 1))]}, "stim": stim()}))
    with pytest.raises(InputError, match="the axes of this layout are known"):
        read_recording(write_stringer(tmp_path / "b.mat"), axes="su")
    with pytest.raises(InputError, match="several recordings"):
        read_recording(write_v73(tmp_path / "c.mat", {"a": stim(), "b": stim()}))
    assert read_recording(tmp_path / "c.mat", "b").array == "b.resp"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("a.npy", {"x": X[0, 0]}, "array has 1 axes"),
    ("a.npy", {"x": X[None]}, "array has 4 axes"),
    ("a.npy", {"x": X[0] * 1j}, "does not hold real numbers[\\s\\S]*complex64"),
    ("a.npy", {"x": np.array([["a", "b"], ["c", "d"]])}, "does not hold real numbers[\\s\\S]*text"),
    ("a.npy", {"x": np.array([[1, None], [2, "b"]], dtype=object)}, "does not hold real numbers[\\s\\S]*pickled"),
    ("a.npy", {"x": np.zeros((2, 2), dtype=[("a", "f4")])}, "does not hold real numbers[\\s\\S]*struct"),
    ("a.npy", {"x": np.zeros((0, 5))}, "array is empty"),
    ("a.npy", {"x": np.full((6, 8), np.nan)}, "every response is NaN"),
    ("a.npy", {"x": X[0, :1]}, "not enough to measure"),
    ("a.npy", {"x": np.full((6, 8), 3)}, "no unit responds differently"),
    ("a.npz", {"x": np.array([[1, None]], dtype=object)}, "does not hold real numbers[\\s\\S]*pickled"),
    ("a.npz", {"responses": X, "spontaneous": SPONT[:, :3]}, "the spontaneous activity does not fit"),
    ("a.npz", {"responses": X, "stimuli": np.array([1, 1, 2, 3, 4, 5])}, "5 of them different"),
    ("a.npz", {"responses": X, "stimuli": np.array([1, 2])}, "the stimuli do not fit"),
    ("a.npz", {"responses": X, "stimuli": np.ones((2, 3))}, "stimuli does not name the stimuli"),
    ("a.mat", {"x": X * 1j}, "x does not hold real numbers[\\s\\S]*complex"),
    ("v73.mat", {"x": "mouse V1"}, "x does not hold real numbers[\\s\\S]*text"),
    ("v73.mat", {"x": np.zeros((6, 8), dtype=[("real", "f8"), ("imag", "f8")])}, "x does not hold real.*\\s.*complex"),
    ("a.nc", {"responses": np.full((2, 6, 8), np.nan)}, "every response is NaN"),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("name", "arrays", "says"), WRONG)
def test_wrong_arrays_are_named(tmp_path: Path, name: str, arrays: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        read_recording(write(tmp_path / name, **arrays))
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("axes", "says"),
    [(None, "its shortest axis last"), ("su", "has other axes"), ("rss", "has other axes"), ("xyz", "has other axes")],
)
def test_axes_that_cannot_be_are_refused(tmp_path: Path, axes: str | None, says: str) -> None:
    path = write(tmp_path / "a.npy", responses=np.moveaxis(X, 0, 2))
    with pytest.raises(InputError, match=says):
        read_recording(path, axes=axes)


def test_repeats_in_the_middle_are_refused_until_somebody_says_so(tmp_path: Path) -> None:
    """Stimuli x repeats x units would be many repeats of few stimuli, which a word on the axes allows."""
    path = write(tmp_path / "a.npy", responses=np.moveaxis(X, 0, 1))
    with pytest.raises(InputError, match="its shortest axis in the middle"):
        read_recording(path)
    np.testing.assert_allclose(read_recording(path, axes="sru").responses, X, rtol=1e-6)


def test_files_with_nothing_in_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no array of responses"):
        read_recording(write(tmp_path / "a.mat", label="V1", rate=np.array([[30.0]])))
    np.savez(tmp_path / "none.npz")
    with pytest.raises(InputError, match=r"no array of responses[\s\S]*no arrays"):
        read_recording(tmp_path / "none.npz")
    with pytest.raises(InputError, match="not a file of responses"):
        read_recording(tmp_path / "a.pkl")
    (tmp_path / "empty.mat").touch()
    (tmp_path / "folder.nc").mkdir()
    wrong = {"gone.npy": "no such file", "empty.mat": "the file is empty", "folder.nc": "not a folder of suite2p"}
    for name, says in wrong.items():
        with pytest.raises(DataError, match=says):
            read_recording(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mat", "v73.mat", "a.nc", "old.nc"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, name: str, share: float) -> None:
    whole = write(tmp_path / name, responses=np.random.default_rng(2).normal(size=(2, 40, 50)).astype(np.float32))
    content = whole.read_bytes()
    whole.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=name):  # a DataError, or nothing found in what is left
        read_recording(whole)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".nc"])
@pytest.mark.parametrize("content", [b"hello\n" * 50, b"\x80\x04\x95pickle" * 20], ids=["text", "pickle"])
def test_a_file_of_another_kind_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"other{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"other{suffix}: the file cannot be read"):
        read_recording(path)


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "sprung").touch, ())

    np.save(tmp_path / "a.npy", np.array([Trap(), Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=np.array([Trap()], dtype=object), responses=X)
    with pytest.raises(DataError, match="pickled"):
        read_recording(tmp_path / "a.npy")
    assert read_recording(tmp_path / "a.npz").array == "responses"
    assert not (tmp_path / "sprung").exists()


MATLAB = sorted((Path(scipy.io.__file__).parent / "matlab" / "tests" / "data").glob("*.mat"))
"""Files that MATLAB 4 to 7.4 wrote, and damaged ones, which scipy installs with its tests."""


@pytest.mark.skipif(not MATLAB, reason="scipy without its tests")
def test_files_of_matlab_itself() -> None:
    found = {}
    for path in MATLAB:
        try:
            found[path.name] = read_recording(path).responses
        except InputError as error:
            assert path.name in str(error)  # noqa: PT017
    for version in ("6.1_SOL2", "6.5.1_GLNX86", "7.1_GLNX86", "7.4_GLNX86"):
        cube = torch.arange(1.0, 25.0, dtype=torch.float64).reshape(4, 3, 2).permute(2, 1, 0)
        torch.testing.assert_close(found[f"test3dmatrix_{version}.mat"].double(), cube, rtol=0, atol=0)
    assert len(found) > 10
    folder = MATLAB[0].parent
    with arrays_in(folder / "testdouble_7.4_GLNX86.mat") as old, arrays_in(folder / "testhdf5_7.4_GLNX86.mat") as new:
        assert old["testdouble"].shape == new["testdouble"].shape == (1, 9)
        np.testing.assert_array_equal(old["testdouble"].read(), new["testdouble"].read())


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_stimuli_named_in_a_cell(tmp_path: Path, version: str) -> None:
    names, path = [f"tree {i}" for i in range(6)], tmp_path / "a.mat"
    if version == "5":
        savemat(path, {"responses": X[0], "stimuli": np.array(names, dtype=object)})
    else:
        letters = [np.array([[ord(c) for c in name]], dtype=np.uint16) for name in names]
        write_v73(path, {"responses": X[0], "stimuli": letters})
    assert read_recording(path).stimuli == tuple(names)


def test_pickled_stimuli_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", responses=X, stimuli=np.array([1, "b", None, 2, 3, 4], dtype=object))
    with pytest.raises(DataError, match=r"a\.npz: stimuli holds pickled objects"):
        read_recording(tmp_path / "a.npz")


def test_a_part_of_a_recording_keeps_what_belongs_to_it() -> None:
    whole = Recording(torch.from_numpy(X), torch.from_numpy(SPONT).float(), ("a", "b", "c", "d", "e", "f"))
    part = whole.keep(units=torch.arange(8) > 4, stimuli=torch.arange(6) != 1, note="less")
    assert part.stimuli == ("a", "c", "d", "e", "f")
    torch.testing.assert_close(part.responses, torch.from_numpy(X[:, [0, 2, 3, 4, 5], 5:]), rtol=0, atol=0)
    torch.testing.assert_close(part.spontaneous, torch.from_numpy(SPONT[:, 5:]).float(), rtol=0, atol=0)
    assert (part.notes, whole.notes) == (("less",), ())
    with pytest.raises(DataError, match="not enough to measure"):
        whole.keep(units=torch.zeros(8, dtype=torch.bool))


LABELS = np.array([4, 0, -1, 2, 7, 0, 2, 4, 0, 2, -1, 9, 4, 2])
"""14 presentations: 0 three times, 2 four times, 4 three times, 7 and 9 once, the blank (−1) twice."""

SHOWN = np.random.default_rng(3).normal(size=(14, 5)) + 2


@pytest.mark.parametrize("file", ["a.npz", "a.mat", "v73.mat"])
@pytest.mark.parametrize("name", ["stimuli", "stim_id", "stimulusIdx", "image_ids", "istim", "trial_stimulus"])
def test_one_row_per_presentation_with_a_label_each(tmp_path: Path, file: str, name: str) -> None:
    found = read_recording(write(tmp_path / file, responses=SHOWN, **{name: LABELS}))
    expected, kept = by_hand(SHOWN, LABELS.tolist(), (-1,))
    same(found.responses, expected)
    assert list(found.stimuli) == kept == [0, 2, 4]
    named = f"{name} names the stimuli (--labels NAME takes another array)"
    assert found.notes == (
        *([named] if name != "stimuli" else []),
        "2 presentations of the blank (negative number or NaN) left out",
        "2 stimuli not shown twice left out",
        "stimuli shown 3 to 4 times: every presentation is used",
        "stimuli shown more than 3 times: runs of presentations averaged into 3 repeats",
    )


@pytest.mark.parametrize(
    ("labels", "blank", "left_out"),
    [
        (LABELS + 1, 0, (0,)),
        (LABELS + 1, "0", (0,)),
        (LABELS + 1, None, ()),
        (LABELS, "none", ()),
        (LABELS, 2, (2,)),
        (LABELS.astype(float), None, (-1,)),
        (np.where(LABELS < 0, "grey", LABELS.astype(str)), "grey", ("grey",)),
        (np.where(LABELS < 0, "", LABELS.astype(str)), None, ("",)),
    ],
)
def test_blanks_of_every_kind(tmp_path: Path, labels: np.ndarray, blank: Any, left_out: tuple[object, ...]) -> None:
    found = read_recording(write(tmp_path / "a.npz", rates=SHOWN, condition=labels), labels="condition", blank=blank)
    expected, kept = by_hand(SHOWN, labels.tolist(), left_out)
    same(found.responses, expected)
    assert list(found.stimuli) == kept
    of = Recording.of(SHOWN, labels, blank)
    same(of.responses, found.responses)
    assert (of.stimuli, of.notes) == (found.stimuli, found.notes)


def test_a_stimulus_with_the_name_of_a_blank_is_told() -> None:
    labels = np.where(LABELS < 0, "Grey", LABELS.astype(str))
    assert "'Grey' counts as a stimulus: --blank Grey (blank=) leaves it out" in Recording.of(SHOWN, labels).notes
    assert not any("counts as" in note for note in Recording.of(SHOWN, labels, "Grey").notes)


@pytest.mark.parametrize(
    ("counts", "repeats"),
    [
        ([2] * 9, 2),
        ([5] * 9, 5),
        ([50] * 8, 8),  # not more repeats than stimuli
        ([2] * 9 + [90], 4),  # one stimulus does not make nine others NaN
        ([2] * 5 + [6] * 5, 6),
        ([2] * 8 + [6] * 2, 5),
        ([2, 3, 3, 4], 4),
    ],
)
def test_every_presentation_is_in_one_repeat(counts: list[int], repeats: int) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = np.eye(len(labels))  # a unit for each presentation
    x = Recording.of(rows, labels).responses
    assert len(x) == repeats
    empty = x.isnan().all(2)
    assert float(empty.double().mean()) <= 0.5
    weights = x.nan_to_num(0)
    assert bool(((weights > 0).sum((0, 1)) == 1).all())
    torch.testing.assert_close(weights.sum(2)[~empty], torch.ones(int((~empty).sum()), dtype=x.dtype))
    for stimulus, label in enumerate(range(len(counts))):
        mine = np.flatnonzero(labels == label)
        runs = [np.flatnonzero(row) for row in weights[:, stimulus].numpy() if row.any()]
        assert np.concatenate(runs).tolist() == mine.tolist()  # in the order shown
        assert max(map(len, runs)) - min(map(len, runs)) <= 1


def test_presentations_without_responses_are_left_out() -> None:
    rows, labels = SHOWN.copy(), LABELS
    rows[[0, 2]] = np.nan  # one of 4, and a blank
    found = Recording.of(rows, labels)
    same(found.responses[:, 2], torch.from_numpy(np.stack([SHOWN[7], SHOWN[12], np.full(5, np.nan)])))
    assert "1 presentation left out: NaN in all units" in found.notes


def test_missing_labels_are_blanks() -> None:
    labels = np.where(LABELS < 0, np.nan, LABELS)
    assert Recording.of(SHOWN, labels).stimuli == (0, 2, 4)


def test_numbers_from_zero_in_the_layout_of_stringer(tmp_path: Path) -> None:
    counted = stim()
    found = read_recording(write(tmp_path / "a.npz", resp=counted["resp"], istim=counted["istim"] - 1))
    assert found.stimuli == (0, 1, 2, 4, 5)
    assert found.notes[0] == "numbers from 0: no blank is known (--blank N leaves one out)"
    known = read_recording(tmp_path / "a.npz", blank=5)
    same(known.responses, by_hand(counted["resp"], ISTIM, (6,))[0])


def test_labels_tell_which_axis_is_the_stimuli(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path / "a.npz", responses=SHOWN.T, stim=LABELS))
    same(found.responses, by_hand(SHOWN, LABELS.tolist(), (-1,))[0])
    assert found.notes[0] == "read as units x stimuli: there are 14 labels"


def test_labels_along_a_named_axis(tmp_path: Path) -> None:
    data = xarray.Dataset({"responses": (("neuroid", "presentation"), SHOWN.T)})
    data["stimulus_id"] = ("presentation", [f"im{label}" for label in LABELS])
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    found = read_recording(tmp_path / "a.nc", blank="im-1")
    same(found.responses, by_hand(SHOWN, LABELS.tolist(), (-1,))[0])
    assert found.stimuli == ("im0", "im2", "im4")


def test_labels_of_another_name_are_not_used_but_told(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path / "a.npz", responses=SHOWN, y=LABELS, depth=np.ones(5)))
    assert found.responses.shape == (1, 14, 5)
    (note,) = found.notes
    assert note.startswith("y has 6 values for 14 rows")
    assert read_recording(tmp_path / "a.npz", labels="y").responses.shape == (3, 3, 5)


FINE = np.tile(np.arange(12), 3)
"""36 presentations of 12 images of 3 categories, and of 4 orientations at 3 contrasts."""

TWELVE = np.random.default_rng(4).normal(size=(36, 5))
IMAGES = np.array([f"img {i}" for i in FINE])


def test_labels_of_two_kinds_are_asked_about(tmp_path: Path) -> None:
    """The first array found was taken, and categories became stimuli.  Arrays that agree are one."""
    arrays = {"stimulus_name": IMAGES, "image_set": FINE, "stimulus": FINE // 4, "image_id": FINE}
    path = write(tmp_path / "a.npz", responses=TWELVE, **arrays)
    with pytest.raises(
        InputError, match=r"(?s)several arrays could name.*stimulus \(3 values\).*--labels stimulus_name"
    ):
        read_recording(path)
    del arrays["stimulus"]
    assert read_recording(write(path, responses=TWELVE, **arrays)).responses.shape == (3, 12, 5)


def test_labels_are_those_of_the_same_animal(tmp_path: Path) -> None:
    arrays = {
        "mouse1_stimuli": FINE,
        "mouse2_stimuli": FINE[::-1],
        "mouse1_responses": TWELVE,
        "mouse2_responses": TWELVE,
    }
    path = write(tmp_path / "a.npz", **arrays)
    for mouse, labels in (("mouse1", FINE), ("mouse2", FINE[::-1])):
        found = read_recording(path, key=f"{mouse}_responses")
        same(found.responses, by_hand(TWELVE, labels.tolist(), ())[0])
        assert f"{mouse}_stimuli names the stimuli (--labels NAME takes another array)" in found.notes


def test_a_group_is_named_like_an_array(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for mouse, labels in (("mouse1", FINE), ("mouse2", FINE[::-1])):
            file[f"{mouse}/rates"], file[f"{mouse}/image"] = TWELVE, labels.copy()
    found = read_recording(tmp_path / "a.h5", key="mouse2")
    same(found.responses, by_hand(TWELVE, FINE[::-1].tolist(), ())[0])
    with pytest.raises(InputError, match="no array 'mouse3'"):
        read_recording(tmp_path / "a.h5", key="mouse3")


def test_one_label_for_all_names_no_stimuli(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", responses=TWELVE, stimulus_name=np.full(36, "natural scenes"), frame=FINE)
    found = read_recording(path)
    assert found.responses.shape == (1, 36, 5)
    assert found.notes[0].startswith("frame has 12 values for 36 rows")


def test_two_arrays_name_a_stimulus_together(tmp_path: Path) -> None:
    """Gratings: what the labels leave together is told, and several arrays are joined; NaN in one is a blank."""
    contrast = np.where(FINE == 11, np.nan, FINE % 3)
    path = write(tmp_path / "a.npz", responses=TWELVE, stimulus=FINE // 3, contrast=FINE % 3, trial=np.arange(36))
    (note,) = (n for n in read_recording(path).notes if "together" in n)
    assert note.startswith(
        "stimulus and contrast together name 12 stimuli, stimulus alone 4: --labels stimulus,contrast "
    )
    found = read_recording(path, labels="stimulus, contrast")
    same(found.responses.nansum(0), by_hand(TWELVE, FINE.tolist(), ())[0].nansum(0))
    assert found.stimuli[:2] == ("0, 0", "0, 1")
    path = write(path, responses=TWELVE, orientation=FINE // 3, contrast=contrast)
    assert len(read_recording(path, labels="orientation,contrast").stimuli) == 11
    with pytest.raises(InputError, match="do not fit together"):
        read_recording(write(path, responses=TWELVE, stimulus=FINE, contrast=FINE[:3]), labels="stimulus,contrast")


def test_tables_beside_the_responses_and_labels_of_columns_are_told(tmp_path: Path) -> None:
    table = np.array([*zip(FINE, IMAGES)], [("image", "i8"), ("name", "U8")])
    notes = read_recording(write(tmp_path / "a.npz", responses=TWELVE, trials=table, stim_table=TWELVE[:, :2])).notes
    assert sum("not used: if it names the stimuli, save that column" in note for note in notes) == 2
    notes = read_recording(write(tmp_path / "a.npz", responses=TWELVE.T, trial_labels=FINE)).notes
    assert notes == ("trial_labels has 36 values, one for each column: --axes us, if columns are presentations",)


def test_many_repeats_are_told(tmp_path: Path) -> None:
    """Neurons x trials x time bins has the shape of many repeats."""
    x = np.random.default_rng(0).normal(size=(25, 30, 40))
    (note,) = read_recording(write(tmp_path / "a.npz", spks=x)).notes
    assert note.startswith("25 x 30 x 40 numbers read as repeats x stimuli x units")
    assert not read_recording(tmp_path / "a.npz", axes="rsu").notes


def test_blocks_and_a_stimulus_shown_far_more_often_are_told() -> None:
    said = "presentations of a stimulus follow one another: slow drift counts as signal"
    assert said in Recording.of(TWELVE, np.sort(FINE)).notes
    assert said not in Recording.of(TWELVE, FINE).notes
    labels, rows = np.r_[FINE + 1, np.zeros(20, int)], np.r_[TWELVE, TWELVE[:20]]
    note = "stimulus 0 was shown 20 times, others 3: if it is none, --blank 0 (blank=) leaves it out"
    assert note in Recording.of(rows, labels).notes
    assert len(Recording.of(rows, labels, blank=0).stimuli) == 12


def test_means_of_two_recordings_have_one_order() -> None:
    """Names sort as text: image 10 comes before image 2."""
    named, numbered = Recording.of(TWELVE, IMAGES), Recording.of(TWELVE, FINE)
    order = tuple(f"img {i}" for i in numbered.stimuli)
    assert named.stimuli != order
    torch.testing.assert_close(named.means(order), numbered.means())
    torch.testing.assert_close(numbered.means(), numbered.responses.mean(0))
    with pytest.raises(InputError, match="no such stimulus"):
        named.means(["img 1", "img 99"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"labels": "lables"}, r"no array 'lables'"),
        ({"labels": "labels", "blank": 99}, "no presentation of the blank"),
        ({"labels": "signed"}, "several negative numbers"),
        ({"labels": "short"}, "does not number the presentations"),
        ({"labels": "once"}, "fewer than two stimuli were shown twice"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    arrays = {"short": LABELS[:9], "once": np.arange(14), "labels": LABELS, "signed": LABELS - 3}
    with pytest.raises(InputError, match=says):
        read_recording(write(tmp_path / "a.npz", responses=SHOWN, **arrays), **options)


@pytest.mark.parametrize(
    ("dims", "transposed"),
    [
        (("neuron", "time"), True),
        (("unit_id", "stage"), True),
        (("electrodes", "n_trials"), True),
        (("stage", "neuron"), False),
        (("time", "cells"), False),
        (("frames", "whatever"), False),
        (("what", "ever"), False),
    ],
)
def test_one_unknown_name_is_not_all(tmp_path: Path, dims: tuple[str, str], transposed: bool) -> None:
    xarray.Dataset({"responses": (dims, X[0].T if transposed else X[0])}).to_netcdf(tmp_path / "a.nc")
    found = read_recording(tmp_path / "a.nc")
    torch.testing.assert_close(found.responses, torch.from_numpy(X[:1]), rtol=0, atol=0)
    assert bool(found.notes) == (dims == ("what", "ever"))


def test_names_of_axes_that_contradict_are_refused_and_the_advice_works(tmp_path: Path) -> None:
    xarray.Dataset({"responses": (("stimulus", "time", "neuron"), X)}).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(InputError, match=r"do not say what they are[\s\S]*--axes rsu"):
        read_recording(tmp_path / "a.nc")
    assert read_recording(tmp_path / "a.nc", axes="rsu").responses.shape == (2, 6, 8)
    xarray.Dataset({"responses": (("stimulus", "neuron"), X.mean(1))}).to_netcdf(tmp_path / "b.nc")
    assert read_recording(tmp_path / "b.nc").responses.shape == (1, 2, 8)


@pytest.mark.parametrize("suffix", [".mat", ".nc"])
@pytest.mark.parametrize("kind", ["external storage", "external link", "virtual"])
def test_numbers_in_another_file_are_not_read(tmp_path: Path, suffix: str, kind: str) -> None:
    secret, path = tmp_path / "secret", tmp_path / f"a{suffix}"
    X.astype("<f4").tofile(secret)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = X
    with h5py.File(path, "w") as file:
        file["here"] = X[0]
        if kind == "external storage":
            file.create_dataset("responses", X.shape, "<f4", external=[(str(secret), 0, X.nbytes)])
        elif kind == "external link":
            file["responses"] = h5py.ExternalLink("other.h5", "x")
        else:
            layout = h5py.VirtualLayout(X.shape, "<f4")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", X.shape)
            file.create_virtual_dataset("responses", layout)
    with pytest.raises(DataError, match=r"stored in other files[\s\S]*(secret|other\.h5)"):
        read_recording(path, "responses")


@pytest.mark.usefixtures("unchecked")
def test_recordings_of_other_libraries() -> None:
    named = xarray.DataArray(X.transpose(2, 1, 0), dims=("neuron", "stimulus", "repetition"))
    for given in (X, X.tolist(), named, X.astype(">f4")):
        torch.testing.assert_close(Recording(given).responses.float(), torch.from_numpy(X))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"not enough to measure[\s\S]*x\[None\]"):
        Recording(X[0])  # type: ignore[arg-type]
