"""Every measure, and every function it calls, takes anybody's network, leaves it alone, and returns a record that
travels; one row each.

A new measure is one more row; a broken one is shown to be caught.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.record import Estimate, Record
from eigencode.measures import (
    AccuracyMeasure,
    BoundMeasure,
    CertifiedMeasure,
    ConvergenceMeasure,
    CriticalMeasure,
    CurveMeasure,
    ExpressivityMeasure,
    JacobianMeasure,
    LandscapeMeasure,
    MarginMeasure,
    Measure,
    PruningMeasure,
    Reading,
    RidgeMeasure,
    SignalMeasure,
    SpectrumMeasure,
    Subject,
    TangentsMeasure,
    WidthsMeasure,
)
from eigencode.paper._measures import CriticalOnGridMeasure, SpectrumInSingleMeasure
from eigencode.robustness import FGSM, Gaussian
from eigencode.study._catalogue import plugins

Function = Callable[[Callable[[Tensor], Tensor], Tensor, int], Record]
"""measure(code, images, batch size)"""


class Net(nn.Module):
    """Somebody's network: BatchNorm and dropout, so that a wrong mode shows."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(1)
        self.flat, self.hidden, self.norm = nn.Flatten(), nn.Linear(16, 10), nn.BatchNorm1d(10)
        self.drop, self.active = nn.Dropout(0.5), nn.ReLU()
        with torch.no_grad():
            for parameter in (self.hidden.weight, self.hidden.bias):
                parameter.copy_(0.4 * torch.randn(parameter.shape, generator=draw))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.active(self.drop(self.norm(self.hidden(self.flat(x)))))
        return z


def images(n: int = 60) -> Tensor:
    return torch.rand(n, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(n))


def labelled(x: Tensor) -> ec.Images:
    return ec.Images(x.float(), torch.arange(len(x)) % 10)


def attacked(measure: Callable[..., Record], code: Callable[[Tensor], Tensor], x: Tensor, size: int) -> Record:
    """The measures of robustness take logits and labelled images."""
    return measure(_Single(code), labelled(x[:12]), ec.robustness.FGSM(), space="pixel", batch_size=size)


