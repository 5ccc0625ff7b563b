"""Every number of a study is that of its network on the test images: computed again by hand, and with the others away.

Training, validation, test and noise images give other numbers, and a test below says so of every quantity.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.record import Record
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.data.noise import gaussian_noise
from eigencode.models import Pruning, convergence, krotov_hopfield, perceptron, prune
from eigencode.models.local_network import local_layer
from eigencode.paper.published import first_on_grid
from eigencode.robustness import FGSM, critical_size, curve
from eigencode.robustness.certified import certified_size
from eigencode.rules import Convergence
from eigencode.spectra.power_law import fit_line
from eigencode.study import Cell, Step, Store, Study, execute, plan, read_study, rows
from eigencode.study._order import ordered
from eigencode.study.step import Inputs
from eigencode.study.steps.data import Data
from eigencode.study.steps.initial import Initial
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.steps.network import NetworkStep, network
from eigencode.study.steps.pruned import Pruned
from eigencode.study.steps.trained import Trained

STUDY = """
data = "digits"
train_images = 150
test_images = 40
seeds = [1]
validation = 0.2

[models.KH]
recipe = "KH"
units = 20
local = { epochs = 2, batch_size = 40 }
supervised = { epochs = 2, batch_size = 40 }

[models.BP]
recipe = "BP"
units = 20
supervised = { epochs = 2, batch_size = 40, keep = "best", schedule = { kind = "constant" } }

[[spectra]]
name = "α images"
window = [2, 8]
weights = "1/n"
widths = [16]

[[spectra]]
name = "α noise"
source = "noise"
samples = 60
window = [2, 8]

[[critical]]
name = "FGSM"
images = 15
attack = { name = "FGSM" }

[[critical]]
name = "grid"
images = 15
attack = { name = "FGSM" }
grid = { eps = [1e-3, 1.0], points = 20 }

[[certified]]
name = "certified"
images = 15

[[curves]]
name = "curve"
images = 15
attack = { name = "FGSM" }
eps = [1e-2, 0.1]
points = 2
at = [0.01]

