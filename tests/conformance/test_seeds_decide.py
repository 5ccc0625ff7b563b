"""Every public function with a seed: the same seed gives the same bits, another seed other numbers; one row each.

A new function with a seed is one more row, and a test says so; functions that ignore their seed are shown to be caught.
"""

import ast
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import textbook_intervals
import torch
from bits import bits
from PIL import Image
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import EigencodeWarning
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.data import PlantedCode, Recording
from eigencode.data._split import stratified_split
from eigencode.data.crops import photograph_crops
from eigencode.data.folder import read_folder
from eigencode.data.noise import gaussian_noise
from eigencode.data.synthetic import random_basis
from eigencode.geometry._plane import random_plane
from eigencode.given import recorded
from eigencode.measures.expressivity import expressivity, halves
from eigencode.models.factory import build
from eigencode.paper.published.grid import first_on_grid
from eigencode.paper.published.penalties import PublishedJacobian
from eigencode.paper.published.pruning import prune_always
from eigencode.spectra.cross import cross_spectrum
from eigencode.spectra.cvpca import cvpca, shuffled_control
from eigencode.spectra.heldout import heldout_spectrum, injected_noise_spectrum
from eigencode.spectra.leading import leading_spectrum
from eigencode.spectra.signal import signal_spectrum
from eigencode.spectra.widths import spectra_by_width

Seeded = Callable[[int], Any]
"""A computation of everything that a seed decides."""

SOURCE = Path(ec.__file__).parent


def draw(*shape: int) -> Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


@cache
def responses() -> Tensor:
    return PlantedCode.of(24, 1.0, "relu").sample(500, seed=1)


@cache
def images() -> Images:
    return Images(draw(40, 1, 4, 4).float(), torch.arange(40) % 4)


@cache
def net() -> nn.Module:
    """Correct on all of `images()`, and curved."""
    made = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), nn.Tanh(), nn.Linear(30, 4))
    with torch.no_grad():
        for i, p in enumerate(made.parameters()):
            p.copy_(torch.randn(p.shape, generator=stream(i, "net")))
    return made


@cache
def classified() -> Images:
    with torch.no_grad():
        return Images(images().x, net()(images().x).argmax(1))


def perturbed(attack: Any) -> Seeded:
    return lambda s: ec.robustness.critical_size(net(), classified()[:6], attack, seed=s, check=False)


def trained(s: int) -> list[Tensor]:
    made = ec.models.krotov_hopfield(images(), units=6, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EigencodeWarning)  # one epoch does not converge
        ec.train_local(made, images(), ec.rules.KrotovHopfield(p=3.0, k=3), epochs=1, batch_size=10, seed=s)
    return list(made.state_dict().values())


def supervised(s: int) -> list[Tensor]:
    made = ec.models.perceptron(images(), units=6, seed=0)
    ec.train_supervised(made, images(), epochs=1, batch_size=10, seed=s)
    return list(made.state_dict().values())


def read_out(s: int) -> Any:
    found = ec.training.fit_readout(ec.models.perceptron(images(), units=6, seed=0), images(), seed=s, held_out=0.4)
    return found.accuracies


def penalised(penalty: Callable[[int], Any]) -> Seeded:
    def run(s: int) -> list[Tensor]:
        made = ec.models.perceptron(images(), units=6, seed=0)
        ec.train_supervised(made, images(), epochs=1, batch_size=40, penalties=[(1.0, penalty(s))])
        return list(made.state_dict().values())

    return run


class Rounded(nn.Module):
    """Gradients are zero everywhere, and only a random start finds what breaks an image."""

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = net()((6 * x).round() / 6)
        return z


def pruned(how: Callable[..., Any]) -> Seeded:
    def run(s: int) -> Any:
        return how(ec.models.krotov_hopfield(images(), units=60, seed=1), seed=s)

    return run


def initialised(s: int) -> Tensor:
    made = ec.models.krotov_hopfield(images(), units=6)
    ec.models.initialise(made, ec.rules.KrotovHopfield(), seed=s)
    weight: Tensor = made.encoder.weight
    return weight


def probed(s: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EigencodeWarning)
        attacks = {"noise": ec.robustness.Gaussian()}
        return ec.probe(
            net(), classified()[:12], "3", images=6, window=(1, 4), attacks=attacks, points=3, seed=s
        ).records


