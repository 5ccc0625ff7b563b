"""The advice of errors about studies, their results, and damaged files of known data sets works when it is followed."""

import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_data import CIFAR_FILES, IDX_FILES, idx, write_cifar, write_idx
from following import Run, advice, follows
from small_study import planned
from typer.testing import CliRunner

from eigencode import cli, data
from eigencode.data import catalogue
from eigencode.report import StudyRun
from eigencode.report.build import compare
from eigencode.spectra import Spectrum
from eigencode.study import Store, read_study

pytestmark = [
    pytest.mark.usefixtures("unchecked", "here"),
    pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning"),
]

SMALL = """data = "digits"
test_images = 40
models.A = { kind = "krotov_hopfield", units = 6 }
[[spectra]]
window = [2, 4]
"""
MNIST, CIFAR = Path("data/mnist"), Path("data/cifar10")


def official(name: str = "mnist") -> Path:
    """A small copy of a data set in the data folder."""
    return write_cifar(CIFAR) if name == "cifar10" else write_idx(Path("data", name))


def loaded(name: str = "mnist") -> object:
    return data.load(name, "data")


def damaged(change: Callable[[bytes], bytes], file: str = IDX_FILES[0], name: str = "mnist") -> object:
    """Load a data set one of whose files was changed."""
    path = official(name) / file
    path.write_bytes(change(path.read_bytes()))
    return loaded(name)


def fetched(fix: str, file: str = IDX_FILES[0], name: str = "mnist") -> object:
    """Delete the damaged file, fetch the data set, and load it, as the advice says."""
    if "fetch it again" not in fix or "delete" not in fix:
        return None
    Path("data", name, file).unlink()
    data.fetch(name, "data")
    return loaded(name)


def classes(names: str) -> object:
    official("cifar10")
    (CIFAR / "batches.meta.txt").write_text(names)
    return loaded("cifar10")


def exchanged(fix: str) -> object:
    """The files in a folder of the other name, as the advice says."""
    assert fix == "load 'fashion_mnist', or correct the data folder"
    shutil.move("data/mnist", "data/fashion_mnist")
    return loaded("fashion_mnist")


def starting(numbers: tuple[int, ...]) -> Callable[[bytes], bytes]:
    return lambda content: content[:8] + bytes(numbers) + content[8 + len(numbers) :]


def black(content: bytes) -> bytes:
    return content[:16] + bytes(784) + content[16 + 784 :]


def meant(fix: str) -> str:
    """The name that an advice suggests."""
    return re.findall(r"did you mean '(.*)'\?", fix)[0]


def claimed(**more: Any) -> object:
    claim = {"statement": "a", "quantity": "test accuracy", "model": "A", "value": 0.5, **more}
    return planned(claims=[claim])


def recipe(name: str) -> object:
    return planned(models={"A": {"recipe": name}})


def against(more: str = "") -> str:
    """A convolutional network trained against an attack."""
    told = ", ".join(part for part in ('"eps":0.1', more) if part)
    stack = '"kind":"softhebb","settings":{"depth":1,"width":2}'
    return f'models.A={{{stack},"supervised":{{"adversarial":{{{told}}}}}}}'.replace(":", "=")


def stack_attacked(more: str = "") -> list[str]:
    """A convolutional network, which has no unit space, and an attack on it."""
    stack = 'models.A={kind="softhebb",settings={depth=1,width=2}}'
    return [stack, f'critical=[{{attack={{name="FGSM"}}{more}}}]']


def study_file(name: str = "a b") -> Path:
    path = Path("a.toml")
    path.write_text(f'name = "{name}"\n{SMALL}')
    return path


def ran(*, store: str = "store", then: Callable[[Path], object] = lambda folder: None) -> Path:
    """The folder of the results of a small study of images alone."""
    path = Path("small.toml")
    path.write_text(SMALL)
    done = CliRunner().invoke(cli.app, ["run", str(path), "--store", store])
    assert done.exit_code == 0, done.output
    folder = Path(store, "reports", "small")
    then(folder)
    return folder


def record_of(run: StudyRun) -> Path:
    cell = run.cells(kind="spectrum")[0]
    return run.step(cell["key"]) / cell["part"]


def broken_record(folder: Path) -> object:
    (record_of(StudyRun.found(folder)) / "record.json").write_text('{"something": 1}')
    return StudyRun.found(folder).load(Spectrum, kind="spectrum")


def spoiled(folder: Path) -> None:
    (folder / "results.json").write_text("{}")


def unreadable() -> object:
    return StudyRun.found(ran(then=spoiled))


def moved_store() -> object:
    folder = ran()
    shutil.copytree(folder, "elsewhere")
    return StudyRun.found(Path("elsewhere"))


def again(fix: str) -> object:
    """The records of the small study after what an advice says."""
    shutil.rmtree(fix.removeprefix("delete ").removesuffix(", then run again"))
    return StudyRun.found(ran()).load(Spectrum, kind="spectrum")


def page(path: Path) -> object:
    return compare([StudyRun.found(ran())], path)


def occupied() -> object:
    Path("page.html").write_text("mine")
    return page(Path("page.html"))


