"""The advice of every error about arrays, files, folders of images and options works when it is followed.

As tests/test_advice.py, with small files on disk.  A row may have several cases, named after " | ".
"""

import contextlib
import os
import re
import shlex
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
import torch
import xarray
from fake_data import write_idx
from following import Run, advice, follows
from layouts import write_nwb, write_suite2p
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

import eigencode as ec
from eigencode import cli, models
from eigencode.base.inputs import inputs
from eigencode.data import Recording, catalogue, prepared, read_recording
from eigencode.data._dataset import DataSet
from eigencode.data._download import download
from eigencode.formats._matlab import matlab_file
from eigencode.formats._netcdf import netcdf_file
from eigencode.formats._nwb import nwb_file
from eigencode.formats._table import table_file
from eigencode.formats._torch import torch_file
from eigencode.given import recorded
from eigencode.given._examine import examine
from eigencode.given._options import probe_from_options
from eigencode.robustness import FGSM

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors"),
]

KNOWN = {
    "ec": ec,
    "np": np,
    "torch": torch,
    "nn": nn,
    "models": models,
    "h5py": h5py,
    "xarray": xarray,
    "Image": Image,
    "Images": ec.Images,
    "Recording": Recording,
    "read_recording": read_recording,
    "prepared": prepared,
}
"""Names that a reader of an advice has at hand."""


def value(code: str, **names: Any) -> Any:
    """The value of the expression that an advice begins with; what follows it, in words, is left out."""
    ends = [match.start() for match in re.finditer(r"[,;:]? (for|if|is|with|or|and|which|this)\b|[;,:]? |$", code)]
    for end in reversed(ends):
        with contextlib.suppress(SyntaxError, NameError):
            return eval(code[:end], {**KNOWN, **names})
    raise AssertionError(f"no code in {code!r}")


def statements(code: str, **names: Any) -> Any:
    """The value of the last expression after the statements before it."""
    first, _, last = code.rpartition("; ")
    return value(last, **done(first, **names))


def done(code: str, **names: Any) -> dict[str, Any]:
    """The names known after the statements of an advice."""
    known = {**KNOWN, **names}
    exec(code, known)
    return known


def option(fix: str, name: str) -> str:
    """The value that an advice gives to an option of the command line."""
    words = shlex.split(re.sub(r"[();,]+(\s|$)", " ", fix.replace("(--", " --")))
    return words[words.index(name) + 1]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def responses(*shape: int) -> np.ndarray:
    return rng().normal(size=shape or (30, 8)).astype("float32")


def pixels(n: int = 8, c: int = 1, h: int = 6, w: int = 6) -> np.ndarray:
    return rng().integers(1, 255, (n, c, h, w)).astype("uint8")


def labels(n: int = 8) -> np.ndarray:
    return np.arange(n) % 4


class Pictures(torch.utils.data.Dataset[Any]):
    """A data set of Pillow's images, unless it transforms them."""

    def __init__(self, transform: Callable[[Any], Any] = lambda image: image) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(pixels()[i, 0])), i


def to_tensor(image: Any) -> Tensor:
    """What ToTensor of torchvision does with grey images."""
    return torch.from_numpy(np.array(image, dtype="float32") / 255)[None]


def saved(name: str, **arrays: Any) -> Path:
    path = Path(name)
    if path.suffix == ".npy":
        np.save(path, *arrays.values())
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        scipy.io.savemat(path, arrays)
    return path


def named(*axes: str, file: str = "a.nc", **more: Any) -> Path:
    """A netCDF file of responses with these names of the axes."""
    shape = (30, 8) if len(axes) == 2 else (2, 30, 8)
    xarray.Dataset({"responses": (axes, responses(*shape)), **more}).to_netcdf(file, engine="h5netcdf")
    return Path(file)


def sparse_73() -> Path:
    """A sparse matrix as MATLAB v7.3 writes it."""
    matrix = scipy.sparse.random(30, 8, 0.5, "csc", random_state=0)
    with h5py.File("a.mat", "w") as file:
        group = file.create_group("resp")
        group.attrs["MATLAB_class"], group.attrs["MATLAB_sparse"] = np.bytes_("double"), np.uint64(30)
        for name, array in (("data", matrix.data), ("ir", matrix.indices), ("jc", matrix.indptr)):
            group[name] = array
    return Path("a.mat")


def full_73() -> Path:
    """The same after full(x)."""
    with h5py.File("b.mat", "w") as file:
        file["resp"] = responses().T
        file["resp"].attrs["MATLAB_class"] = np.bytes_("double")
    return Path("b.mat")


def elsewhere(suffix: str) -> Path:
    """A file whose array lies in another file."""
    path, other = Path(f"a{suffix}"), Path(f"b{suffix}")
    named("stimulus", "unit", file=str(other))
    with h5py.File(path, "w") as file:
        file["responses"] = h5py.ExternalLink(other.name, "/responses")
    return path


def read(path: Path | str, **how: Any) -> Recording:
    found = read_recording(path, **how)
    assert min(found.responses.shape[1:]) > 1
    return found


def asked(fix: str, *names: str) -> dict[str, str]:
    """Keywords with the values that an advice gives them, and the same from the options it names."""
    return {name: re.search(rf"\b{name}='([^']*)'", fix)[1] for name in names}  # type: ignore[index]


def broken_table(name: str, cell: str | None) -> Path:
    table = pd.DataFrame({"n0": [0.5, 1.5, 2.5], name: [0.25, cell, 0.75]})
    table.to_csv("broken.csv", index=False)
    return Path("broken.csv")


def asked_name(fix: str) -> str:
    return fix.partition("the column '")[2].partition("'")[0]


def long_table() -> pd.DataFrame:
    """A row for each response of each unit."""
    wide = pd.DataFrame(responses()).assign(stimulus=np.arange(30) % 15, trial=np.arange(30))
    return wide.melt(["stimulus", "trial"], var_name="neuron")


def unshown() -> np.ma.MaskedArray:
    """Repeats of which one presentation is masked."""
    x = np.ma.masked_array(repeats(), mask=False)
    x[1, 3] = np.ma.masked
    return x


def repeats() -> np.ndarray:
    return np.stack([responses(60, 8), responses(60, 8)[::-1]])