[[landscapes]]
name = "plane"
image = 3
points = 4
"""

Run = tuple[Study, list[Cell], Store]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("measured")
    (folder / "s.toml").write_text(STUDY, "utf-8")
    study = read_study(folder / "s.toml")
    cells, store = plan(study), Store(folder / "store")
    outcome = execute([c.step for c in cells], store)
    assert outcome.ok, outcome.failed
    return study, cells, store


@pytest.fixture(scope="module")
def images() -> dict[str, Images]:
    """The images by what they are for."""
    train, test = ec.load("digits")
    part, validation = train[:150].split(0.2, 1)
    return {"test": test[:40], "training": part[:40], "validation": validation[:30]}


def by_hand(net: nn.Module, given: Images) -> dict[str, float]:
    """Every number that images of a data set decide, from the public functions alone."""
    some, points = given[:15], net.norm(given.x)
    grid = torch.logspace(-3, 0, 20, dtype=torch.float64)
    z = ec.at(net, "latent", space="unit")(points).detach().double()
    nested = z[:, torch.randperm(20, generator=stream(1, "widths"))[:16]]
    with torch.no_grad():
        hits = int((net(given.x).argmax(1) == given.y).sum())
    return {
        "test accuracy": hits / len(given),
        "α images, plain": slope(z, "1/n"),
        "α images, 16 units": ec.spectrum(nested, seed=1).power_law((2, 8), "1/n").alpha,
        "FGSM": critical_size(net, some, FGSM(), "unit", seed=1, check=False).median.value,
        "grid": first_on_grid(net, some, FGSM(), grid, "unit", check=False, seed=1).median.value,
        "certified": certified_size(net, some, "l2", "unit").median.value,
        "curve, at 0.01": float(curve(net, some, FGSM(), grid_of_two(), "unit", seed=1, check=False).accuracy[0]),
        "plane, Jacobian norm": float(ec.landscape(net, given.x[3], points=4, seed=3).jacobian.quantile(0.5)),
    }


def slope(z: Tensor, weights: str) -> float:
    return fit_line(torch.linalg.eigvalsh(torch.cov(z.T)).flip(0), (2, 8), weights).alpha


def grid_of_two() -> Tensor:
    return torch.tensor([0.01, 0.1], dtype=torch.float64)


def net_of(run: Run, model: str, kind: type[Step] | None = None) -> nn.Module:
    """The network that is measured, or the one of this kind that it was made from."""
    _, cells, store = run
    chain = next(c for c in cells if c.model == model and c.kind == "accuracy").made_by()
    return network(store.folder(next(s for s in chain if kind is None or type(s) is kind)))


@pytest.mark.parametrize("model", ["KH", "BP"])
def test_every_number_is_that_of_the_test_images(run: Run, images: dict[str, Images], model: str) -> None:
    found = {r.quantity: r.value for r in rows(*run) if r.model == model}
    wanted = by_hand(net_of(run, model), images["test"])
    assert {k: found[k] for k in wanted} == pytest.approx(wanted, rel=1e-6)
    noise = gaussian_noise(60, (1, 8, 8), seed=1)
    z = ec.at(net_of(run, model), "latent", space="unit")(noise).detach().double()
    assert found["α noise, plain"] == pytest.approx(slope(z, "uniform"), rel=1e-6)


def test_the_input_is_measured_on_the_test_images_too(run: Run, images: dict[str, Images]) -> None:
    found = {r.quantity: r.value for r in rows(*run) if r.model == "data"}
    points = net_of(run, "BP").norm(images["test"].x)
    assert found["α images"] == pytest.approx(slope(points.flatten(1).double(), "1/n"), rel=1e-6)
    noise = gaussian_noise(60, (1, 8, 8), seed=1)
    assert found["α noise, plain"] == pytest.approx(slope(noise.flatten(1).double(), "uniform"), rel=1e-6)


@pytest.mark.parametrize("other", ["training", "validation"])
def test_other_images_would_give_other_numbers(run: Run, images: dict[str, Images], other: str) -> None:
    """Otherwise the tests above would show nothing; and these are the images of whose use we are afraid."""
    seen = {m: [by_hand(net_of(run, m), images[k]) for k in ("test", other)] for m in ("KH", "BP")}
    for quantity in seen["KH"][0]:
        assert any(here[quantity] != there[quantity] for here, there in seen.values()), quantity


def test_no_number_is_left_out(run: Run, images: dict[str, Images]) -> None:
    """A new measurement of this study is computed by hand above, or is no measurement of images."""
    units = {f"units {what}" for what in ("converged", "winning", "median norm", "kept")}
    known = {*by_hand(net_of(run, "BP"), images["test"]), "α noise", *units}
    first = {r.quantity.partition(", ")[0] for r in rows(*run)}
    assert first == {k.partition(", ")[0] for k in known}


class Away:
    """Images that must not be looked at."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"looked at the {self.what} images: {name}")

    def __getitem__(self, index: object) -> Any:
        raise AssertionError(f"looked at the {self.what} images")

    def __len__(self) -> int:
        raise AssertionError(f"counted the {self.what} images")


def again(step: Step, store: Store, folder: Path) -> None:
    """Run a finished step once more, into another folder."""
    folder.mkdir(parents=True)
    scratch = folder / "scratch"
    scratch.mkdir()
    step.run(folder, Inputs({s.key: store.folder(s) for s in step.inputs()}, scratch))


