"""Every setting of rules, penalties, attacks, measures, models, trainings and study entries decides something.

Two values of a setting, everything else equal: the numbers differ, or one of the two is refused.  A setting without a
row fails, and a setting that does nothing is shown to be caught.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from bits import bits
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError, TrainingError
from eigencode.measures import Subject
from eigencode.models import LocalConv2d, LocalDense, Stack, as_expected, build
from eigencode.paper._recipes import RECIPES
from eigencode.penalties import Lp, Penalty
from eigencode.robustness import FGSM, PGD, Gaussian, Square
from eigencode.robustness.protocol import Perturbation
from eigencode.rules import KrotovHopfield, Rows, Rule
from eigencode.study import Store, execute
from eigencode.study._catalogue import _settings, plugins
from eigencode.study._checks import check
from eigencode.study.config import AdversarialChoice, Local, Model, Ridge, Supervised
from eigencode.study.plan import networks
from eigencode.study.read import study
from eigencode.study.steps.data import data
from eigencode.study.steps.network import network
from eigencode.training import Adversarial, Callback, Schedule

Run = Callable[..., Any]
"""The numbers that come of settings, which are keyword arguments."""

Pairs = dict[str, tuple[Any, ...]]
"""Two values of every setting, and the other settings under which they differ, if there are any."""


@cache
def images() -> ec.Images:
    x = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(4))
    return ec.Images(x, torch.arange(40) % 4, "0123")


@cache
def net() -> Stack:
    """Some units are dead and five are multiples of one another, so that from rank 6 on the spectrum is rounding."""
    made = ec.models.krotov_hopfield(images(), units=12, n=2.0)
    encoder, readout = made.get_submodule("encoder"), made.get_submodule("readout")
    with torch.no_grad():
        live = (encoder(images().x) > 0).any(0).nonzero().flatten()
        for i, factor in enumerate((0.7, 0.6, 0.5, 0.4), start=1):
            encoder.weight[live[i]] = factor * encoder.weight[live[0]]  # type: ignore[operator, index]
        readout.weight.mul_(5)  # type: ignore[operator]
    return made


@cache
def classified() -> ec.Images:
    """Images of which `net()` is right on three quarters."""
    with torch.no_grad():
        y = net()(images().x).argmax(1)
    return ec.Images(images().x, torch.where(torch.arange(40) % 4 > 0, y, (y + 1) % 4), "0123")


def state(made: nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in made.state_dict().items()}


def of_rule(rule: Rule) -> Any:
    made = Stack({"layer": LocalDense(torch.ones(6, 16), rule)})
    ec.models.initialise(made, rule)
    ec.train_local(made, images(), epochs=2, batch_size=10, lr=0.05 if isinstance(rule, KrotovHopfield) else 1e-3)
    return state(made), ec.convergence(made).converged


def of_penalty(penalty: Penalty) -> Any:
    made = ec.models.krotov_hopfield(images(), units=6, n=2.0, spread=0.5)
    made.encoder.weight.requires_grad_()  # type: ignore[operator, union-attr]
    ec.train_supervised(made, images(), epochs=2, batch_size=20, penalties=[(0.1, penalty)])
    return state(made)


def of_widths(measure: Any) -> Any:
    found = measure.measure(Subject(net(), classified(), "latent", check=False))
    return [s.tensors() for s in found.spectra], [(r.what, r.value, r.low, r.high) for r in measure.readings(found)]


def of_attack(attack: Any) -> Any:
    x, y, g = classified().x[1:5], classified().y[1:5], torch.Generator().manual_seed(1)
    eps = {"eps": 0.1 if isinstance(attack, Square) else 0.6} if isinstance(attack, Perturbation) else {}
    found = attack(net(), x, y, bounds=attack.box("pixel"), generator=g, **eps)
    return found.clipped, found.evaluations


def of_measure(measure: Any) -> Any:
    found = measure.measure(Subject(net(), classified(), "latent", check=False))
    return found.tensors(), [(r.what, r.value, r.low, r.high) for r in measure.readings(found)]


def written(*paths: Any) -> Any:
    """What the saved files say about the training, and the files are gone."""
    found = []
    for path in (Path(p) for p in paths if p is not None):
        with safe_open(str(path), "pt") as file:
            found.append((path.name, str(file.metadata())))
        path.unlink()
    return found


class Observer(Callback):
    """Notes after every epoch whether the checkpoint is there."""

    def __init__(self, path: Any = None, stops: bool = False) -> None:
        self.path, self.stops, self.seen = path, stops, list[bool]()

    def on_epoch(self, progress: Any) -> bool:
        self.seen.append(self.path is not None and Path(self.path).exists())
        return self.stops


def by_gradient(**settings: Any) -> Any:
    made = ec.models.perceptron(images(), units=6, seed=1)
    observer = Observer(settings.get("checkpoint"))
    settings["callbacks"] = (observer, *settings.pop("callbacks", ()))
    found = ec.train_supervised(made, images(), **{"epochs": 3, "batch_size": 10, **settings})
    files = written(settings.get("checkpoint"), *settings.get("snapshots", {}).values())
    return state(made), found.tensors(), observer.seen, [name for name, _ in files]


def by_ridge(**settings: Any) -> Any:
    made = ec.models.perceptron(images(), units=6, seed=1)
    found = ec.training.fit_readout(made, images(), **settings)
    return state(made), found.tensors(), found.dual


@dataclass(frozen=True)
class Failing(KrotovHopfield):
    """Fails in the last of four epochs."""

    def step(self, weight: Tensor, change: Rows, size: float) -> None:
        if size < 0.006:
            raise TrainingError("as planned")
        super().step(weight, change, size)


def by_rule(**settings: Any) -> Any:
    rule = KrotovHopfield()
    layers = {
        "conv": LocalConv2d(torch.ones(4, 4), rule, 2),
        "relu": nn.ReLU(),
        "d": LocalDense(torch.ones(5, 36), rule),
    }
    made = Stack(layers)
    for name in ("conv", "d"):
        ec.models.initialise(made, rule, at=name)
    try:
        found = ec.train_local(made, images(), **{"epochs": 2, "batch_size": 10, **settings})
    except TrainingError:
        kept = Path("checkpoint").exists()
        Path("checkpoint").unlink(missing_ok=True)
        return kept
    files = written(settings.get("checkpoint"), *settings.get("snapshots", {}).values())
    return state(made), found.tensors(), [name for name, _ in files]


def output(made: Any) -> Any:
    with torch.no_grad():
        return state(made), made(images().x), dict(getattr(made, "places", {}))


def further(made: Stack) -> Any:
    found = output(made)
    ec.train_local(made, images(), epochs=1)
    return found, state(made)


def deep(made: Stack) -> Any:
    """What a SoftHebb network computes, before and after it has learned."""
    found = output(made)
    if ec.models.local_layers(made):
        ec.train_local(made, images(), epochs=1, lr=1.0, batch_size=10)
    ec.train_supervised(made, images(), epochs=1, batch_size=10)
    return found, state(made)


def sloped(made: nn.Module) -> Any:
    """The values and the slopes of an activation."""
    u = images().x.flatten(1).requires_grad_()
    z = made(u)
    return z.detach(), torch.autograd.grad(z[:, 0].sum(), u)[0]


def in_study(**entry: Any) -> Any:
    """The network at the end of a model of a study, and how many snapshots there are."""
    chosen = study({"name": "x", "data": "digits", "models": {"A": entry}}, ())
    check(chosen)
    step = networks(chosen, data("digits", None, 60, 12), chosen.models["A"], 0)
    store = Store(Path("store"))
    outcome = execute([step], store)
    assert outcome.ok, outcome.failed
    made = network(store.folder(step), step.origin.get("where"))
    with torch.no_grad():
        return state(made), made(ec.load("digits")[1].x[:8]), _snapshots(step)


def _snapshots(step: Any) -> int:
    earlier = getattr(step, "earlier", None)
    start = getattr(step, "start", None)
    return 0 if step is None else (earlier is not None) + (0 if start is None else _snapshots(start))


SHORT = {"epochs": 2, "batch_size": 10}
UNTRAINED = {"kind": "krotov_hopfield", "units": 6, "n": 1.5}


def entry(**more: Any) -> Any:
    if more.get("weights"):
        save_file(build("toy_rules:stack", {"seed": 3}).state_dict(), more["weights"])
    return in_study(**{**({} if "factory" in more else UNTRAINED), **more})


def local_entry(kind: str = "krotov_hopfield", **more: Any) -> Any:
    made = UNTRAINED if kind == "krotov_hopfield" else {"kind": kind, "settings": {"depth": 2, "width": 2}}
    return in_study(**made, local={**SHORT, **more})


def ridge_entry(**more: Any) -> Any:
    return in_study(**{**UNTRAINED, "kind": "perceptron"}, ridge=more)


def supervised_entry(**more: Any) -> Any:
    return in_study(kind="perceptron", units=6, supervised={**SHORT, **more})


def adversarial_entry(**more: Any) -> Any:
    return supervised_entry(adversarial={"eps": 0.3, "attack": {"name": "FGSM"}, **more})


def of(then: Run, kind: Any, **fixed: Any) -> Run:
    return lambda **settings: then(kind(**{**fixed, **settings}))


def rates(schedule: Schedule) -> Any:
    return [schedule(epoch, 10) for epoch in range(10)]


def adversarial(made: Any) -> Any:
    return by_gradient(adversarial=made)


def pruned(**settings: Any) -> Any:
    made = ec.models.krotov_hopfield(images(), units=60, seed=1)
    return ec.prune(made, **settings).tensors()


def layer(**settings: Any) -> Any:
    weight = torch.linspace(-1, 1, 24).reshape(4, 6)
    return output(LocalConv2d(**{"weight": weight, "rule": KrotovHopfield(), "kernel": (2, 3), **settings}))


def expected(**settings: Any) -> Any:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(16, 4, bias=False))
    nn.init.constant_(flat[1].weight, 0.1)
    return output(as_expected(flat, images=images(), **{"expects": "0-1", **settings}))


def initialised(**settings: Any) -> Any:
    layers = {name: LocalDense(torch.ones(5, 5), KrotovHopfield()) for name in ("a", "b")}
    made = Stack(layers)
    ec.models.initialise(made, **{"rule": KrotovHopfield(), "at": "a", **settings})
    return state(made)


LOW: Pairs = {"precision": ("float32", "bfloat16")}
SOFT: Pairs = {
    "start": (25.0, 5.0),
    "annealing": (0.5, 0.2),
    "rate": (1.0, 2.0),
    "initial": ("normal", "positive"),
    **LOW,
}
RULE: Pairs = {"p": (3.0, 2.0), "k": (2, 4), "delta": (0.4, 0.1), "radius": (1.0, 2.0), "spread": (1.0, 0.01)}
NORMS = ("linf", "l2")
LOSSES = ("scale_free", "margin", {"keep": "last"})
SOME: Pairs = {"space": ("unit", "pixel"), "images": (None, 8)}
GRID: Pairs = {"eps": ((0.05, 2.0), (0.1, 3.0)), "points": (6, 9)}
FITTED: Pairs = {
    "source": ("images", "noise"),
    "samples": (None, 20),
    "window": ((1, 5), (2, 5)),
    "weights": ("uniform", "1/n"),
    "space": ("unit", "pixel", {"source": "noise", "samples": 30}),
    "rounding": (False, True, {"window": (1, 6)}),
    "interval": (True, False),
    "scale": ("none", "zscore"),
    "start": ("", "encoder", {"source": "noise", "samples": 30}),
    "reduce": ("flatten", "random:4"),
}
PLANE: Pairs = {
    "image": (0, 1),
    "space": ("unit", "pixel"),
    "radius": (1.0, 2.0),
    "relative": (False, True, {"radius": 0.5}),
    "points": (3, 4),
}
REPEATED: Pairs = {
    "epochs": (1, 2),
    "lr": (1e-3, 1e-2),
    "batch_size": (10, 13),
    "seed": (0, 1),
    "checkpoint": (None, "checkpoint"),
    "snapshots": ({}, {1: "snapshot"}),
    "stop": (None, 1),
}
OPTIMISED: Pairs = {
    "parameters": ("all", "readout"),
    "schedule": (Schedule(), Schedule("linear")),
    "optimizer": ("adam", "sgd"),
    "weight_decay": (0.0, 0.1),
    "clip_norm": (None, 1e-3, {"optimizer": "sgd"}),
    "precision": ("float32", "bfloat16"),
    "keep": ("last", "best", {"validation": images()[:20], "epochs": 12, "lr": 0.3}),
}
IN_STUDY: Pairs = {
    "epochs": (1, 2),
    "lr": (0.01, 0.02),
    "batch_size": (10, 13),
    "snapshots": ((), (1,)),
}

ATTACKS = ec.robustness
PLUGINS: dict[str, tuple[Run, Pairs]] = {
    "KrotovHopfield": (of_rule, {**RULE, **LOW}),
    "KrotovHopfieldSequential": (of_rule, {**RULE, "losers": ("kth", "2..k", {"k": 4})}),
    "Competitive": (of_rule, {"spread": (0.1, 0.5), **LOW}),
    "HardWTA": (of_rule, SOFT),
    "SoftHebb": (
        of_rule,
        {
            **SOFT,
            "inverse_temperature": (1.0, 0.2),
            "losers": ("anti-hebbian", "hebbian"),
            "centred": (False, True, {"start": 1.0}),
        },
    ),
    "Oja": (of_rule, {"spread": (0.1, 0.5), **LOW}),
    "Sanger": (of_rule, {"spread": (0.1, 0.5), **LOW}),
    "Jacobian penalty": (
        of_penalty,
        {
            "place": ("latent", "logits"),
            "projections": (1, 3, {"method": "hutchinson"}),
            "method": ("exact", "hutchinson"),
            "space": ("pixel", "unit"),
            "seed": (0, 1, {"method": "hutchinson"}),
        },
    ),
    "Lp": (of_penalty, {"p": (2.0, 3.0), "parameters": ("weights", "readout.bias")}),
    "Spectral": (
        of_penalty,
        {
            "alpha": (1.0, 2.0),
            "tau": (0, 2),
            "place": ("latent", "encoder"),
            "refresh": ("epoch", 1),
            "anchor_gradient": (False, True),
        },
    ),
    "PublishedJacobian": (
        of_penalty,
        {"projections": (1, 3), "fix": ((), ("D4",)), "method": ("auto", "drawn", {"fix": ("D3",)}), "seed": (0, 1)},
    ),
    "PublishedSpectral": (
        of_penalty,
        {"alpha": (1.0, 2.0), "tau": (0, 2), "batch_size": (1000, 15), "fix": ((), ("D2",))},
    ),
    "AutoAttack": (
        of_attack,
        {
            "norm": NORMS,
            "version": ("custom", "plus"),
            "attacks": (("apgd-ce",), ("square",)),
        },
    ),
    "DDN": (
        of_attack,
        {
            "steps": (10, 3),
            "gamma": (0.05, 0.3),
            "radius": (None, 0.5),
            "step": (1.0, 0.2),
            "loss": ("scale_free", "cross_entropy"),
        },
    ),
    "FGSM": (of_attack, {"norm": NORMS, "loss": ("log_odds", "margin")}),
    "FMN": (
        of_attack,
        {
            "norm": NORMS,
            "steps": (10, 3),
            "gamma": (0.15, 0.3),
            "step": (1.4, 0.2),
            "loss": ("scale_free", "cross_entropy"),
        },
    ),
    "Foolbox": (
        of_attack,
        {
            "attack": ("DDN", "FMN"),
            "norm": ("l2", "linf", {"attack": "FMN"}),
            "settings": ({"steps": 5}, {"steps": 9}),
        },
    ),
    "Gaussian": (of_attack, {"clip": (True, False)}),
    "PGD": (
        of_attack,
        {
            "norm": NORMS,
            "steps": (5, 3),
            "rel_step": (None, 0.1),
            "step": (None, 0.1),
            "random_start": (True, False),
            "restarts": (1, 2),
            "keep": ("best", "last"),
            "loss": ("scale_free", "margin", {"norm": "l2"}),
        },
    ),
    "Sphere": (of_attack, {"clip": (True, False)}),
    "Square": (of_attack, {"norm": NORMS, "steps": (20, 10), "share": (0.8, 0.1, {"steps": 200})}),
    "PublishedGaussian": (of_attack, {"clip": (True, False)}),
    "PublishedPGD": (of_attack, {"steps": (5, 3)}),
    "Accuracy": (of_measure, {}),
    "Bound": (of_measure, {"source": ("images", "noise"), "samples": (None, 20)}),
    "Certified": (of_measure, {"norm": NORMS, "images": (None, 8)}),
    "Convergence": (of_measure, {}),
    "Critical": (
        of_measure,
        {
            **SOME,
            "attack": (FGSM(), Gaussian()),
            "eps_max": (None, 0.1),
            "tolerance": (0.01, 0.3, {"attack": PGD(steps=2)}),
        },
    ),
    "Curve": (
        of_measure,
        {
            **SOME,
            **GRID,
            "attack": (FGSM(), Gaussian()),
            "exhaustive": (False, True, {"attack": PGD(steps=1, loss="margin"), "eps": (1e-3, 9.0), "points": 40}),
            "read": ((), (0.05,)),
        },
    ),
    "Expressivity": (
        of_measure,
        {"directions": ((1, 3), (1, 4)), "dichotomies": (1, 2), "images": (None, 20), "folds": (5, 3)},
    ),
    "Jacobian measure": (
        of_measure,
        {**SOME, "method": ("closed", "hutchinson"), "projections": (5, 9, {"method": "hutchinson"})},
    ),
    "Landscape": (of_measure, PLANE),
    "Margin": (of_measure, {**SOME, "norm": NORMS}),
    "Pruning": (of_measure, {}),
    "Ridge": (of_measure, {"images": (None, 20), "folds": (5, 3)}),
    "Signal": (of_measure, {n: FITTED[n] for n in ("samples", "reduce")}),
    "Spectrum": (of_measure, FITTED),
    "Tangents": (
        of_measure,
        {**SOME, "directions": (1, 2), "steps": (2, 3), "shift": (1.0, 0.5), "angle": (9.0, 5.0)},
    ),
    "Widths": (
        of_widths,
        {**FITTED, "widths": ((4, 8), (4, 9)), "rounding": (False, True, {"window": (1, 6), "widths": (12,)})},
    ),
    "CriticalOnGrid": (of_measure, {**SOME, **GRID, "attack": (FGSM(), Gaussian())}),
    "SpectrumInSingle": (
        of_measure,
        {n: two for n, two in FITTED.items() if n not in ("rounding", "interval", "scale")},
    ),
}
"""By the name a study uses; a name of two plugins with its folder."""

FIXED: dict[str, dict[str, Any]] = {
    "Jacobian penalty": {"method": "exact"},
    "AutoAttack": {"version": "custom", "attacks": ("apgd-ce",)},
    "Foolbox": {"attack": "DDN", "settings": {"steps": 5}},
    "DDN": {"steps": 10},
    "FMN": {"steps": 10},
    "PGD": {"steps": 5},
    "Square": {"steps": 20},
    "Critical": {"attack": FGSM()},
    "Curve": {"attack": FGSM(), "eps": (0.05, 2.0), "points": 6},
    "CriticalOnGrid": {"attack": FGSM(), "eps": (0.05, 2.0), "points": 6},
    "Landscape": {"points": 3, "radius": 1.0},
    "Spectrum": {"window": (1, 5)},
    "Widths": {"window": (1, 5), "widths": (12,)},
    "SpectrumInSingle": {"window": (1, 5)},
}
"""The other settings of a plugin, where the defaults take too long or show nothing."""

CALLS: dict[str, tuple[Run, Any, Pairs]] = {
    "train_local": (
        by_rule,
        ec.train_local,
        {
            **REPEATED,
            "rule": (None, KrotovHopfield(k=3)),
            "at": ("conv", "d"),
            "joint": (False, True),
            "decay": ("linear", "constant"),
            "callbacks": ((), (Observer(stops=True),)),
            "checkpoint_every": (1, 5, {"checkpoint": "checkpoint", "rule": Failing(), "epochs": 4}),
        },
    ),
    "train_supervised": (
        by_gradient,
        ec.train_supervised,
        {
            **REPEATED,
            **OPTIMISED,
            "penalties": ((), [(0.1, Lp())]),
            "momentum": (0.9, 0.1, {"optimizer": "sgd"}),
            "adversarial": (None, Adversarial(FGSM(), 0.3)),
            "validation": (None, images()[:20]),
            "patience": (None, 1, {"validation": images()[:20], "epochs": 12, "lr": 1e-9}),
            "callbacks": ((), (Observer(stops=True),)),
            "checkpoint_every": (1, 3, {"checkpoint": "checkpoint"}),
        },
    ),
    "fit_readout": (
        by_ridge,
        ec.training.fit_readout,
        {
            "at": ("readout", "nowhere"),
            "strength": (1.0, 0.1),
            "seed": (0, 1),
            "held_out": (0.5, 0.3),
            "dual": (False, True),
        },
    ),
    "Adversarial": (
        of(adversarial, Adversarial, attack=FGSM(), eps=0.3),
        Adversarial,
        {"attack": (FGSM(), FGSM("l2")), "eps": (0.1, 0.3), "space": ("pixel", "unit")},
    ),
    "Schedule": (
        of(rates, Schedule),
        Schedule,
        {
            "kind": ("linear", "cosine"),
            "boundaries": ((2,), (3,), {"kind": "piecewise", "factors": (1.0, 0.5)}),
            "factors": ((1.0, 0.5), (1.0, 0.1), {"kind": "piecewise", "boundaries": (2,)}),
            "start": (0, 2, {"kind": "exponential"}),
            "scale": (30.0, 3.0, {"kind": "exponential"}),
        },
    ),
    "krotov_hopfield": (
        of(further, ec.models.krotov_hopfield, train=images()),
        ec.models.krotov_hopfield,
        {
            "units": (6, 7),
            "p": (3.0, 2.0),
            "n": (4.5, 1.0),
            "radius": (1.0, 2.0),
            "spread": (1.0, 0.1),
            "norm_p": (3.0, 2.0),
            "seed": (0, 1),
        },
    ),
    "perceptron": (
        of(output, ec.models.perceptron, train=images()),
        ec.models.perceptron,
        {
            "units": (6, 7),
            "batch_norm": (False, True),
            "n": (1.0, 2.0),
            "activation": ("relu", "tanh"),
            "dropout": (0.0, 0.5),
            "norm_p": (3.0, 2.0),
            "seed": (0, 1),
        },
    ),
    "softhebb": (
        of(deep, ec.models.softhebb, train=images(), depth=1, width=3),
        ec.models.softhebb,
        {
            "depth": (1, 2),
            "width": (3, 4),
            "growth": (1, 2, {"depth": 2}),
            "local": (True, False),
            "competition": ("soft", "hard"),
            "dropout": (0.0, 0.5),
            "precision": ("float32", "bfloat16"),
            "departures": ((), ("published twin",), {"local": False}),
            "seed": (0, 1),
        },
    ),
    "softhebb_dense": (
        of(further, ec.models.softhebb_dense, train=images()),
        ec.models.softhebb_dense,
        {"units": (6, 7), "dropout": (0.0, 0.5), "seed": (0, 1)},
    ),
    "Triangle": (
        of(sloped, ec.models.Triangle),
        ec.models.Triangle,
        {"exponent": (1.0, 0.7), "mean": ("exact", "detached")},
    ),
    "SoftWTA": (of(sloped, ec.models.SoftWTA), ec.models.SoftWTA, {"inverse_temperature": (1.0, 2.0)}),
    "Readout": (
        of(output, ec.models.Readout, inputs=16, classes=3, generator=None),
        ec.models.Readout,
        {
            "classes": (3, 4),
            "dropout": (0.0, 0.5),
            "generator": (torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)),
        },
    ),
    "UnitNorm": (of(output, ec.models.UnitNorm), ec.models.UnitNorm, {"p": (3.0, 2.0)}),
    "RePU": (of(output, ec.models.RePU), ec.models.RePU, {"n": (1.0, 2.0)}),
    "Dense": (
        of(output, ec.models.Dense, inputs=16, generator=None),
        ec.models.Dense,
        {
            "units": (3, 4),
            "generator": (torch.Generator().manual_seed(0), torch.Generator().manual_seed(1), {"units": 3}),
        },
    ),
    "LocalDense": (
        of(output, LocalDense, weight=torch.linspace(-2, 1, 32).reshape(2, 16)),
        LocalDense,
        {"rule": (KrotovHopfield(), KrotovHopfield(p=2.0))},
    ),
    "LocalConv2d": (
        layer,
        LocalConv2d,
        {
            "rule": (KrotovHopfield(), KrotovHopfield(p=2.0)),
            "kernel": ((2, 3), (3, 2)),
            "stride": (1, 2),
            "padding": (0, 1),
            "padding_mode": ("zeros", "reflect", {"padding": 1}),
            "patch_norm": (None, 2.0),
        },
    ),
    "Stack": (
        of(output, Stack, layers={"a": nn.Flatten()}),
        Stack,
        {"shape": (None, (1, 8, 8)), "places": ({}, {"b": "a"})},
    ),
    "as_expected": (
        expected,
        as_expected,
        {
            "expects": ("0-1", "0-255"),
            "mean": (0.1, 0.2, {"expects": "standardised", "std": 0.3}),
            "std": (0.1, 0.2, {"expects": "standardised", "mean": 0.3}),
        },
    ),
    "prune": (
        pruned,
        ec.prune,
        {"max_components": (1, 4), "seed": (0, 1), "at": (None, "nowhere")},
    ),
    "initialise": (
        initialised,
        ec.models.initialise,
        {"rule": (KrotovHopfield(), KrotovHopfield(spread=2.0)), "seed": (0, 1), "at": ("a", "b")},
    ),
}
"""How it runs, whose settings these are, and the rows."""

LABELS = {"family"}
"""Keys of a model that group results and change none: tests/unit/study/test_relations_of_a_study.py."""

DATA = {"net", "train", "images", "inputs", "weight", "layers", "spec"}
"""Arguments that are no settings: networks, images, weights, and what built a network."""

ENTRIES: dict[str, tuple[Run, Any, Pairs]] = {
    "models.A": (
        entry,
        Model,
        {
            "kind": ("krotov_hopfield", "perceptron"),
            "factory": ("toy_rules:stack", "torch.nn:Flatten"),
            "settings": ({}, {"seed": 1}, {"factory": "toy_rules:stack"}),
            "weights": ("", "a.safetensors", {"factory": "toy_rules:stack"}),
            "units": (6, 7),
            "p": (3.0, 2.0),
            "n": (1.5, 2.0),
            "radius": (1.0, 2.0, {"local": SHORT}),
            "spread": (1.0, 0.1),
            "norm_p": (3.0, 2.0),
            "batch_norm": (False, True, {"kind": "perceptron"}),
            "activation": ("relu", "tanh", {"kind": "perceptron", "n": None}),
            "dropout": (0.0, 0.5, {"kind": "perceptron"}),
            "local": (None, SHORT),
            "prune": (False, True, {"local": {"epochs": 100, "batch_size": 10, "lr": 0.3}, "units": 60}),
            "readout_n": (None, 3.0, {"local": SHORT}),
            "supervised": (None, SHORT),
            "ridge": (None, {}),
            "published": ((), ("D17",), {"kind": "perceptron", "batch_norm": True}),
        },
    ),
    "models.A.local": (
        local_entry,
        Local,
        {
            **IN_STUDY,
            "rule": ({"name": "KrotovHopfield"}, {"name": "KrotovHopfield", "spread": 0.01}),
            "images": (None, 10),
            "decay": ("linear", "constant"),
            "joint": (False, True, {"kind": "softhebb"}),
        },
    ),
    "models.A.ridge": (
        ridge_entry,
        Ridge,
        {"at": ("readout", "nowhere"), "strength": (1e-3, 10.0), "images": (None, 20)},
    ),
    "models.A.supervised": (
        supervised_entry,
        Supervised,
        {
            **IN_STUDY,
            **OPTIMISED,
            "schedule": ({"kind": "constant"}, {"kind": "linear"}),
            "keep": ("last", "best", {"epochs": 12, "lr": 0.3}),
            "patience": (None, 1, {"epochs": 12, "lr": 1e-9}),
            "penalties": ((), [{"name": "Lp", "coefficient": 0.1}]),
            "adversarial": (None, {"eps": 0.3, "attack": {"name": "FGSM"}}),
        },
    ),
    "models.A.supervised.adversarial": (
        adversarial_entry,
        AdversarialChoice,
        {
            "attack": ({"name": "FGSM"}, {"name": "FGSM", "norm": "l2"}),
            "eps": (0.1, 0.3),
            "space": ("unit", "pixel"),
        },
    ),
}
"""How a network of a study is made, the settings, and the rows; a `recipe` is made of the same settings."""


def decides(run: Run, one: Any, other: Any, name: str, fixed: dict[str, Any]) -> None:
    """Two values give two results, or one of them is refused."""
    found = []
    for value in (one, other):
        try:
            found.append(bits(run(**{**fixed, name: value})))
        except InputError:
            return
    assert found[0] != found[1], f"{name} = {one!r} and {other!r} give the same numbers"


def settings(of_what: Any) -> set[str]:
    if hasattr(of_what, "model_fields"):
        return {*of_what.model_fields}
    return {*inspect.signature(of_what).parameters} - DATA


def known() -> dict[str, type]:
    """All plugins by name; those of two folders with the folder."""
    found: dict[str, type] = {}
    for package, word in (("rules", ""), ("penalties", "penalty"), ("robustness", ""), ("measures", "measure")):
        for name, kind in plugins(package).items():
            found[f"{name} {word}" if name == "Jacobian" else name] = kind
    return found


PAIRS = [
    *[
        (of(run, known()[name]), name, setting, FIXED.get(name, {}), two)
        for name, (run, rows) in PLUGINS.items()
        for setting, two in rows.items()
    ],
    *[
        (run, name, setting, {}, two)
        for name, (run, _, rows) in {**CALLS, **ENTRIES}.items()
        for setting, two in rows.items()
    ],
]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multiplies_bfloat16: Any) -> None:
    monkeypatch.chdir(tmp_path)
    multiplies_bfloat16(True)


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
@pytest.mark.parametrize(("run", "name", "setting", "fixed", "two"), PAIRS, ids=[f"{p[1]}.{p[2]}" for p in PAIRS])
def test_the_setting_decides(run: Run, name: str, setting: str, fixed: dict[str, Any], two: tuple[Any, ...]) -> None:
    one, other, *more = two
    decides(run, one, other, setting, {**fixed, **(more[0] if more else {})})


def test_every_setting_has_a_row() -> None:
    assert {*known()} == {*PLUGINS}
    for name, kind in known().items():
        assert {*_settings(kind)} == {*PLUGINS[name][1]}, name
    for name, (_, whose, rows) in {**CALLS, **ENTRIES}.items():
        assert settings(whose) - LABELS == {*rows}, name
    public = {n for n, o in vars(ec.models).items() if inspect.isfunction(o) or inspect.isclass(o)}
    assert public - {*CALLS} == NO_SETTINGS, "give it a row of CALLS, or say in NO_SETTINGS that it has none"
    assert {key for recipe in RECIPES.values() for key in recipe} <= {*Model.model_fields}


NO_SETTINGS = {
    *(
        "Code",
        "LocalLayer",
        "Pruning",
        "Standardised",
        "TwoClasses",
        "at",
        "build",
        "convergence",
        "load",
        "load_weights",
    ),
    *("SampledBatchNorm2d", "local_layer", "local_layers", "save"),
}
"""Records, abstract classes, readers of files, and functions of a place or of somebody else's settings."""