class _Single(nn.Module):
    """Logits for float32 images."""

    def __init__(self, code: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.code = code

    def forward(self, x: Tensor) -> Tensor:
        return self.code(x.double())


def along(code: Callable[[Tensor], Tensor], x: Tensor, size: int) -> Record:
    return ec.geometry.tangents(_Single(code), labelled(x), directions=2, steps=3, batch_size=size)


def curved(net: Callable[..., object], *words: object, **more: object) -> Record:
    return ec.robustness.curve(net, *words, eps=[0.0, 0.05, 0.2], check=False, **more)  # type: ignore[arg-type]


def sized(net: Callable[..., object], *words: object, **more: object) -> Record:
    return ec.robustness.critical_size(net, *words, check=False, **more)  # type: ignore[arg-type]


TABLE: dict[str, Function] = {
    "spectrum": lambda code, x, size: ec.spectrum(code, x, batch_size=size),
    "power law": lambda code, x, size: ec.spectrum(code, x, batch_size=size).power_law((1, 6)),
    "held-out spectrum": lambda code, x, size: ec.spectra.heldout_spectrum(code, x[:40], x[40:]),
    "window map": lambda code, x, size: ec.spectrum(code, x, batch_size=size).window_map(),
    "jacobian_norm": lambda code, x, size: ec.jacobian_norm(code, x, batch_size=size),
    "jacobian_norm, random": lambda code, x, size: ec.jacobian_norm(code, x, "hutchinson", batch_size=size),
    "spectral_norm": lambda code, x, size: ec.geometry.spectral_norm(code, x, batch_size=size),
    "tangents": along,
    "curve": partial(attacked, curved),
    "critical_size": partial(attacked, sized),
}


DRAWS = {"jacobian_norm, random", "spectral_norm"}
"""Random starts are drawn batch by batch, so other batches draw others; their own tests bound what that changes."""


def leaves_the_caller_alone(measure: Function) -> None:
    """Weights, buffers, modes, gradient flags, hooks, images and the global random state stay what they are."""
    net, x = Net(), images()
    for mode in (True, False):
        net.train(mode)
        before = _state(net, x)
        measure(net, x, 25)
        torch.testing.assert_close(_state(net, x), before, rtol=0, atol=0)


def is_repeatable(measure: Function) -> None:
    """The same question, the same bits, whatever was drawn in between."""
    net, x = Net(), images()
    first = measure(net, x, 25)
    torch.rand(5)
    again = measure(net, x, 25)
    torch.testing.assert_close(again.tensors(), first.tensors(), rtol=0, atol=0, equal_nan=True)
    assert repr(again.scalars()) == repr(first.scalars())


def takes_any_batch(measure: Function) -> None:
    """Batches are for the memory, not for the result."""
    net, x = Net(), images()
    one, other = measure(net, x, 7), measure(net, x, 60)
    torch.testing.assert_close(one.tensors(), other.tensors(), rtol=1e-6, atol=1e-9, equal_nan=True)


def travels(measure: Function) -> None:
    """What is saved is what is loaded; the arrays have named axes; a notebook shows it."""
    found = measure(Net(), images(), 25)
    with TemporaryDirectory() as folder:
        found.save(Path(folder))
        loaded = type(found).load(Path(folder))
    torch.testing.assert_close(loaded.tensors(), found.tensors(), rtol=0, atol=0, equal_nan=True)
    assert repr(loaded.scalars()) == repr(found.scalars())
    assert set(found.tensors()) <= set(found.dims()), "name the axes of every array in its annotation"
    assert set(found.to_dataset().variables) >= set(found.tensors())
    assert len(found.to_frame()) > 0
    assert "<table>" in found._repr_html_()


CHECKS = (leaves_the_caller_alone, is_repeatable, takes_any_batch, travels)


def _state(net: nn.Module, x: Tensor) -> tuple[object, ...]:
    flags = [(p.requires_grad, p.grad is None) for p in net.parameters()]
    modes = [(m.training, len(m._forward_hooks)) for m in net.modules()]
    state = {k: v.clone() for k, v in net.state_dict().items()}
    return (state, x.clone(), x.requires_grad, torch.random.get_rng_state(), flags, modes)


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
@pytest.mark.parametrize(
    ("name", "assert_it"),
    [
        pytest.param(name, check, id=f"{name}-{check.__name__}")
        for name in TABLE
        for check in CHECKS
        if not (name in DRAWS and check is takes_any_batch)
    ],
)
def test_conforms(name: str, assert_it: Callable[[Function], None]) -> None:
    assert_it(TABLE[name])


@dataclass(frozen=True)
class Found(Record):
    value: Float[Tensor, " unit"]


@dataclass(frozen=True)
class Nameless(Record):
    value: Tensor


def mean(code: Callable[[Tensor], Tensor], x: Tensor, size: int, fault: str = "") -> Record:
    """The mean response, measured correctly or with one of the usual faults."""
    assert isinstance(code, nn.Module)
    was = code.training
    if fault != "mode":
        code.eval()
    with torch.no_grad():
        parts = [code(part) for part in x.split(size)]
    if fault != "mode":
        code.train(was)
    value = torch.stack([p.mean(0) for p in parts]).mean(0) if fault == "batches" else torch.cat(parts).mean(0)
    if fault == "random":
        value = value + 1e-3 * torch.rand(())
    return Nameless(value) if fault == "axes" else Found(value)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("mode", leaves_the_caller_alone),
        ("random", leaves_the_caller_alone),
        ("random", is_repeatable),
        ("batches", takes_any_batch),
        ("axes", travels),
    ],
)
def test_the_table_catches_a_bad_measure(fault: str, check: Callable[[Function], None]) -> None:
    check(mean)
    with pytest.raises(AssertionError):
        check(partial(mean, fault=fault))


GRID = {"eps": (1e-2, 1.0), "points": 4}
MEASURES: list[Measure] = [
    AccuracyMeasure(),
    BoundMeasure(),
    CertifiedMeasure(),
    ConvergenceMeasure(),
    CriticalMeasure(FGSM()),
    CriticalMeasure(Gaussian(), space="pixel", images=20),
    CriticalOnGridMeasure(FGSM(), **GRID),  # type: ignore[arg-type]
    CurveMeasure(Gaussian(), **GRID, read=(1e-2, 1.0)),  # type: ignore[arg-type]
    ExpressivityMeasure((1, 4), folds=2),
    JacobianMeasure(),
    JacobianMeasure(method="hutchinson", projections=3, space="pixel"),
    LandscapeMeasure(points=3),
    LandscapeMeasure(image=(0, 1, 2), points=3),
    MarginMeasure(),
    MarginMeasure("linf", space="pixel", images=20),
    PruningMeasure(),
    RidgeMeasure(),
    RidgeMeasure(images=40, folds=2),
    SignalMeasure(),
    SignalMeasure(samples=30, reduce="random:6"),
    SpectrumInSingleMeasure(window=(1, 5)),
    SpectrumMeasure(window=(1, 5)),
    SpectrumMeasure("noise", samples=80, window=(1, 5), weights="1/n"),
    TangentsMeasure(directions=2, steps=2),
    WidthsMeasure(widths=(4, 8, 20), window=(1, 5)),
]


def test_every_measure_of_the_package_has_a_row() -> None:
    assert {type(m) for m in MEASURES} == {*plugins("measures").values()}


def subject(seed: int = 0) -> Subject:
    """A Krotov-Hopfield network of which every measure can be asked; two thirds of its answers are right."""
    x = images().float()
    net = ec.models.krotov_hopfield(labelled(x), units=12)
    y = net(x).argmax(1)
    return Subject(
        net, ec.Images(x, torch.where(torch.arange(len(x)) % 3 > 0, y, (y + 1) % 10), "0123456789"), "latent", seed
    )