TABLE: dict[str, tuple[Run, Run]] = {
    "data/_checks.py: refuse_wrong_labels": (
        lambda: damaged(lambda b: b[:-1] + b"\x63", IDX_FILES[1]),
        lambda fix: fetched(fix, IDX_FILES[1]),
    ),
    "data/_checks.py: refuse_blank_images": (lambda: damaged(black), fetched),
    "data/_cifar10.py: _records_in": (
        lambda: damaged(lambda b: b[:-5], CIFAR_FILES[0], "cifar10"),
        lambda fix: fetched(fix, CIFAR_FILES[0], "cifar10"),
    ),
    "data/_cifar10.py: _refuse_other_classes": (
        lambda: classes("a b c"),
        lambda fix: fetched(fix.partition(", or")[0].replace("the data set", "it"), "batches.meta.txt", "cifar10"),
    ),
    "data/_idx.py: read_idx": (lambda: damaged(lambda b: gzip.compress(b)[:-20]), fetched),
    "data/_idx.py: read_idx 2": (lambda: damaged(lambda b: b[:-5]), fetched),
    "data/_idx.py: _shape": (lambda: damaged(lambda b: b"x" + b[1:]), fetched),
    "data/_idx.py: _shape 2": (lambda: damaged(lambda b: idx((0, 28, 28), b"")), fetched),
    "data/_idx.py: read_idx_pair": (
        lambda: damaged(starting((9, 0, 0, 3, 0, 2, 7, 2, 5, 5)), IDX_FILES[1]),
        exchanged,
    ),
    "data/_idx.py: _shape 3": (
        lambda: damaged(lambda b: idx((12, 14, 56), b[16:])),
        lambda fix: [shutil.rmtree("data"), official(), loaded()] if "correct the data folder" in fix else None,
    ),
    "data/_idx.py: _images": (
        lambda: damaged(lambda b: idx((11,), b[8:-1]), IDX_FILES[1]),
        lambda fix: [(MNIST / IDX_FILES[0]).unlink(), fetched(fix.replace("them", "it"), IDX_FILES[1])],
    ),
    "study/_checks.py: check | data": (
        lambda: planned("data=['digits','digits']"),
        lambda fix: planned("data=['digits']") if fix == "name each of the data once" else None,
    ),
    "study/_checks.py: check | names": (
        lambda: planned(spectra=[{"window": [2, 6]}, {"window": [2, 5]}]),
        lambda fix: planned(spectra=[{"window": [2, 6], re.findall("`(.*)`", fix)[0]: "a"}, {"window": [2, 5]}]),
    ),
    "study/_checks.py: _check_model": (
        lambda: planned('models.A={"activation"="tanh","n"=2.0}'),
        lambda fix: planned('models.A={"activation"="tanh"}') if fix == "leave out `n`" else None,
    ),
    "study/_checks.py: _check_supervised": (
        lambda: planned(against()),
        lambda fix: planned(against('"space":"pixel"')) if fix == "space = 'pixel'" else None,
    ),
    "study/_checks.py: _check_spaces": (
        lambda: planned(*stack_attacked()),
        lambda fix: planned(*stack_attacked(f",{fix}")),
    ),
    "study/_checks.py: _check_claim": (
        lambda: claimed(data="digit"),
        lambda fix: claimed(data=meant(fix)),
    ),
    "study/_checks.py: check_known | quantity": (
        lambda: claimed(quantity="test acuracy"),
        lambda fix: claimed(quantity=meant(fix)),
    ),
    "study/_measurements.py: _matched": (
        lambda: planned(measure=[{"kind": "Certified", "at": ["latent"]}]),
        lambda fix: planned(measure=[{"kind": "Certified"}]) if "leave out `at`" in fix else None,
    ),
    "study/_measurements.py: _planned": (
        lambda: planned(measure=[{"kind": "jacobian", "shards": 2}]),
        lambda fix: planned(measure=[{"kind": "jacobian"}]) if "leave out `shards`" in fix else None,
    ),
    "study/read.py: _recipe": (lambda: recipe("SpecRegKH"), lambda fix: recipe(meant(fix))),
    "study/read.py: _explain": (
        lambda: read_study(study_file()),
        lambda fix: read_study(study_file(re.findall('"(.*)"', fix)[0])),
    ),
    "study/store.py: Store.__post_init__": (
        lambda: Store(study_file()),
        lambda fix: ran(store=fix.split()[-1]),
    ),
    "report/build.py: compare": (occupied, lambda fix: page(Path("other.html")) if fix == "another --out" else None),
    "report/build.py: _write": (
        lambda: page(Path("nowhere/page.html")),
        lambda fix: page(Path("other.html")) if fix == "another --out" else None,
    ),
    "report/run.py: StudyRun.found": (
        moved_store,
        lambda fix: StudyRun.found(Path("elsewhere"), Path("store")) if fix.startswith("--store") else None,
    ),
    "report/run.py: StudyRun.results": (
        lambda: StudyRun.found(Path("nothing")),
        lambda fix: StudyRun.found(ran()) if "eigencode run" in fix else None,
    ),
    "report/_results.py: results": (
        unreadable,
        lambda fix: StudyRun.found(ran()).models if fix == "eigencode run writes it anew" else None,
    ),
    "base/record.py: Record.load": (
        lambda: broken_record(ran()),
        again,
    ),
}
"""By module and function, and case: what raises the error, and what works once its fix, the argument, is followed."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and downloads that write small files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EIGENCODE_DATA", "")
    monkeypatch.setattr(catalogue, "download", lambda entry, root: official(entry.name))


@pytest.mark.parametrize("said", TABLE)
def test_the_advice_works(said: str) -> None:
    assert follows(said.partition(" | ")[0], *TABLE[said]) is not None


def test_every_row_is_about_an_advice() -> None:
    assert sorted({said.partition(" | ")[0] for said in TABLE} - {*advice()}) == [], "there is no such error any more"