@pytest.mark.parametrize(
    "alone",
    [
        lambda: known()["Landscape"](image=(0, 1, 2), radius=3.0),
        lambda: known()["Landscape"](image=(0, 1, 2), relative=True),
        lambda: known()["Spectrum"](start="encoder"),
        lambda: by_gradient(momentum=0.5),
        lambda: entry(radius=2.0),
        lambda: entry(local={**SHORT, "rule": {"name": "KrotovHopfield"}}, spread=0.1),
        lambda: by_rule(at="conv", joint=True),
        lambda: ec.models.softhebb(images(), 1, local=False, departures=["sampled statistics"]),
        lambda: ec.models.softhebb(images(), 1, departures=["published twin"]),
    ],
)
def test_a_setting_that_the_others_make_idle_is_refused(alone: Run) -> None:
    with pytest.raises(InputError):
        alone()


def deaf(spread: float = 1.0) -> Any:
    return torch.ones(3)


def echoing(spread: float = 1.0) -> Any:
    return ec.measures.Reading("", 1.0), torch.ones(3)


@pytest.mark.parametrize("wrong", [deaf, echoing])
def test_a_setting_that_does_nothing_is_caught(wrong: Run) -> None:
    decides(lambda spread: torch.full((3,), spread), 1.0, 0.5, "spread", {})
    with pytest.raises(AssertionError, match=r"spread = 1\.0 and 0\.5"):
        decides(wrong, 1.0, 0.5, "spread", {})