def leaves_the_subject_alone(measure: Measure) -> None:
    """Network, mode, images and the global random state are as before."""
    given = subject()
    for mode in (True, False):
        given.network.train(mode)
        before = _state(given.network, given.test.pixels)
        measure.measure(given)
        torch.testing.assert_close(_state(given.network, given.test.pixels), before, rtol=0, atol=0)


def follows_its_seed_alone(measure: Measure) -> None:
    """The same seed, the same bits, whatever was drawn in between."""
    first = [*measure.readings(measure.measure(subject()))]
    torch.rand(5)
    again = [*measure.readings(measure.measure(subject()))]
    assert repr(again) == repr(first)


@functools.cache
def measured(measure: Measure) -> Any:
    """One measurement for all checks that only read it; `follows_its_seed_alone` says that others are the same."""
    return measure.measure(subject())


def gives_what_it_announces(measure: Measure) -> None:
    """Its numbers are among its names, once each, the headline first, and every number says what it is."""
    found, names = [n.what for n in measure.readings(measured(measure))], measure.names()
    assert found
    assert {*found} <= {*names}
    assert len({*found}) == len(found)
    assert "" not in names[1:]
    assert found[0] == "" or "" not in names
    assert all(n.convention for n in measure.readings(measured(measure)))


def stays_inside_its_intervals(measure: Measure) -> None:
    """low <= value <= high wherever there are such ends."""
    for n in measure.readings(measured(measure)):
        assert not n.value < n.low - 1e-12, n
        assert not n.value > n.high + 1e-12, n


def keeps_its_record(measure: Measure) -> None:
    """What is read from the disk gives the same numbers, and the record is of the type that was announced."""
    found = measured(measure)
    assert type(found) is measure.record
    with TemporaryDirectory() as folder:
        found.save(Path(folder))
        loaded = measure.record.load(Path(folder))
    assert repr([*measure.readings(loaded)]) == repr([*measure.readings(found)])


def says_what_it_is(measure: Measure) -> None:
    """A frozen dataclass of settings, with a kind, a name, and nothing for reading only that is no setting."""
    assert dataclasses.is_dataclass(measure)
    with pytest.raises(dataclasses.FrozenInstanceError):
        measure.anything = 1  # type: ignore[attr-defined]
    assert {*measure.reading_only} <= {f.name for f in dataclasses.fields(measure)}
    assert measure.kind
    assert measure.label()


RULES = (
    leaves_the_subject_alone,
    follows_its_seed_alone,
    gives_what_it_announces,
    stays_inside_its_intervals,
    keeps_its_record,
    says_what_it_is,
)


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
@pytest.mark.parametrize("assert_it", RULES, ids=lambda r: r.__name__)
@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: type(m).__name__)
def test_measure(measure: Measure, assert_it: Callable[[Measure], None]) -> None:
    assert_it(measure)


@dataclass(frozen=True)
class BrokenMeasure(AccuracyMeasure):
    """Accuracy with one of the usual faults."""

    fault: str = ""
    reading_only: ClassVar[tuple[str, ...]] = ()

    def measure(self, subject: Subject) -> Estimate:
        found = super().measure(subject)
        if self.fault == "mode":
            subject.network.train()
        if self.fault == "weights":
            next(subject.network.parameters()).data.mul_(1 + 1e-6)
        if self.fault == "images":
            subject.test.pixels[0] += 1e-3
        drawn = float(torch.rand(())) if self.fault == "random" else 0.0
        return dataclasses.replace(found, value=found.value + 1e-9 * drawn)

    def readings(self, record: Estimate) -> Iterator[Reading]:
        (found,) = super().readings(record)
        yield {
            "outside": dataclasses.replace(found, value=record.high + 0.01),
            "unannounced": dataclasses.replace(found, what="more"),
            "no convention": dataclasses.replace(found, convention=""),
        }.get(self.fault, found)
        if self.fault == "twice":
            yield found


FAULTS = [
    ("mode", leaves_the_subject_alone),
    ("weights", leaves_the_subject_alone),
    ("images", leaves_the_subject_alone),
    ("random", leaves_the_subject_alone),
    ("random", follows_its_seed_alone),
    ("outside", stays_inside_its_intervals),
    ("unannounced", gives_what_it_announces),
    ("no convention", gives_what_it_announces),
    ("twice", gives_what_it_announces),
]


@pytest.mark.parametrize(("fault", "rule"), FAULTS, ids=[f[0] for f in FAULTS])
def test_the_table_catches_a_broken_measure(fault: str, rule: Callable[[Measure], None]) -> None:
    rule(BrokenMeasure())
    with pytest.raises(AssertionError):
        rule(BrokenMeasure(fault=fault))