def guarded(steps: list[Step], store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the steps again: networks without the test images, measurements without the training images."""
    real = Data.pair

    def only(self: Data) -> tuple[Any, Any]:
        train, test = real(self)
        return (train, Away("test")) if trains else (Away("training"), test)

    monkeypatch.setattr(Data, "pair", only)
    for i, step in enumerate(steps):
        trains = isinstance(step, NetworkStep)
        again(step, store, folder / str(i))


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
def test_training_sees_no_test_image_and_measuring_no_training_image(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, cells, store = run
    guarded(ordered([c.step for c in cells]), store, tmp_path, monkeypatch)


@dataclass(frozen=True)
class Measured(Step):
    """A measurement that looks at the images it should not."""

    data: Data
    wrong: int
    name: ClassVar[str] = "measured"

    def run(self, folder: Path, inputs: Inputs) -> None:
        assert len(self.data.pair()[self.wrong]) > 0


@dataclass(frozen=True)
class Peeking(NetworkStep):
    """A training that does."""

    name: ClassVar[str] = "peeking"

    def run(self, folder: Path, inputs: Inputs) -> None:
        assert self.data.pair()[1].x.shape[0] > 0


def test_a_step_that_looks_at_the_wrong_images_is_caught(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, cells, store = run
    data = next(s.data for s in ordered([c.step for c in cells]) if isinstance(s, NetworkStep))
    with monkeypatch.context() as patch:
        guarded([Measured(data, 1)], store, tmp_path / "right", patch)
    for i, wrong in enumerate((Measured(data, 0), Peeking(data, 0, 0.0))):
        with monkeypatch.context() as patch, pytest.raises(AssertionError, match=r"looked at|counted"):
            guarded([wrong], store, tmp_path / str(i), patch)


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
@pytest.mark.parametrize(("model", "local"), [("KH", True), ("BP", False)])
def test_only_the_training_part_trains_and_only_the_validation_part_validates(
    run: Run, model: str, local: bool
) -> None:
    """The whole chain by hand: the validation images train nothing, and the best epoch is theirs."""
    study, cells, store = run
    train, _ = ec.load("digits")
    part, validation = train[:150].split(0.2, 1)
    made = (krotov_hopfield if local else perceptron)(train[:150], units=20, seed=1)
    asked = study.models[model]
    if local:
        rule = ec.rules.KrotovHopfield(**local_layer(made).rule.layer_settings)
        ec.train_local(made, part, rule, epochs=2, lr=asked.local.lr, batch_size=40, seed=1)
        same(made, net_of(run, model, LocallyTrained))
        made = prune(made, seed=1).apply(made)
        same(made, net_of(run, model, Pruned))
    given = asked.supervised
    record = ec.train_supervised(
        *(made, part, given.parameters, 2, given.lr, (), 40, 1),
        schedule=given.schedule,
        validation=validation,
        keep=given.keep,
    )
    same(made, net_of(run, model, Trained))
    step = next(c for c in cells if c.model == model and c.kind == "accuracy").made_by()[0]
    kept = type(record).load(store.folder(step) / "training")
    assert {k: v.tolist() for k, v in kept.tensors().items()} == {k: v.tolist() for k, v in record.tensors().items()}
    assert len(record.tensors()) > 1


def same(one: nn.Module, other: nn.Module) -> None:
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)


def test_units_are_counted_on_the_networks_they_belong_to(run: Run) -> None:
    """Convergence on the locally trained network, pruning from it, and not on what came before or after."""
    _, cells, store = run
    local, start = net_of(run, "KH", LocallyTrained), net_of(run, "KH", Initial)
    folder = {type(s): store.folder(s) for s in next(c for c in cells if c.model == "KH").made_by()}
    kept = Convergence.load(folder[LocallyTrained] / "convergence")
    pruning = Pruning.load(folder[Pruned] / "pruning")
    same_record(kept, convergence(local), "norm")
    same_record(pruning, prune(local, seed=1), "log_variance")
    assert not torch.equal(kept.norm, convergence(start).norm)
    assert not torch.equal(pruning.log_variance, prune(start, seed=1).log_variance)


def same_record(one: Record, other: Record, name: str) -> None:
    torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-12, atol=0)
