"""Small valid files of every kind that this package reads, and their readers."""

import gzip
import io
import json
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas
import torch
import xarray
from layouts import write_nwb, write_suite2p
from mutated import Kind
from PIL import Image
from recorded import stim, write_stringer, write_v73
from rich.console import Console
from safetensors.torch import save_file
from scipy.io import savemat
from torch import nn

import eigencode as ec
from eigencode.base.record import Estimate
from eigencode.data import Recording, load, prepared, read_recording
from eigencode.data._class_list import class_list
from eigencode.models import krotov_hopfield, load as load_network, load_weights, perceptron, save
from eigencode.report import StudyRun
from eigencode.report._table import show
from eigencode.spectra import Spectrum
from eigencode.study import read_study
from eigencode.study._integrity import damage, sealed

X = np.random.default_rng(0).normal(size=(2, 6, 8)).astype(np.float32)


def written(name: str, write: Callable[[Path], object]) -> bytes:
    """What a function writes into a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def _idx(values: np.ndarray) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def _idx_files(pack: bool) -> dict[str, bytes]:
    draw, found = np.random.default_rng(1), {}
    for part, n in (("train", 12), ("t10k", 6)):
        found[f"{part}-images-idx3-ubyte"] = _idx(draw.integers(1, 255, (n, 28, 28)).astype(np.uint8))
        found[f"{part}-labels-idx1-ubyte"] = _idx(np.arange(n).astype(np.uint8) % 10)
    return {f"{k}.gz": gzip.compress(v, mtime=0) for k, v in found.items()} if pack else found


def _cifar() -> dict[str, bytes]:
    draw = np.random.default_rng(2)
    record = lambda: bytes([int(draw.integers(10))]) + draw.integers(1, 255, 3072).astype(np.uint8).tobytes()  # noqa: E731
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    return {**{n: record() + record() for n in names}, "batches.meta.txt": "\n".join(classes).encode()}


def _picture(seed: int, mode: str, suffix: str, **how: object) -> bytes:
    pixels = np.random.default_rng(seed).integers(1, 255, (9, 7, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix), **how)
    return out.getvalue()


def _pictures(mode: str, suffix: str, **how: object) -> dict[str, bytes]:
    names = [f"{c}/{i}.{suffix}" for c in ("cat", "dog") for i in range(2)]
    return {name: _picture(i, mode, suffix, **how) for i, name in enumerate(names)}


def _with_checksums(content: bytes) -> bytes:
    """A PNG file whose checksums fit."""
    found, at = bytearray(content[:8]), 8
    while at + 12 <= len(content):
        n = int.from_bytes(content[at : at + 4], "big")
        if at + 12 + n > len(content):
            break
        body = content[at + 4 : at + 8 + n]
        found += content[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + n
    return bytes(found) + content[at:]


def _first(content: bytes) -> bytes:
    """The first file of a zip archive, unpacked."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])


