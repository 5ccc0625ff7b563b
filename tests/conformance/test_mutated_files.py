"""Whatever is in a file, it is read or refused with an error of this package, within 10 s and 1 GiB.

A failure names kind and seed: `outcomes([(kind, seed)], kinds(), folder)` repeats it.
"""

import faulthandler
import gzip
import io
import json
import os
import signal
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import pytest
import torch
import xarray
from forked import Forked
from mutated import Kind, outcomes, told
from mutated_kinds import STUDY, kinds, load_model, read_model_weights, written
from PIL import Image
from safetensors.torch import save_file
from scipy.io import savemat

from eigencode.base.errors import DataError, InputError
from eigencode.data import load, read_recording
from eigencode.data._class_list import class_list
from eigencode.report import StudyRun
from eigencode.study import read_study

READERS = cache(kinds)


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files are read here, each of some formats in a process of its own."""
    monkeypatch.setattr("eigencode.formats._apart.start", Forked)


@pytest.mark.usefixtures("forked")
def test_the_files_that_will_be_damaged_are_read(tmp_path: Path) -> None:
    found = outcomes([(name, -1) for name in READERS()], READERS(), tmp_path)
    assert {one.said for one in found} == {"read"}, told(found)


@pytest.mark.usefixtures("forked")
def test_some_damaged_files(tmp_path: Path) -> None:
    found = outcomes([(name, seed) for name in READERS() for seed in range(4)], READERS(), tmp_path)
    assert not any(one.wrong for one in found), told(found)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("forked")
def test_thousands_of_damaged_files(tmp_path: Path) -> None:
    each = -(-8000 // len(READERS()))
    found = outcomes([(name, 1000 + seed) for name in READERS() for seed in range(each)], READERS(), tmp_path)
    print(told(found))
    assert len(found) >= 8000
    assert not any(one.wrong for one in found), told(found)


def _fails(folder: Path) -> None:
    raise KeyError(folder)


def _waits(folder: Path) -> None:
    signal.pause()


def _takes(folder: Path) -> None:
    np.full(1 << 25, 1.0)


def _crashes(folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize("reader", [_fails, _takes, _waits, _crashes])
def test_a_reader_that_fails_would_be_noticed(
    tmp_path: Path, reader: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mutated.LONGEST_S", 1.0)
    monkeypatch.setattr("mutated.PATIENCE_S", 2.0)
    monkeypatch.setattr("mutated.MOST_BYTES", 1 << 27)
    bad = {"bad": Kind({"a": b"abc"}, reader, ("a",)), "good": Kind({"a": b"abc"}, Path.exists, ("a",))}
    found = outcomes([("bad", 0), ("good", 0)], bad, tmp_path)
    assert [one.wrong for one in found] == [True, False], told(found)


def _packed(size: int) -> bytes:
    """`size` zeros in a thousandth of the space."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(bytes(1 << 20)) for _ in range(size >> 20)] + [packer.flush()])