TABLE: dict[str, Seeded] = {
    "split": lambda s: images().split(0.5, s)[0].x,
    "stratified_split": lambda s: stratified_split([0, 1] * 10, [str(i) for i in range(20)], 0.5, s),
    "read_folder": lambda s: [part.sha256 for part in read_folder(Path("photographs"), s)],
    "photograph_crops": lambda s: photograph_crops(2, 2, 8, s)[0].x,
    "gaussian_noise": lambda s: gaussian_noise(2, (1, 2, 2), s),
    "random_basis": lambda s: random_basis(4, s),
    "of": lambda s: PlantedCode.of(4, 1.0, seed=s).sample(3),
    "sample": lambda s: PlantedCode.of(4, 1.0).sample(3, s),
    "repeats": lambda s: PlantedCode.of(4, 1.0).repeats(3, 2, 1.0, s),
    "build": lambda s: build("torch.nn:Linear", {"in_features": 3, "out_features": 2}, s).weight,
    "krotov_hopfield": lambda s: ec.models.krotov_hopfield(images(), units=4, seed=s).encoder.weight,
    "krotov_hopfield, read-out": lambda s: ec.models.krotov_hopfield(images(), units=4, seed=s).readout.weight,
    "softhebb": lambda s: ec.models.softhebb(images(), 1, 4, seed=s).conv1.weight,
    "softhebb, read-out": lambda s: ec.models.softhebb(images(), 1, 4, seed=s).readout.weight,
    "softhebb, twin": lambda s: ec.models.softhebb(images(), 1, 4, local=False, seed=s).conv1.weight,
    "softhebb_dense": lambda s: ec.models.softhebb_dense(images(), 4, seed=s).encoder.weight,
    "softhebb_dense, read-out": lambda s: ec.models.softhebb_dense(images(), 4, seed=s).readout.weight,
    "perceptron": lambda s: ec.models.perceptron(images(), units=4, seed=s).encoder.weight,
    "perceptron, read-out": lambda s: ec.models.perceptron(images(), units=4, seed=s).readout.weight,
    "initialise": initialised,
    "prune": pruned(ec.prune),
    "prune_always": pruned(prune_always),
    "train_local": trained,
    "train_supervised": supervised,
    "fit_readout": read_out,
    "Jacobian": penalised(lambda s: ec.penalties.Jacobian("latent", method="hutchinson", projections=1, seed=s)),
    "PublishedJacobian": penalised(lambda s: PublishedJacobian(fix=("D4",), method="drawn", seed=s)),
    "spectrum": lambda s: ec.spectrum(responses(), seed=s),
    "spectrum, interval": lambda s: ec.spectrum(responses(), seed=s).power_law((3, 20)).standard_error,
    "robust slope": lambda s: replace(ec.spectrum(responses()), seed=s).power_law((3, 20), method="siegel"),
    "spectra_at": lambda s: list(ec.spectra.spectra_at(net(), images().x, ["1", "3"], seed=s).values()),
    "profile": lambda s: ec.profile(net(), images(), ["3"], jacobian=3, interval=False, seed=s).rows[0].jacobian,
    "spectra_by_width": lambda s: spectra_by_width(responses(), widths=[5], seed=s)[0].eigenvalues,
    "spectra_by_width, interval": lambda s: spectra_by_width(responses(), widths=[24], order="first", seed=s)[0],
    "leading_spectrum": lambda s: leading_spectrum(responses(), top=3, passes=2, oversampling=2, seed=s),
    "heldout_spectrum": lambda s: heldout_spectrum(lambda z: z, responses()[:200], responses()[200:], seed=s),
    "injected_noise_spectrum": lambda s: (
        injected_noise_spectrum(lambda x: x, responses(), 0.1, swaps=0, seed=s).eigenvalues
    ),
    "cvpca": lambda s: cvpca(responses(), responses() + 0.1 * draw(500, 24), seed=s).eigenvalues,
    "cvpca, interval": lambda s: cvpca(responses(), responses() + 0.1 * draw(500, 24), swaps=0, seed=s).influence,
    "cvpca, all repeats": lambda s: cvpca(responses() + 0.1 * draw(3, 500, 24), swaps=1, seed=s).eigenvalues,
    "shuffled_control": lambda s: shuffled_control(responses(), responses(), seed=s).eigenvalues,
    "cross_spectrum": lambda s: cross_spectrum(responses(), draw(500, 24) + responses(), seed=s).eigenvalues,
    "signal_spectrum": lambda s: signal_spectrum(responses(), pairings=1, draws=100, seed=s).moments,
    "signal_spectrum, interval": lambda s: signal_spectrum(responses(), pairings=1, draws=100, seed=s).alpha.interval,
    "textbook bootstrap": lambda s: textbook_intervals.bootstrap(responses(), lambda v: float(v[3]), 20, s),
    "textbook jackknife": lambda s: textbook_intervals.delete_d_jackknife(responses(), lambda v: float(v[3]), 10, s),
    "jacobian_norm": lambda s: ec.jacobian_norm(net(), images().x[:4], "hutchinson", projections=3, seed=s),
    "spectral_norm": lambda s: ec.geometry.spectral_norm(net(), images().x[:4], iterations=2, seed=s),
    "tangents": lambda s: ec.geometry.tangents(ec.at(net(), "2"), images(), directions=1, steps=1, seed=s).random,
    "expressivity": lambda s: expressivity(responses(), torch.arange(500) % 6, [1], 2, folds=3, seed=s),
    "halves": lambda s: halves(torch.arange(9), 4, s),
    "random_plane": lambda s: random_plane(images().x[0], s),
    "landscape": lambda s: ec.landscape(net(), images().x[0], "2", "pixel", 1.0, 3, s, rays=4),
    "critical_size": perturbed(ec.robustness.Gaussian()),
    "curve": lambda s: ec.robustness.curve(
        net(), classified(), ec.robustness.Gaussian(), eps=[0.5, 1.0, 2.0], seed=s, check=False
    ),
    "first_on_grid": lambda s: first_on_grid(
        net(),
        classified()[:6],
        ec.robustness.Gaussian(),
        torch.linspace(0.1, 3, 40).double(),
        "pixel",
        check=False,
        seed=s,
    ),
    "recorded": lambda s: (
        recorded(Recording(torch.stack([responses()] * 2) + draw(2, 500, 24)), (2, 10), seed=s).records
    ),
    "masking_checks": lambda s: ec.robustness.masking_checks(Rounded(), classified(), images=12, seed=s, warn=False),
    "probe": probed,
}