def _with_first(whole: bytes, content: bytes) -> bytes:
    """The archive with another first file."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive, zipfile.ZipFile(out, "w") as other:
        for number, name in enumerate(archive.namelist()):
            other.writestr(name, archive.read(name) if number else content)
    return out.getvalue()


def _saved(arrays: dict[str, np.ndarray], save: Callable[..., object]) -> bytes:
    out = io.BytesIO()
    save(out, **arrays)
    return out.getvalue()


def _netcdf(path: Path, engine: str) -> None:
    axes = {"responses": ("repeat", "stimulus", "unit"), "spontaneous": ("frame", "unit")}
    values = {"responses": X, "spontaneous": X[0, :4]}
    data = xarray.Dataset({k: (axes[k], v) for k, v in values.items()}, {"stimulus": np.arange(6)})
    data["responses"].encoding = {"scale_factor": 2.0} if engine == "scipy" else {}
    data.to_netcdf(path, engine=engine)


def _responses(name: str, folder: Path) -> object:
    found = read_recording(folder / name)
    assert isinstance(found, Recording)
    return prepared(found, nan="drop units", constant="drop units")


def _recordings() -> dict[str, Kind]:
    arrays = {"responses": X, "stimuli": np.arange(6), "spontaneous": X[0, :4], "names": np.array(list("abcdef"))}
    plain = {k: v for k, v in arrays.items() if k != "names"}
    npz = _saved(arrays, np.savez)
    cells = {**plain, "stimuli": np.array([f"tree {i}" for i in range(6)], object), "x": {"y": np.eye(3), "z": "text"}}
    shown = {"responses": np.repeat(X[0], 2, 0), "labels": np.repeat(np.arange(6), 2)}
    newer = {"stim": {**stim()}, "names": [np.array([[97, 98]], np.uint16), np.eye(2)], "s": "t"}
    content = {
        "npy": ("a.npy", written("a.npy", lambda p: np.save(p, X))),
        "npz": ("a.npz", npz),
        "npz packed": ("a.npz", _saved(arrays, np.savez_compressed)),
        "npz presentations": ("a.npz", _saved({"resp": shown["responses"], "istim": shown["labels"]}, np.savez)),
        "mat 4": ("a.mat", written("a.mat", lambda p: savemat(p, {"resp": X[0], "other": "text"}, format="4"))),
        "mat 5": ("a.mat", written("a.mat", lambda p: savemat(p, cells))),
        "mat 5 packed": ("a.mat", written("a.mat", lambda p: savemat(p, cells, do_compression=True))),
        "mat stringer": ("a.mat", written("a.mat", lambda p: write_stringer(p, [0, 1, 0, 0, 0, 0, 0], packed=False))),
        "mat 7.3": ("a.mat", written("a.mat", lambda p: write_v73(p, newer))),
        "nc 4": ("a.nc", written("a.nc", partial(_netcdf, engine="h5netcdf"))),
        "nc 3": ("a.nc", written("a.nc", partial(_netcdf, engine="scipy"))),
    }
    x, labels = shown["responses"], shown["labels"]
    tensors = {"responses": torch.from_numpy(x), "stimuli": torch.from_numpy(labels)}
    table = pandas.DataFrame(x).assign(stimulus=labels)
    zipped = written("a.pt", lambda p: torch.save(tensors, p))
    content |= {
        "h5": ("a.h5", written("a.h5", partial(_h5, arrays=shown))),
        "nwb": ("a.nwb", written("a.nwb", lambda p: write_nwb(p, x, labels.astype(str)))),
        "nwb units": ("a.nwb", written("a.nwb", lambda p: write_nwb(p, x, labels, where="units"))),
        "pt": ("a.pt", zipped),
        "pt old": ("a.pt", written("a.pt", lambda p: torch.save(tensors, p, _use_new_zipfile_serialization=False))),
        "csv": ("a.csv", table.to_csv(index=False).encode()),
        "tsv": ("a.tsv", table.assign(name="a").to_csv(sep="\t").encode()),
    }
    found = {k: Kind({n: c}, partial(_responses, n), (n,)) for k, (n, c) in content.items()}
    for name, whole in (("npz", npz), ("npz packed", npz), ("pt", zipped)):
        kind = found[name]
        found[name] = Kind(kind.files, kind.read, kind.damaged, _first, partial(_with_first, whole))
    folder = _suite2p(x, labels)
    return {**found, "suite2p": Kind(folder, partial(_responses, "s"), tuple(folder))}


def _h5(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(f"session/{name}", data=values, compression="gzip")


def _suite2p(x: np.ndarray, labels: np.ndarray) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as home:
        folder = write_suite2p(Path(home) / "s", x, labels)
        return {f"s/{p.name}": p.read_bytes() for p in sorted(folder.iterdir()) if p.name != "stat.npy"}


STUDY = b"""
name = "tiny"
data = "digits"
seeds = [0, 1]
train_images = 100
[models.KH]
kind = "krotov_hopfield"
units = 20
local = {epochs = 2, lr = 0.02, rule = {name = "KrotovHopfield"}}
supervised = {parameters = "readout", epochs = 2}
[models.BP]
recipe = "BP"
[[measure]]
kind = "spectrum"
name = "alpha"
at = ["latent"]
window = [1, 10]
[[critical]]
name = "pgd"
attack = {name = "PGD", steps = 5}
[[claims]]
statement = "KH is smoother"
quantity = "alpha"
model = "KH"
other = "BP"
"""


def _overrides(folder: Path) -> object:
    lines = (folder / "set.txt").read_text(errors="replace").split("\n")
    (folder / "study.toml").write_bytes(STUDY)
    return read_study(folder / "study.toml", [line for line in lines if line])


def _results(folder: Path) -> object:
    run = StudyRun(folder, folder)
    show(run.results, Console(file=io.StringIO()))
    return run.results, run.models, run.datasets, run.cells(), run.times(), run.fits


def _results_file() -> bytes:
    place = {"data": "digits", "model": "KH", "quantity": "accuracy"}
    key, said = "accuracy-0123", {"convention": "share", "warnings": [], "notes": []}
    cell = {**place, "seed": 0, "kind": "accuracy", "part": "", "read": {}, "key": key, "network": ["network-0123"]}
    row = {**place, "seed": 0, "value": 0.9, "low": None, "high": "Infinity", "key": key, **said}
    whole = {**place, "mean": 0.9, "spread": None, "low": 0.8, "high": 1.0, "seeds": 1, **said}
    study = {"name": "tiny", "models": {"KH": {"kind": "krotov_hopfield"}}, "seeds": [0]}
    parts = {"study": study, "headline": ["accuracy"], "cells": [cell], "rows": [row], "summary": [whole]}
    return json.dumps({**parts, "claims": [], "deviations": [], "provenance": {}, "seconds": 1.0}, indent=1).encode()


def _record_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        ec.spectrum(torch.randn(20, 4, generator=torch.Generator().manual_seed(0))).save(Path(folder))
        return {p.name: p.read_bytes() for p in Path(folder).iterdir()}


def _step_files() -> dict[str, bytes]:
    """A finished step with its checksums."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "noise-1"
        folder.mkdir()
        for name, content in _record_files().items():
            (folder / name).write_bytes(content)
        meta = sealed(folder, folder.name, {"seconds": 1.0, "warnings": [], "settings": {"seed": 0}})
        (folder / "step.json").write_text(json.dumps(meta))
        return {f"noise-1/{p.name}": p.read_bytes() for p in folder.iterdir()}