def shape_of(found: Recording, expected: tuple[int, ...]) -> Recording:
    assert tuple(found.responses.shape) == expected
    return found


def traces() -> None:
    """A folder of suite2p without the frames of the presentations."""
    Path("session").mkdir()
    np.save("session/spks.npy", responses(8, 100))


def axes_of(fix: str, meaning: str) -> str:
    return re.search(rf"'(\w+)' for {meaning}", fix)[1]  # type: ignore[index]


def stimuli_once() -> np.ndarray:
    return np.arange(30)


def holes(which: str) -> Recording:
    x = torch.from_numpy(responses(2, 30, 8))
    if which == "units":
        x[0, :, 3] = torch.nan
    elif which == "every unit":
        x[0, 3] = torch.nan
        return Recording(x[:1])
    else:
        x[0, 3, 2] = torch.nan
    return Recording(x)


def policies(recording: Recording, fix: str) -> list[Recording]:
    found = re.findall(r"nan='([\w ]+)'", fix)
    assert found
    assert [f"--nan {policy.replace(' ', '-')}" in fix for policy in found] == [True] * len(found)
    return [prepared(recording, nan=policy) for policy in found]


def photos(root: str = "photos", classes: str = "cat dog", n: int = 3, kind: str = "L", size: int = 6) -> Path:
    random = rng()
    for name in classes.split():
        folder = Path(root, name)
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(n):
            shape = (size, size) if kind == "L" else (size, size, 3)
            Image.fromarray(random.integers(1, 255, shape).astype("uint8")).save(folder / f"{i}.png")
    return Path(root)


def one_more(image: Any, root: str = "photos", **how: Any) -> Path:
    photos(root)
    path = Path(root, "cat", "x.png")
    image.save(path, **how)
    return path


def loaded(root: str = "photos", **how: Any) -> ec.Images:
    return ec.load(f"folder:{root}", **how)[1]


def sixteen() -> Any:
    return Image.fromarray(rng().integers(1, 65535, (6, 6)).astype("uint16"))


def converted(fix: str) -> ec.Images:
    """The folder after the command that an advice gives for one of its files."""
    file = Path("photos/cat/x.png")
    done(fix.partition(": ")[2], file=file)
    assert 60 < np.asarray(Image.open(file)).mean() < 200
    return loaded()


def command(line: str, **how: Any) -> str:
    """Output of a command of eigencode, which must end well."""
    words = shlex.split(line)
    assert words[0] == "eigencode"
    found = CliRunner().invoke(cli.app, words[1:])
    assert found.exit_code == 0, found.output
    return found.output


def fetched(fix: str) -> ec.Images:
    """The data set after the command that an advice gives."""
    line = fix[fix.index("eigencode data fetch") :]
    command(line)
    return ec.load("fashion_mnist", option(line, "--data-dir"))[1]


def without_variable(fix: str) -> object:
    del os.environ["EIGENCODE_DATA"]
    return ec.load("fashion_mnist") if "leave it out to use the cache" in fix else None


def unreachable() -> DataSet:
    """A data set whose addresses do not answer."""
    entry = catalogue.TABLE["fashion_mnist"]
    return replace(entry, remotes=tuple(replace(r, urls=("http://127.0.0.1:9/x",)) for r in entry.remotes))


def flat(*more: nn.Module, outputs: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, outputs), *more)


def labelled(y: np.ndarray | None = None) -> ec.Images:
    return ec.Images(pixels(), labels() if y is None else y)