PASSED_ON = {
    "probe_from_options": "`probe` in the words of the command line",
    "Subject": "what `critical_size` is made of",
    "batch": "kept in the batch for the penalties, which have rows",
    "estimated_seconds": "a time",
    "joined_spectrum": "that of `spectrum`: tests/unit/spectra/test_shards.py",
    "landscape_through": "the plane is given; the seed is that of `jacobian_norm`",
}
"""Functions with a seed that have no row, and why."""


def decides(seeded: Seeded) -> None:
    """Same seed, same bits, whatever was drawn in between; three seeds, three results."""
    first = bits(seeded(3))
    torch.rand(7)
    assert bits(seeded(3)) == first, "the same seed gave other numbers"
    others = [bits(seeded(s)) for s in (4, 5)]
    assert all(other != first for other in others), "another seed gave the same numbers"
    assert others[0] != others[1], "only whether there is a seed seems to matter"


@pytest.fixture(autouse=True)
def _photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "read_folder" in request.node.name:
        for label in ("cat", "dog"):
            (tmp_path / "photographs" / label).mkdir(parents=True)
            for i in range(12):
                path = tmp_path / "photographs" / label / f"{i}.png"
                Image.new("L", (4, 4), 20 * i + len(label) + (label == "cat")).save(path)
        monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", TABLE)
def test_the_seed_decides(name: str) -> None:
    decides(TABLE[name])


def with_a_seed() -> Iterator[str]:
    """Public functions and methods with `seed=0`; classes by their name."""
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        owners = {id(f): c.name for c in ast.walk(tree) if isinstance(c, ast.ClassDef) for f in c.body}
        for node in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            name = owners[id(node)] if node.name == "__init__" else node.name
            words = node.args
            optional = dict(zip(reversed(words.args), reversed(words.defaults), strict=False))
            optional |= {k: v for k, v in zip(words.kwonlyargs, words.kw_defaults, strict=True) if v is not None}
            if not name.startswith("_") and any(a.arg == "seed" and _is_number(v) for a, v in optional.items()):
                yield name


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def test_every_function_with_a_seed_has_a_row() -> None:
    rows = {name.partition(",")[0] for name in TABLE}
    found = set(with_a_seed())
    assert len(found) > 30
    assert sorted(found - rows - set(PASSED_ON)) == [], "give it a row of TABLE, or say in PASSED_ON why it needs none"


def ignores(s: int) -> Tensor:
    return torch.rand(3, generator=stream(0, "x"))


def only_asks_whether(s: int) -> Tensor:
    return torch.rand(3, generator=stream(min(s, 4), "x"))


def draws_from_everybody(s: int) -> Tensor:
    return torch.rand(3, generator=stream(s, "x")) + torch.rand(1)


def keeps_the_seed_only(s: int) -> dict[str, Any]:
    return {"value": ignores(s), "seed": s}


@pytest.mark.parametrize("wrong", [ignores, only_asks_whether, draws_from_everybody, keeps_the_seed_only])
def test_a_seed_that_does_not_decide_is_caught(wrong: Seeded) -> None:
    decides(lambda s: torch.rand(3, generator=stream(s, "x")))
    with pytest.raises(AssertionError):
        decides(wrong)