def _estimate() -> dict[str, bytes]:
    return {"record.json": written("x", lambda p: (p.mkdir(), Estimate(1.0, 0.5, 1.5).save(p), _lift(p)))}


def _lift(folder: Path) -> None:
    content = (folder / "record.json").read_bytes()
    (folder / "record.json").unlink()
    folder.rmdir()
    folder.write_bytes(content)


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def read_model_weights(folder: Path) -> object:
    """Load `w.pt` into a network."""
    return load_weights(_net(), folder / "w.pt")


def load_model(folder: Path) -> object:
    """Load `n.safetensors`, the file of a network."""
    return load_network(folder / "n.safetensors")


def _images() -> ec.Images:
    return ec.Images(torch.linspace(0, 1, 320).reshape(5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0]))


def _weights() -> dict[str, Kind]:
    state = {k: torch.arange(v.numel(), dtype=v.dtype).reshape(v.shape) for k, v in _net().state_dict().items()}
    checkpoint = {"state_dict": state, "epoch": 3, "args": {"lr": 0.1}}
    zipped = written("w.pt", lambda p: torch.save(checkpoint, p))
    old = written("w.pt", lambda p: torch.save(checkpoint, p, _use_new_zipfile_serialization=False))
    flat = written("w.pt", lambda p: save_file(state, str(p)))

    return {
        "weights zip": Kind({"w.pt": zipped}, read_model_weights, ("w.pt",), _first, partial(_with_first, zipped)),
        "weights old": Kind({"w.pt": old}, read_model_weights, ("w.pt",)),
        "weights safetensors": Kind({"w.pt": flat}, read_model_weights, ("w.pt",)),
    }


def kinds() -> dict[str, Kind]:
    """Every kind of file, by name."""
    idx, packed, cifar = _idx_files(False), _idx_files(True), _cifar()
    names = json.dumps({"0": ["n01", "cat"], "1": ["n02", "dog"], "2": "cow"}).encode()
    pack = partial(gzip.compress, mtime=0)
    found = {
        "idx": Kind(idx, lambda f: load("mnist", f), tuple(idx)),
        "idx gz": Kind(packed, lambda f: load("mnist", f), tuple(packed), gzip.decompress, pack),
        "cifar10": Kind(cifar, lambda f: load("cifar10", f), tuple(cifar)),
        "classes json": Kind({"c.json": names}, lambda f: class_list(f / "c.json"), ("c.json",)),
        "classes text": Kind({"c.txt": b"cat\ndog\ncow\n"}, lambda f: class_list(f / "c.txt"), ("c.txt",)),
        **_recordings(),
        "study": Kind({"s.toml": STUDY}, lambda f: read_study(f / "s.toml"), ("s.toml",)),
        "study extended": Kind(
            {"s.toml": b'extends = "base.toml"\nseeds = [3]\n', "base.toml": STUDY},
            lambda f: read_study(f / "s.toml"),
            ("s.toml", "base.toml"),
        ),
        "set": Kind({"set.txt": b"seeds=[0,1]\nmodels.KH.units=30\nclaims.0.model=BP"}, _overrides, ("set.txt",)),
        "results": Kind({"results.json": _results_file()}, _results, ("results.json",)),
        "record": Kind(_record_files(), lambda f: StudyRun.read(Spectrum, f), tuple(_record_files())),
        "step": Kind(_step_files(), lambda f: damage(f / "noise-1"), tuple(_step_files())),
        "estimate": Kind(_estimate(), lambda f: StudyRun.read(Estimate, f), ("record.json",)),
        **_weights(),
    }
    pictures = [("L", "png"), ("RGB", "png"), ("P", "png"), ("1", "png"), ("RGB", "jpg"), ("L", "jpg"), ("P", "gif")]
    pictures += [("RGB", "bmp"), ("RGB", "tif"), ("RGB", "webp"), ("RGB", "ppm")]
    ways: list[tuple[str, str, dict[str, object]]] = [(*p, {}) for p in pictures]
    ways += [("RGB", "tif", {"compression": "tiff_lzw"}), ("L", "tif", {"compression": "tiff_adobe_deflate"})]
    for mode, suffix, how in ways:
        files = _pictures(mode, suffix, **how)
        closed = {"closed": _with_checksums} if suffix == "png" else {}
        name = " ".join(["folder", mode, suffix, *map(str, how.values())])
        found[name] = Kind(files, lambda f: load("folder:.", f, resize=8), tuple(files), **closed)
    for name, build in (("model kh", krotov_hopfield), ("model bp", perceptron)):
        content = written("n.safetensors", lambda p, build=build: save(build(_images(), units=10), p))
        found[name] = Kind({"n.safetensors": content}, load_model, ("n.safetensors",))
    return found