def _header(shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return out.getvalue()


def _npz(header: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("responses.npy", header + bytes(1000))
    return out.getvalue()


def _unwritten(path: Path, dims: tuple[str, ...] = ()) -> None:
    """An HDF5 file with 10^12 numbers of which none is stored."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("responses", (10**6, 10**6), "f4", chunks=(1000, 1000))
        for axis, name in enumerate(dims):
            file.create_dataset(name, (10**6,), "f4", chunks=(1000,)).make_scale(name)
            data.dims[axis].attach_scale(file[name])


def _mat(path: Path) -> None:
    """A MATLAB 5 file whose matrix says that it is large."""
    savemat(path, {"responses": np.ones((7, 9))})
    path.write_bytes(path.read_bytes().replace(struct.pack("<2i", 7, 9), struct.pack("<2i", 2**30, 2**9)))


def _netcdf3(path: Path) -> None:
    xarray.Dataset({"responses": (("stimulus", "unit"), np.ones((7, 9)))}).to_netcdf(path, engine="scipy")
    path.write_bytes(path.read_bytes().replace(struct.pack(">i", 7), struct.pack(">i", 2**30)))


def _png(width: int, height: int) -> bytes:
    """A PNG file of which the pixels are missing."""
    parts = [(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\x00" * 99))]
    blocks = [
        struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in (*parts, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(blocks)


def _thin() -> bytes:
    """An image that is large once its shorter side is."""
    out = io.BytesIO()
    Image.fromarray(np.full((2_000_000, 1), True)).save(out, "png")
    return out.getvalue()


def _white(kind: str = "png", side: int = 7000) -> bytes:
    out = io.BytesIO()
    Image.new("1", (side, side), 1).save(out, kind)
    return out.getvalue()


def _photos(content: bytes, each: int = 2) -> dict[str, bytes]:
    return {f"{name}/{i}.png": content for name in ("cat", "dog") for i in range(each)}


def _torch(content: object, old: bool) -> bytes:
    return written("w.pt", lambda p: torch.save(content, p, _use_new_zipfile_serialization=not old))


class _Bytes:
    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (1 << 31,)


def _growing() -> bytes:
    """Instructions that write a text twice as long, thirty times."""
    out = b"\x80\x02" + b"c_codecs\nencode\nq\x00X\x04\x00\x00\x00abcdX\x06\x00\x00\x00latin1\x86R"
    for _ in range(30):
        out += b"q\x01h\x00h\x01X\x03\x00\x00\x00hex\x86R"
    return _torch_with(out + b".")


def _torch_with(instructions: bytes) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(_torch({"w": torch.ones(2)}, False))) as archive,
        zipfile.ZipFile(out, "w") as other,
    ):
        for name in archive.namelist():
            other.writestr(name, instructions if name.endswith("data.pkl") else archive.read(name))
    return out.getvalue()


def _blown_up() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("w/data/0", "w") as part:
        for _ in range(300):
            part.write(bytes(1 << 20))
    return out.getvalue()


def _model(**header: object) -> bytes:
    spec = {"kind": "perceptron", "units": 4, "shape": [1, 2, 2], "classes": 2, "n": 1.0, "norm_p": 3.0, "seed": 0}
    state = {"encoder.weight": torch.ones(4, 4), "readout.weight": torch.ones(2, 4), "readout.bias": torch.ones(2)}
    about = {"eigencode": json.dumps({**spec, "batch_norm": False, **header})}
    return written("n.safetensors", lambda p: save_file(state, str(p), about))


def _study(more: str) -> Kind:
    return Kind({"s.toml": STUDY + more.encode()}, lambda f: read_study(f / "s.toml"), ())


def _folder(name: str, content: bytes) -> Kind:
    files = {**READERS()["suite2p"].files, f"s/{name}.npy": content + bytes(1000)}
    return Kind(files, lambda f: read_recording(f / "s"), ())


def _recorded(name: str, content: bytes) -> Kind:
    return Kind({name: content}, lambda f: read_recording(f / name), ())


DEEP = 100_000
IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def _mnist(name: str, content: bytes) -> Kind:
    whole = READERS()["idx gz"]
    return Kind({**whole.files, name: content}, whole.read, ())


def bombs() -> dict[str, tuple[Kind, str]]:
    """Small files that ask for much, and what is said of them."""
    folder: Callable[[Path], Any] = lambda f: load("folder:.", f, resize=64)  # noqa: E731
    far, more = "far larger than its file", "more than tensors"
    return {
        "gz declares": (_mnist(LABELS, gzip.compress(struct.pack(">2I", 2049, 2**31) + bytes(99))), far),
        "gz images": (_mnist(IMAGES, gzip.compress(struct.pack(">4I", 2051, 2**20, 2**16, 2**16))), "another size"),
        "gz goes on": (
            _mnist(LABELS, gzip.compress(struct.pack(">2I", 2049, 12)) + _packed(1 << 28)),
            "is longer than",
        ),
        "npy": (_recorded("a.npy", _header((10**6, 10**6))), far),
        "npz": (_recorded("a.npz", _npz(_header((10**6, 10**6)))), far),
        "mat 7.3 unwritten": (_recorded("a.mat", written("a.mat", _unwritten)), far),
        "nc unwritten": (_recorded("a.nc", written("a.nc", lambda p: _unwritten(p, ("stimulus", "unit")))), far),
        "nwb unwritten": (_recorded("a.nwb", written("a.nwb", _unwritten)), far),
        "h5 unwritten": (_recorded("a.h5", written("a.h5", _unwritten)), far),
        "pt bytes": (_recorded("a.pt", _torch({"w": _Bytes()}, False)), more),
        "old pt bytes": (_recorded("a.pt", _torch({"w": _Bytes()}, True)), more),
        "pt growing": (_recorded("a.pt", _growing()), more),
        "pt expanded": (_recorded("a.pt", _torch({"responses": torch.ones(1).expand(10**6, 10**6)}, False)), far),
        "pt zip": (_recorded("a.pt", _blown_up()), far),
        "csv columns": (_recorded("a.csv", b"1," * 2_000_000), "too many columns"),
        "csv quotes": (_recorded("a.csv", b'a,b\n"' + b"1,2\n" * 2_000_000), "cannot be read"),
        "suite2p": (_folder("spks", _header((10**6, 10**6))), "another shape"),
        "suite2p frames": (_folder("frames", _header((10**6, 10**6))), far),
        "mat 5": (_recorded("a.mat", written("a.mat", _mat)), far),
        "nc 3": (_recorded("a.nc", written("a.nc", _netcdf3)), "cannot be read"),
        "image": (Kind(_photos(_png(9000, 9000)), folder, ()), far),
        "larger image": (Kind(_photos(_png(60_000, 60_000)), folder, ()), "cannot be read"),
        "thin image": (Kind(_photos(_thin()), folder, ()), far),
        "many images": (Kind(_photos(_white(), 4), lambda f: load("folder:.", f), ()), far),
        "no image": (Kind(_photos(_white("pcx", 30)), folder, ()), "cannot be read"),
        "weights bytes": (Kind({"w.pt": _torch({"w": _Bytes()}, False)}, read_model_weights, ()), more),
        "old weights bytes": (
            Kind({"w.pt": _torch({"w": _Bytes()}, True)}, read_model_weights, ()),
            "more than tensors",
        ),
        "weights growing": (Kind({"w.pt": _growing()}, read_model_weights, ()), more),
        "weights zip": (Kind({"w.pt": _blown_up()}, read_model_weights, ()), far),
        "model units": (Kind({"n.safetensors": _model(units=10**8)}, load_model, ()), "does not describe"),
        "model pixels": (
            Kind({"n.safetensors": _model(shape=[1, 20_000, 20_000])}, load_model, ()),
            "does not describe",
        ),
        "header": (Kind({"n.safetensors": struct.pack("<Q", 2**62) + b"{}"}, load_model, ()), "not a readable"),
        "json": (Kind({"c.json": b"[" * DEEP}, lambda f: class_list(f / "c.json"), ()), "cannot be read"),
        "results": (Kind({"results.json": b"[" * DEEP}, lambda f: StudyRun(f, f).results, ()), "cannot be read"),
        "toml lists": (_study(f"a = {'[' * DEEP}"), "nested too deeply"),
        "toml keys": (_study(f"[{'.'.join('a' * DEEP)}]"), "nested too deeply"),
        "toml digits": (_study(f"[a]\nb = {'9' * 5000}"), "not a TOML file"),
        "toml hexadecimal": (_study(f"[a]\nb = 0x{'f' * 9000}"), "too large"),
    }


@pytest.mark.usefixtures("forked")
def test_bombs(tmp_path: Path) -> None:
    every = bombs()
    found = outcomes([(name, -1) for name in every], {name: kind for name, (kind, _) in every.items()}, tmp_path)
    assert not any(one.wrong for one in found), told(found)
    assert {one.kind: one.error for one in found if every[one.kind][1] not in one.error} == {}


@pytest.mark.parametrize("name", ["a.npy", "a.mat", "a.nc"])
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="no such file"):
        read_recording(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(DataError, match="no such file"):
        read_recording(tmp_path / name)


def _spins(path: Path, *pipes: IO[bytes]) -> None:
    while True:
        path.name.upper()


def _dies(path: Path, *pipes: IO[bytes]) -> None:
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)


def _hoards(path: Path, *pipes: IO[bytes]) -> dict[str, Any]:
    return {"x": np.ones(1 << 29)}


@pytest.mark.parametrize(
    ("reader", "says"), [(_spins, "took too long"), (_dies, "crashed"), (_hoards, "MemoryError")], ids=["s", "d", "h"]
)
def test_a_library_that_hangs_or_crashes_costs_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Callable[..., Any], says: str
) -> None:
    monkeypatch.setattr("eigencode.formats._apart.start", Forked)
    monkeypatch.setattr("eigencode.formats._matlab.matlab_file", reader)
    monkeypatch.setattr("eigencode.formats._child.SECONDS", 1)
    (tmp_path / "a.mat").write_bytes(bytes(200))
    with pytest.raises(DataError, match=rf"a\.mat: the file cannot be read[\s\S]*{says}"):
        read_recording(tmp_path / "a.mat")


@pytest.mark.parametrize("name", ["mat stringer", "mat 7.3", "nc 4", "nwb", "pt", "csv"])
def test_the_process_of_its_own_reads_what_this_one_reads(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = READERS()[name]
    (file, content), path = next(iter(kind.files.items())), tmp_path / next(iter(kind.files))
    path.write_bytes(content)
    apart = read_recording(path)
    monkeypatch.setattr("eigencode.formats._apart.start", Forked)
    here = read_recording(path)
    assert (apart.stimuli, apart.notes, apart.name) == (here.stimuli, here.notes, file)
    torch.testing.assert_close(apart.responses, here.responses, rtol=0, atol=0, equal_nan=True)


def test_an_interpreter_that_cannot_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eigencode.formats._apart.CODE", "import sys; sys.exit('no such module')  # {path} {file}")
    (tmp_path / "a.mat").write_bytes(bytes(200))
    with pytest.raises(InputError, match=r"exit code 1\): no such module"):
        read_recording(tmp_path / "a.mat")