class Several(nn.Module):
    """Returns its logits among other things."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.net, self.kind = flat(), kind

    def forward(self, x: Tensor) -> Any:
        z = self.net(x)
        return {"loss": z.sum(), "logits": z} if self.kind == "dict" else (z.sum(), z)


class Wrapped(nn.Module):
    """A module whose forward returns what an advice says."""

    def __init__(self, net: nn.Module, code: str) -> None:
        super().__init__()
        self.net, self.code = net, code

    def forward(self, x: Tensor) -> Any:
        return value(self.code, net=self.net, x=x)


class Raw(nn.Module):
    """Takes pixels up to 255."""

    def __init__(self) -> None:
        super().__init__()
        self.net = flat()

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.net(x) + torch.log(x.mean((1, 2, 3), keepdim=False) - 2)[:, None]
        return z


def wrapped(fix: str, net: nn.Module) -> object:
    return examine(Wrapped(net, re.search(r"net\(x\)\[[^]]*\]", fix)[0]), labelled())  # type: ignore[index]


def own_nets() -> None:
    """A module with networks in the working directory, for the command line."""
    Path("mynets.py").write_text(
        "from torch import nn\n"
        "class Rows(nn.Module):\n"
        "    def __init__(self, c=1):\n"
        "        super().__init__()\n"
        "        self.first, self.lstm, self.last = nn.Conv2d(c, 1, 1), nn.LSTM(6, 5, batch_first=True), "
        "nn.Linear(5, 2)\n"
        "    def forward(self, x):\n"
        "        return self.last(self.lstm(self.first(x)[:, 0])[0][:, -1])\n"
    )


def probed(**how: Any) -> object:
    own_nets()
    photos()
    return probe_from_options("mynets:Rows", how.pop("place", "last"), data="folder:photos", images=2, **how)


def _twenty_groups() -> dict[str, Any]:
    return {"np": np, "groups": np.arange(20)}


SOME_MISSING = [*range(20), *range(20), *[None] * 20]
"""Labels of groups of 60 rows."""

TABLE: dict[str, tuple[Run, Run]] = {
    "base/arrays.py: array": (
        lambda: ec.spectrum(scipy.sparse.random(30, 8, 0.5, random_state=0)),
        lambda fix: ec.spectrum(value(fix, x=scipy.sparse.random(30, 8, 0.5, random_state=0))),
    ),
    "base/arrays.py: batches": (
        lambda: ec.Images.of(Pictures()),
        lambda fix: ec.Images.of(Pictures(to_tensor)) if "torchvision.transforms.ToTensor()" in fix else None,
    ),
    "base/arrays.py: _labelled": (
        lambda: ec.spectrum(xarray.Dataset({"resp": (("s", "u"), responses())})),
        lambda fix: ec.spectrum(value(fix, data=xarray.Dataset({"resp": (("s", "u"), responses())}))),
    ),
    "base/arrays.py: _frame": (
        lambda: ec.spectrum(pd.DataFrame(responses()).assign(name="a")),
        lambda fix: ec.spectrum(value(fix.partition(": ")[2], df=pd.DataFrame(responses()).assign(name="a"))),
    ),
    "base/arrays.py: _dense | sparse": (
        lambda: ec.spectrum(torch.from_numpy(responses()).to_sparse()),
        lambda fix: ec.spectrum(value(fix, x=torch.from_numpy(responses()).to_sparse())),
    ),
    "base/arrays.py: _dense | nested": (
        lambda: ec.spectrum(torch.nested.nested_tensor([torch.rand(9, 3), torch.rand(8, 3)])),
        lambda fix: [
            ec.spectrum(one) for one in value(fix, x=torch.nested.nested_tensor([torch.rand(9, 3), torch.rand(8, 3)]))
        ],
    ),
    "base/arrays.py: _dense 2": (
        lambda: ec.spectrum(torch.randn(30, 8, dtype=torch.complex64)),
        lambda fix: [
            ec.spectrum(z) for z in value(fix.replace(" or", ""), x=torch.randn(30, 8, dtype=torch.complex64))
        ],
    ),
    "base/arrays.py: _stacked": (
        lambda: inputs([torch.rand(9, 3), torch.rand(8, 3)]),
        lambda fix: inputs(value(fix, x=[torch.rand(9, 3), torch.rand(8, 3)])),
    ),
    "base/arrays.py: _unmasked": (
        lambda: ec.spectrum(np.ma.masked_greater(responses(), 2)),
        lambda fix: ec.spectrum(value(fix.partition("values: ")[2], x=np.ma.masked_greater(responses(), 2))),
    ),
    "base/arrays.py: _unmasked | presentations": (
        lambda: ec.cvpca(unshown()),
        lambda fix: ec.cvpca(value(fix.partition(", if")[0], x=unshown())),
    ),
    "base/arrays.py: _numbers | complex": (
        lambda: ec.spectrum(responses() * 1j),
        lambda fix: [ec.spectrum(z + responses()) for z in value(fix.replace(" or", ""), x=responses() * 1j)],
    ),
    "base/arrays.py: _numbers | text": (
        lambda: ec.spectrum(responses().astype(str)),
        lambda fix: ec.spectrum(value(fix, x=responses().astype(str))),
    ),
    "base/arrays.py: _no_array": (
        lambda: inputs(SimpleNamespace(values=responses())),
        lambda fix: inputs(value(fix.partition(", ")[2], x=SimpleNamespace(values=responses()))),
    ),
    "base/axes.py: letters": (
        lambda: ec.spectrum(xarray.DataArray(responses(), dims=("unit", "neuron"))),
        lambda fix: [
            ec.spectrum(xarray.DataArray(responses(), dims=fix.rpartition("order ")[2].split(" x "))),
            ec.spectrum(
                value("x.values" * ("x.values" in fix), x=xarray.DataArray(responses(), dims=("unit", "neuron")))
            ),
        ],
    ),
    "base/inputs.py: inputs": (
        lambda: inputs(spoiled()),
        lambda fix: inputs(statements(fix.partition(": ")[2], x=spoiled())),
    ),
    "base/labels.py: numbered": (
        lambda: ec.spectrum(torch.rand(60, 3), groups=np.arange(20)),
        lambda fix: ec.spectrum(torch.rand(60, 3), groups=eval(fix.partition(", if")[0], _twenty_groups())),
    ),
    "base/labels.py: numbered 2": (
        lambda: ec.spectrum(torch.rand(60, 3), groups=SOME_MISSING),
        lambda fix: [
            exec(
                fix.partition(": ")[2].partition(" (")[0].replace("; x[good], ", "; ec.spectrum(x[good], groups=")
                + ")",
                {"np": np, "ec": ec, "x": torch.rand(60, 3), "groups": SOME_MISSING},
            )
        ],
    ),
    "base/labels.py: numbered 2 | repeats": (
        lambda: ec.signal_spectrum(repeats(), groups=SOME_MISSING),
        lambda fix: [
            exec(
                fix.partition(": ")[2].partition("; ")[0]
                + f"; ec.signal_spectrum({fix.partition('of repeats, ')[2][:-1]}, groups=np.asarray(groups)[good])",
                {"np": np, "ec": ec, "x": repeats(), "groups": SOME_MISSING},
            )
        ],
    ),
    "base/labels.py: labels_of": (
        lambda: ec.Images(pixels(), list("abcdabcd")),
        lambda fix: done(fix, x=pixels(), labels=list("abcdabcd")),
    ),
    "base/labels.py: class_names | from 1": (
        lambda: ec.Images(pixels(), labels() + 1, list("abcd")),
        lambda fix: ec.Images(pixels(), value(fix, y=labels() + 1), list("abcd")),
    ),
    "base/labels.py: class_names | too few names": (
        lambda: ec.Images(pixels(), labels(), list("ab")),
        lambda fix: [
            ec.Images(pixels(), labels(), "abcdef"[: int(fix.split()[0])]),
            ec.Images(pixels(), labels()) if "leave out classes" in fix else None,
        ],
    ),
    "base/labels.py: class_names | negative": (
        lambda: ec.Images(pixels(), labels() - 1, list("abcd")),
        lambda fix: done(fix, x=pixels(), y=torch.from_numpy(labels() - 1)),
    ),
    "base/labels.py: class_names 2": (
        lambda: ec.Images(pixels(), labels() * 100_000),
        lambda fix: done(fix, x=pixels(), y=torch.from_numpy(labels() * 100_000)),
    ),
    "base/pixels.py: check_floats": (
        lambda: ec.Images(spoiled(), labels()),
        lambda fix: ec.Images(*statements(fix.partition(": ")[2], x=spoiled(), y=labels())),
    ),
    "base/pixels.py: check_floats 2 | up to 255": (
        lambda: ec.Images(pixels().astype("float32"), labels()),
        lambda fix: ec.Images(value(fix, x=pixels().astype("float32")), labels()),
    ),
    "base/pixels.py: check_floats 2 | normalised": (
        lambda: ec.Images(pixels() / 50 - 2, labels()),
        lambda fix: [
            ec.Images(
                value(fix.partition("normalisation, ")[2], x=pixels() / 50 - 2, mean=2 * 50 / 255, std=50 / 255),
                labels(),
            ),
            value(fix.rpartition(": ")[2], net=flat(), mean=[0.4], std=[0.2])(torch.rand(2, 1, 6, 6)),
        ],
    ),
    "base/pixels.py: refuse_channels_last": (
        lambda: ec.Images(pixels(8, 6, 6, 3), labels()),
        lambda fix: [
            ec.Images(value(fix, x=pixels(8, 6, 6, 3)), labels()),
            ec.Images(xarray.DataArray(pixels(8, 6, 6, 3), dims=re.findall(r"'(\w+)'", fix)), labels()),
        ],
    ),
    "base/pixels.py: wrong_pixels | numpy": (
        lambda: ec.Images(pixels().astype("int64"), labels()),
        lambda fix: bright(ec.Images(value(fix, x=torch.from_numpy(pixels().astype("int64"))), labels())),
    ),
    "base/pixels.py: wrong_pixels | bool": (
        lambda: ec.Images(pixels() > 128, labels()),
        lambda fix: bright(ec.Images(value(fix, x=pixels() > 128), labels())),
    ),
    "base/pixels.py: wrong_pixels | 16 bits": (
        lambda: ec.Images(pixels().astype("uint16") * 257, labels()),
        lambda fix: bright(ec.Images(value(fix, x=pixels().astype("uint16") * 257), labels())),
    ),
    "base/types.py: Images.__init__ | grey": (
        lambda: ec.Images(pixels()[:, 0], labels()),
        lambda fix: ec.Images(value(fix, x=pixels()[:, 0]), labels()),
    ),
    "base/types.py: Images.__init__ | one image": (
        lambda: ec.Images(pixels(6, 1, 6, 3)[:, 0], [1]),
        lambda fix: ec.Images(value(fix.rpartition(" is ")[2], x=torch.from_numpy(pixels(6, 1, 6, 3)[:, 0])), [1]),
    ),
    "base/types.py: Images.__init__ | rows": (
        lambda: ec.Images(pixels().reshape(8, 36), labels()),
        lambda fix: ec.Images(value(fix.rpartition("become ")[2], x=pixels().reshape(8, 36), C=1, H=6, W=6), labels()),
    ),
    "base/types.py: Images.__init__ 2 | one-hot": (
        lambda: ec.Images(pixels(), np.eye(4)[labels()]),
        lambda fix: ec.Images(pixels(), value(fix, y=np.eye(4)[labels()])),
    ),
    "base/types.py: Images.__init__ 2 | column": (
        lambda: ec.Images(pixels(), labels()[:, None]),
        lambda fix: ec.Images(pixels(), value(fix, y=labels()[:, None])),
    ),
    "base/types.py: Images.__init__ 2 | H W C N": (
        lambda: ec.Images(pixels(5, 5, 3, 8), labels()),
        lambda fix: ec.Images(value(fix.partition("axis: ")[2], x=pixels(5, 5, 3, 8)), labels()),
    ),
    "base/types.py: Images.__init__ 2 | floats": (
        lambda: ec.Images(pixels(), labels().astype(float)),
        lambda fix: ec.Images(pixels(), value(fix, y=labels().astype(float))),
    ),
    "base/types.py: Images.__init__ 3": (
        lambda: ec.Images(pixels() * (labels() > 0)[:, None, None, None], labels()),
        lambda fix: ec.Images(
            *statements(fix.partition(": ")[2], x=pixels() * (labels() > 0)[:, None, None, None], y=labels())
        ),
    ),
    "base/types.py: Images.of": (
        lambda: ec.Images.of(pixels()),
        lambda fix: value(fix, x=pixels(), y=labels()),
    ),
    "data/_class_list.py: numbers | few": (
        lambda: [photos(), loaded(classes="cats,dog")],
        lambda fix: [Path("photos/cat").rename(f"photos/{fix.split(chr(39))[1]}"), loaded(classes="cats,dog")],
    ),
    "data/_class_list.py: numbers | many": (
        lambda: [photos(), loaded(classes=["dog", *map(str, range(40))])],
        lambda fix: loaded(classes=["dog", value(fix.partition("..., ")[2], name="0"), "1"]),
    ),
    "data/_class_list.py: _read": (
        lambda: [photos(), loaded(classes="classes.txt")],
        lambda fix: loaded(classes=option(fix, "--classes")),
    ),
    "data/_files.py: find": (
        lambda: ec.load("fashion_mnist", "no such folder"),
        fetched,
    ),
    "data/_files.py: find | EIGENCODE_DATA": (
        lambda: [os.environ.update(EIGENCODE_DATA="no such folder"), ec.load("fashion_mnist")],
        lambda fix: [fetched(fix), ec.load("fashion_mnist"), without_variable(fix)],
    ),
    "data/_download.py: _retrieve": (
        lambda: download(unreachable(), Path("data")),
        lambda fix: [
            write_idx(Path("mine")),
            [Path("mine", name).stat() for name in re.findall(r"[\w-]+ubyte", fix)][3],
            ec.load("fashion_mnist", "mine"),
            ec.load("digits"),
        ],
    ),
    "data/_files.py: _incomplete": (
        lambda: [Path("part").mkdir(), Path("part/t10k-labels-idx1-ubyte").touch(), ec.load("fashion_mnist", "part")],
        fetched,
    ),
    "data/_files.py: _absent": (
        lambda: [Path("my data").mkdir(), ec.load("fashion_mnist", "my data")],
        fetched,
    ),
    "data/_presentations.py: repeats_in": (
        lambda: Recording.of(responses(), np.arange(30)),
        lambda fix: value(fix.partition(": ")[2], x=torch.from_numpy(responses())),
    ),
    "data/_presentations.py: repeats_in | file": (
        lambda: read(saved("a.mat", stim={"resp": responses(), "istim": 1 + np.arange(30)})),
        lambda fix: [read("a.mat", key="stim.resp")] if "save the responses alone" in fix else None,
    ),
    "data/_presentations.py: _without_blanks 2": (
        lambda: Recording.of(responses(), np.arange(30) % 10, blank=99),
        lambda fix: Recording.of(responses(), np.arange(30) % 10, blank=option(fix, "--blank")),
    ),
    "data/_presentations.py: _without_blanks": (
        lambda: Recording.of(responses(), np.arange(30) % 10 - 5),
        lambda fix: [
            Recording.of(responses(), np.arange(30) % 10 - 5, blank=option(fix, "--blank")),
            Recording.of(responses(), np.arange(30) % 10 - 5, blank=int(re.findall("--blank=(-[0-9]+)", fix)[0])),
        ],
    ),
    "base/reading.py: regular": (
        lambda: [saved("recording.npy", x=responses()), read("rec.npy")],
        lambda fix: read(re.findall("'(.*)'", fix)[0]),
    ),
    "base/reading.py: regular 2": (
        lambda: [Path("a.npy").touch(), read("a.npy")],
        lambda fix: read(saved("a.npy", x=responses())) if "save the file again" in fix else None,
    ),
    "base/reading.py: affordable": (
        lambda: [large("a.npz"), read("a.npz")],
        lambda fix: [value(fix, path="a.npz", x=responses()), read("a.npz")],
    ),
    "formats/arrays.py: arrays_in": (
        lambda: [Path("a.npy").write_bytes(b"\x93NUMPY" * 40), read("a.npy")],
        lambda fix: read(saved("a.npy", x=responses())) if "save the file again" in fix else None,
    ),
    "formats/_numpy.py: numpy_file": (
        lambda: [Path("a.npz").write_bytes(b"x" * 200), read("a.npz")],
        lambda fix: read(saved("a.npz", x=responses())) if "save the file again" in fix else None,
    ),
    "formats/_numpy.py: numpy_file 2": (
        lambda: [large("a.npz", zipfile.ZIP_LZMA), read("a.npz")],
        lambda fix: [value(fix, path="a.npz", x=responses()), read("a.npz")],
    ),
    "formats/_numpy.py: _read": (
        lambda: [Path("a.npy").write_bytes(saved("a.npy", x=responses()).read_bytes()[:-9]), read("a.npy")],
        lambda fix: read(saved("a.npy", x=responses())) if "save the file again" in fix else None,
    ),
    "formats/_numpy.py: _refuse": (
        lambda: read(saved("a.npz", responses=responses(), stimuli=np.array(list("ab") * 15, object))),
        lambda fix: [
            read(saved("a.npz", responses=x, stimuli=y))
            for x in [value(fix.partition("save ")[2], x=responses().astype(object))]
            for y in [value(fix.partition("numbers, ")[2], x=np.array(list("ab") * 15, object))]
        ],
    ),
    "formats/_hdf5.py: refuse_oddities | mat": (
        lambda: matlab_file(elsewhere(".mat")),
        lambda fix: [done(fix.partition("file: ")[2]), read("whole.npz")],
    ),
    "formats/_hdf5.py: refuse_oddities | nc": (
        lambda: netcdf_file(elsewhere(".nc")),
        lambda fix: [done(fix.partition("file: ")[2]), read("whole.npz")],
    ),
    "formats/_torch.py: torch_file": (
        lambda: [torch.save({"responses": responses()}, "a.pt"), torch_file(Path("a.pt"))],
        lambda fix: [done(fix.partition(": ")[2], x=responses()), read("responses.pt")],
    ),
    "formats/_table.py: _text": (
        lambda: [Path("a.csv").write_text("1," * 100_001), table_file(Path("a.csv"))],
        lambda fix: [done(fix.partition(", if")[0], path="a.npy", x=responses()), read("a.npy")],
    ),
    "formats/_table.py: _refuse_text": (
        lambda: table_file(broken_table("n1", "-")),
        lambda fix: [table_file(broken_table("n1", None)), table_file(broken_table(asked_name(fix), "-"))],
    ),
    "formats/_table.py: _refuse_long": (
        lambda: [long_table().to_csv("a.csv"), table_file(Path("a.csv"))],
        lambda fix: [done(fix, table=long_table()), read("wide.csv")],
    ),
    "formats/_table.py: _refuse_long | repeated": (
        lambda: [long_table().drop(columns="trial").to_csv("a.csv"), table_file(Path("a.csv"))],
        lambda fix: [
            done(fix, table=long_table().drop(columns="trial")),
            shape_of(read("wide.csv"), (2, 15, responses().shape[1])),
        ],
    ),
    **{
        f"formats/_table.py: _refuse_long | {name}": (
            lambda change=change: [change(long_table()).to_csv("a.csv"), table_file(Path("a.csv"))],
            lambda fix, change=change: [
                done(fix, table=change(long_table())),
                shape_of(read("wide.csv"), (2, 15, responses().shape[1])),
            ],
        )
        for name, change in {
            "counts": lambda t: t.assign(value=(10 * t["value"]).round().astype(int)),
            "missing labels": lambda t: t.assign(stimulus=t["stimulus"].astype(float)),
            "trial twice": lambda t: t.assign(trial=0),
            "identifiers": lambda t: t.rename(columns={"neuron": "cell_specimen_id"}),
        }.items()
    },
    "formats/_nwb.py: nwb_file": (
        lambda: nwb_file(write_nwb(Path("a.nwb"), responses(), np.arange(30) % 15, where="spikes")),
        lambda fix: [done(fix.partition("then ")[2], x=responses(), labels=np.arange(30) % 15), read("responses.npz")],
    ),
    "formats/_suite2p.py: Suite2p.arrays": (
        lambda: [traces(), read("session")],
        lambda fix: [
            done(fix.partition("), for")[0] + ")", start=3 * np.arange(30), labels=np.arange(30) % 15),
            read("session"),
        ],
    ),
    "formats/_suite2p.py: Suite2p.arrays | session": (
        lambda: [
            Path("s/suite2p").mkdir(parents=True),
            write_suite2p(Path("s/suite2p/plane0"), responses(), np.arange(30) % 15),
            read("s"),
        ],
        lambda fix: read(fix.partition(", ")[2]),
    ),
    "formats/_suite2p.py: Suite2p._means": (
        lambda: [
            write_suite2p(Path("s"), responses(), np.arange(30) % 15),
            Path("s/spks.npy").write_bytes(Path("s/spks.npy").read_bytes()[:-9]),
            read("s"),
        ],
        lambda fix: (
            read(write_suite2p(Path("t"), responses(), np.arange(30) % 15)) if "save the file again" in fix else None
        ),
    ),
    "data/folder.py: read_folder": (
        lambda: [photos("photos/train"), photos("photos/test", "cat cow"), loaded()],
        lambda fix: [photos("photos/train", "cow"), photos("photos/test", "dog"), loaded()],
    ),
    "data/folder.py: read_folder 2": (
        lambda: [photos("photos/training"), photos("photos/val"), loaded()],
        lambda fix: (
            [
                Path("photos", old).rename(f"photos/{new}")
                for old, new in zip(("val", "training"), re.findall(r"'(\w+)'", fix))
            ]
            and loaded()
        ),
    ),
    "data/folder.py: read_folder 3": (
        lambda: [photos(n=1), loaded()],
        lambda fix: [photos("sorted/train", n=1), photos("sorted/test", n=1), loaded("sorted"), photos(n=2), loaded()],
    ),
    "data/folder.py: _files": (
        lambda: [photos(), Path("photos/cow").mkdir(), loaded()],
        lambda fix: [Path("photos/cow").rmdir(), loaded(), photos(classes="cow"), loaded()],
    ),
    "data/folder.py: _Reader.read | size": (
        lambda: [one_more(Image.fromarray(pixels(1, 1, 9, 7)[0, 0])), loaded()],
        lambda fix: [
            loaded(resize=int(option(fix, "--resize"))),
            loaded(resize=int(fix.partition("resize=")[2].split()[0])),
        ],
    ),
    "data/folder.py: _Reader.read | mode": (
        lambda: [one_more(Image.fromarray(pixels(6, 1, 6, 3)[:, 0])), loaded(split=False)],
        lambda fix: every_file(fix),
    ),
    "data/folder.py: _Reader.read | both": (
        lambda: [one_more(Image.fromarray(pixels(9, 1, 9, 3)[:, 0])), loaded(split=False)],
        lambda fix: every_file(fix, resize=int(option(fix, "--resize"))),
    ),
    "data/folder.py: _Reader.read 2": (
        lambda: [one_more(Image.fromarray(0 * pixels()[0, 0])), loaded()],
        lambda fix: [Path("photos/cat/x.png").unlink(), loaded()],
    ),
    "data/folder.py: _pixels": (
        lambda: [photos(), Path("photos/cat/x.png").write_bytes(b"x"), loaded()],
        lambda fix: [Path("photos/cat/x.png").unlink(), loaded()],
    ),
    "data/folder.py: _pixels 2 | transparent": (
        lambda: [
            photos(kind="RGB"),
            Image.fromarray(pixels(6, 1, 6, 4)[:, 0]).save("photos/cat/x.png"),
            loaded(),
        ],
        lambda fix: [done(fix[fix.index("Image.") :], file=Path("photos/cat/x.png")), loaded()],
    ),
    "data/folder.py: _pixels 2 | 16 bits": (lambda: [one_more(sixteen()), loaded()], converted),
    "data/folder.py: _fitted": (
        lambda: [photos(), loaded(crop=9)],
        lambda fix: loaded(crop=9, resize=int(option(fix, "--resize"))),
    ),
    "data/preprocess.py: _not_finite | one value": (
        lambda: prepared(holes("one value")),
        lambda fix: policies(holes("one value"), fix),
    ),
    "data/preprocess.py: _not_finite | every unit": (
        lambda: prepared(holes("every unit")),
        lambda fix: policies(holes("every unit"), fix),
    ),
    "data/preprocess.py: _not_finite | every stimulus": (
        lambda: prepared(holes("units")),
        lambda fix: policies(holes("units"), fix),
    ),
    "data/preprocess.py: varying": (
        lambda: prepared(Recording(still())),
        lambda fix: [prepared(Recording(still()), **asked(fix, "constant")), option(fix, "--constant")],
    ),
    "data/preprocess.py: without_spontaneous": (
        lambda: prepared(Recording(responses(2, 30, 8)), remove_spontaneous=3),
        lambda fix: prepared(Recording(responses(2, 30, 8))) if fix == LEFT_OUT else None,
    ),
    "data/recordings.py: Recording.__post_init__": (
        lambda: Recording(responses()),
        lambda fix: [
            Recording(value(fix, x=responses())),
            value(fix.partition("; ")[2], x=responses(), labels=np.arange(30) % 10),
        ],
    ),
    "data/recording_files.py: _published": (
        lambda: read(saved("a.mat", stim={"resp": responses(), "istim": np.arange(30) % 5 + 1}), axes="su"),
        lambda fix: read("a.mat") if "leave out axes" in fix else None,
    ),
    "data/_choose.py: group_of": (
        lambda: read(saved("a.mat", **{n: {"resp": responses(), "istim": np.arange(30) % 5 + 1} for n in ("a", "b")})),
        lambda fix: [read("a.mat", **asked(fix, "key")), read("a.mat", key=option(fix, "--key"))],
    ),
    "data/_choose.py: labels_of": (
        lambda: read(saved("a.npz", x=responses(), stimulus=np.arange(30) % 3, image=np.arange(30) % 10)),
        lambda fix: shape_of(read("a.npz", labels=option(fix, "--labels")), (3, 10, responses().shape[1])),
    ),
    "data/_choose.py: only": (
        lambda: read(saved("a.mat", first=responses(), other=responses(20, 9))),
        lambda fix: [read("a.mat", **asked(fix, "key")), read("a.mat", key=option(fix, "--key"))],
    ),
    "data/_choose.py: only | repeats": (
        lambda: read(saved("a.mat", rep1=responses(), rep2=responses() + 1)),
        lambda fix: [done(fix[fix.index("np.save") :]), two(read("both.npy"))],
    ),
    "data/_choose.py: only | sparse": (
        lambda: read(
            saved("a.mat", spikes=scipy.sparse.random(30, 8, 0.5, "csc", random_state=0), rate=np.float64(3.0))
        ),
        lambda fix: read(saved("a.mat", spikes=responses(), rate=np.float64(3.0))) if "full(x)" in fix else None,
    ),
    "data/_values.py: numbers | sparse": (
        lambda: read(saved("a.mat", x=scipy.sparse.random(30, 8, 0.5, "csc", random_state=0))),
        lambda fix: read(saved("a.mat", x=responses())) if "full(x)" in fix else None,
    ),
    "data/_values.py: numbers | sparse v7.3": (
        lambda: read(sparse_73()),
        lambda fix: read(full_73()) if "full(x)" in fix else None,
    ),
    "data/_values.py: numbers | complex": (
        lambda: read(saved("a.npy", x=responses() * 1j)),
        lambda fix: read(saved("a.npy", x=value(re.findall(r"x\.real\b", fix)[0], x=responses() * 1j + responses()))),
    ),
    "data/_values.py: numbers | text": (
        lambda: read(saved("a.npy", x=responses().astype(str))),
        lambda fix: read(saved("a.npy", x=value(re.findall(r"x\.astype\([^)]*\)", fix)[0], x=responses().astype(str)))),
    ),
    "data/_values.py: order_of | one unit": (
        lambda: read(saved("a.npy", x=responses(30))),
        lambda fix: read_recording(saved("a.npy", x=value(fix, x=responses(30)))),
    ),
    "data/_values.py: order_of | time": (
        lambda: read(saved("a.npy", x=responses(2, 30, 8, 5))),
        lambda fix: read(saved("a.npy", x=value(fix, x=responses(2, 30, 8, 5)))),
    ),
    "data/_values.py: order_of 2 | sur": (
        lambda: read(saved("a.npy", x=responses(30, 8, 2))),
        lambda fix: two(read("a.npy", axes=axes_of(fix, "stimuli x units x repeats"))),
    ),
    "data/_values.py: order_of 2 | usr": (
        lambda: read(saved("a.mat", x=responses(8, 30, 2))),
        lambda fix: two(read("a.mat", axes=axes_of(fix, "units x stimuli x repeats"))),
    ),
    "data/_values.py: order_of 2 | few units": (
        lambda: read(saved("a.npy", x=responses(9, 30, 4))),
        lambda fix: read("a.npy", axes=axes_of(fix, "repeats x stimuli x units")),
    ),
    "base/axes.py: letters | file": (
        lambda: read(named("block", "trial", "session")),
        lambda fix: [read("a.nc", **asked(fix, "axes")), read("a.nc", axes=option(fix, "--axes"))],
    ),
    "base/axes.py: letters | spontaneous": (
        lambda: read(named("stimulus", "unit", spont=(("neuron", "cell"), responses(20, 8)))),
        lambda fix: read(named("stimulus", "unit", spont=(fix.split("axes ")[1].split(" and "), responses(20, 8)))),
    ),
    "base/symmetric.py: refuse_unsquarable": (
        lambda: ec.spectrum(1e200 * responses().astype("float64")),
        lambda fix: ec.spectrum(1e200 * responses().astype("float64") / float(fix.split()[3].strip(";"))),
    ),
    "spectra/cvpca.py: _checked 2": (
        lambda: ec.cvpca(*holes("one value").responses),
        lambda fix: statements(
            fix, x=holes("one value").responses[0], y=holes("one value").responses[1], cvpca=ec.cvpca
        ),
    ),
    "spectra/cvpca.py: _checked 3": (
        lambda: ec.cvpca(*tiled()),
        lambda fix: ec.cvpca(*(value(fix.partition("? ")[2], x=x) for x in tiled())),
    ),
    "spectra/spectrum.py: _ordered": (
        lambda: ec.Spectrum(torch.arange(1.0, 9).double(), 100, 8),
        lambda fix: ec.Spectrum(value(fix, eigenvalues=torch.arange(1.0, 9).double()), 100, 8),
    ),
    "robustness/subject.py: Subject._correct": (
        lambda: ec.robustness.critical_size(flat(), labelled(labels() + 1), FGSM(), "pixel", check=False),
        lambda fix: ec.robustness.critical_size(
            flat(), value(fix, x=pixels(), y=labels() + 1), FGSM(), "pixel", check=False
        ),
    ),
    "given/_examine.py: _logits | from 1": (
        lambda: examine(flat(), labelled(labels() + 1)),
        lambda fix: examine(flat(), value(fix.rpartition("?  ")[2], x=pixels(), y=labels() + 1)),
    ),
    "given/_examine.py: _logits 2": (
        lambda: examine(Raw(), labelled()),
        lambda fix: (
            examine(models.standardised.as_expected(Raw(), "0-255", labelled()), labelled())
            if {"--expects", "--mean", "--std"} <= {*re.findall(r"--\w+", fix)}
            else None
        ),
    ),
    "given/_examine.py: _one_row_each | dictionary": (
        lambda: examine(Several("dict"), labelled()),
        lambda fix: wrapped(fix, Several("dict")),
    ),
    "given/_examine.py: _one_row_each | tuple": (
        lambda: examine(Several("tuple"), labelled()),
        lambda fix: wrapped(fix, Several("tuple")),
    ),
    "given/_examine.py: _one_row_each 2 | maps": (
        lambda: examine(flat(nn.Unflatten(1, (4, 1, 1))), labelled()),
        lambda fix: examine(value(fix.partition("in ")[2], net=flat(nn.Unflatten(1, (4, 1, 1)))), labelled()),
    ),
    "given/_examine.py: _one_row_each 2 | single logit": (
        lambda: examine(flat(outputs=1), labelled(labels() % 2)),
        lambda fix: examine(value(fix, net=flat(outputs=1)), labelled(labels() % 2)),
    ),
    "given/_examine.py: _does_not_fit | rows": (
        lambda: examine(nn.Sequential(nn.Linear(36, 4)), labelled()),
        lambda fix: examine(value(fix.partition(": ")[2], net=nn.Sequential(nn.Linear(36, 4))), labelled()),
    ),
    "given/_examine.py: _does_not_fit | options": (
        lambda: probed(settings=["c=3"]),
        lambda fix: probed(settings=["c=1"]) if "(--arg" in fix else None,
    ),
    "given/_examine.py: _refuse_probabilities": (
        lambda: examine(flat(nn.Softmax(1)), labelled()),
        lambda fix: examine(flat(nn.Softmax(1))[:-1], labelled()) if "drop the last softmax" in fix else None,
    ),
    "given/_files.py: new_folder": (
        lambda: given_files().new_folder(photos()),
        lambda fix: given_files().new_folder(Path("other")) if fix == "another --out" else None,
    ),
    "given/_options.py: probe_from_options": (
        lambda: probed(jacobian="fast"),
        lambda fix: probed(jacobian=option(fix, "--jacobian")),
    ),
    "given/_options.py: _attacks": (
        lambda: probed(attacks="pdg-linf"),
        lambda fix: probed(attacks=option(fix, "--attacks"), place="first", window="1:3"),
    ),
    "given/_options.py: _device": (
        lambda: probed(device="gpu7"),
        lambda fix: probed(device=option(fix, "--device"), attacks="none", place="first", window="1:3"),
    ),
    "given/_options.py: ranks": (
        lambda: probed(window="2"),
        lambda fix: ranks_of(option(fix, "--window")),
    ),
    "given/_options.py: _numbers | colour": (
        lambda: probed(mean="0.5;0.4;0.3"),
        lambda fix: value(option(fix, "--mean")),
    ),
    "given/_options.py: _numbers | grey": (
        lambda: probed(mean="a"),
        lambda fix: probed(mean=fix.partition("--mean ")[2].partition("--mean ")[2].split()[0], std="0.2"),
    ),
    "given/_options.py: _no_place": (
        lambda: probed(place=None),
        lambda fix: probed(place=option(fix, "--place")),
    ),
    "given/probe.py: _spectrum": (
        lambda: ec.probe(dead(), labelled(), "2", images=4, attacks={}),
        lambda fix: ec.probe(dead(), labelled(), "1", images=4, attacks={}, window=(1, 3)),
    ),
    "given/recording.py: recorded": (
        lambda: recorded(Recording(responses(1, 30, 8)), (1, 5), shuffled=True),
        lambda fix: (
            recorded(Recording(responses(1, 30, 8)), (1, 5)) if fix == "leave out shuffled (--shuffled)" else None
        ),
    ),
    "spectra/power_law.py: ranks | options": (
        lambda: probed(place="lstm[0]", window="1:1"),
        lambda fix: probed(place="lstm[0]", window=option(fix, "--window")),
    ),
}
"""By module and function, and case: what raises the error, and what works once its fix, the argument, is followed."""

LEFT_OUT = "leave out remove_spontaneous (--remove-spontaneous)"


def given_files() -> Any:
    from eigencode.given import _files

    return _files


def ranks_of(text: str) -> object:
    from eigencode.given._options import ranks

    return ranks(text)


def spoiled() -> np.ndarray:
    x = pixels().astype("float32") / 255
    x[2, 0, 1, 1] = np.nan
    return x


def bright(images: ec.Images) -> ec.Images:
    assert 0.3 < float(images.x.mean()) < 0.7
    return images


def large(name: str, packed: int = zipfile.ZIP_DEFLATED) -> None:
    """An archive whose array says that it has 10^12 numbers."""
    with zipfile.ZipFile(name, "w", packed) as archive, archive.open("x.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})


def still() -> np.ndarray:
    x = responses(2, 30, 8)
    x[:, :, 2] = 1
    return x


def two(recording: Recording) -> Recording:
    assert recording.responses.shape == (2, 30, 8)
    return recording


def every_file(fix: str, **how: Any) -> ec.Images:
    """The folder after the command that an advice gives was applied to all its files."""
    for file in Path("photos").rglob("*.png"):
        done(fix[fix.index("Image.") :], file=file)
    return loaded(**how)


def tiled() -> tuple[np.ndarray, np.ndarray]:
    """Two repeats, units x stimuli, of units that answer in the same way."""
    x = np.repeat(responses(2, 1, 30), 8, 1)
    return x[0], x[1]


def dead() -> nn.Sequential:
    net = flat(nn.ReLU(), nn.Linear(4, 4))
    with torch.no_grad():
        net[1].bias.fill_(-99)
    return net


NOT_FOLLOWED = {
    "data/_checks.py": "tests/test_advice_on_files.py",
    "data/_cifar10.py": "tests/test_advice_on_files.py",
    "data/_download.py: download": "frees space on a disk",
    "data/_idx.py": "tests/test_advice_on_files.py",
    "data/_mnist5k.py": "installs something",
    "base/reading.py: reading": "the advice of its callers",
    "data/catalogue.py: _reading": "permissions",
    "data/folder.py: _walk": "removes a pipe: tests/unit/data/test_image_folder.py",
    "formats/_table.py: _parquet": "installs something",
    "formats/_apart.py": "a library that crashed: tests/conformance/test_mutated_files.py",
    "formats/_child.py": "said in another process: tests/unit/data/test_recordings.py",
    "given/_files.py: new_folder 2": "the same advice as new_folder",
    "given/_files.py: write": "the same advice as new_folder",
    "report/": "tests/test_advice_on_files.py",
}
"""Errors whose fix no row follows, and why."""

MINE = ("base/arrays.py", "base/axes.py", "base/inputs.py", "base/labels.py", "base/pixels.py", "base/reading.py",
        "base/symmetric.py", "base/types.py: Images", "data/", "formats/", "given/", "report/")  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, no data sets, downloads that write small files, and a probe that takes little time."""

    def small(entry: object, root: Path) -> None:
        write_idx(root / "fashion_mnist", packed=True)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EIGENCODE_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "download", small)
    monkeypatch.setattr(sys.modules["eigencode.given.probe"], "ATTACKS", {})
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.mark.parametrize("said", TABLE)
@pytest.mark.usefixtures("here")
def test_the_advice_works(said: str) -> None:
    assert follows(said.partition(" | ")[0], *TABLE[said]) is not None


def test_every_advice_is_followed_or_has_a_reason() -> None:
    found = {said for said in advice() if said.startswith(MINE)}
    rows = {said.partition(" | ")[0] for said in TABLE}
    assert len(found) > 60
    missing = sorted(said for said in found - rows if not said.startswith((*NOT_FOLLOWED,)))
    assert missing == [], "give it a row of TABLE, or say in NOT_FOLLOWED why it has none"
    assert [said for said in NOT_FOLLOWED if not any(name.startswith(said) for name in found - rows)] == []
    assert sorted(rows - {*advice()}) == [], "there is no such error any more"
