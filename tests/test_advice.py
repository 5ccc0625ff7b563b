"""The advice of every error works when it is followed.

`TABLE` has, for an error with a `fix`, what goes wrong and what works once the fix is followed; `NOT_FOLLOWED` says
why others have no row.  A new error with a fix needs a decision between the two.
"""

import ast
import re
import warnings
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from damages import flip, without_steps
from following import Run, advice, follows
from small_study import planned
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.base.types import Bounds
from eigencode.geometry import lipschitz_upper
from eigencode.models import LocalDense, Stack, Standardised, krotov_hopfield, perceptron
from eigencode.models.local_network import convergence, local_layer
from eigencode.penalties import Batch, Jacobian, Lp, Penalty, Spectral, watch
from eigencode.robustness import FGSM, PGD, AutoAttack, Gaussian, certified_size, critical_size, curve
from eigencode.rules import KrotovHopfield
from eigencode.spectra.leading import leading_spectrum
from eigencode.training import Adversarial, train_local, train_supervised

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning"),
    pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad"),
]


@cache
def images(n: int = 40) -> ec.Images:
    return ec.Images(torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(n)), torch.arange(n) % 4)


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 4))


def kh() -> Stack:
    return krotov_hopfield(images(), units=6)


class Skipping(nn.Module):
    """A shortcut around its first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.flat, self.first, self.last = nn.Flatten(), nn.Linear(16, 16), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.flat(x)
        z: Tensor = self.last(x + self.first(x))
        return z


class Late(nn.Module):
    """Its norm comes second."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 1, 1), ec.models.UnitNorm()

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.norm(self.first(x)).flatten(1)
        return z


class Recurrent(nn.Module):
    """An LSTM over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.last = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        found, _ = self.lstm(x[:, 0])
        z: Tensor = self.last(found[:, -1])
        return z


class Blind(nn.Module):
    """Without a gradient, but for its first place."""

    def __init__(self, stops: Callable[[Tensor], Tensor] = Tensor.detach) -> None:
        super().__init__()
        self.first, self.stops = nn.Flatten(), stops

    def forward(self, x: Tensor) -> Tensor:
        z = self.stops(self.first(x).mean(1))
        return torch.stack([z, 0.5 - z, 0 * z], 1)


class Saving(nn.Module):
    """Computes its layer a second time instead of keeping it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = checkpoint(self.layer, x.flatten(1), use_reentrant=True)
        return z


class Divided(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / x.flatten(1).norm(dim=1)[:, None, None, None]


def divided() -> Stack:
    return Stack({"norm": Divided(), "net": plain()})


class Waves(nn.Module):
    """Fourier coefficients of an image, and a function of them."""

    def __init__(self, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(torch.fft.fft(x.flatten(1)))


def shared() -> nn.Module:
    relu = nn.ReLU()
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), relu, nn.Linear(8, 8), relu, nn.Linear(8, 4))


def same_memory(then: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    memory = torch.zeros(1000, 16)
    return lambda x: then(memory[: len(x)].copy_(x.flatten(1)))


def lines() -> nn.Module:
    return nn.Sequential(nn.Flatten(2), nn.Conv1d(1, 3, 2), nn.Flatten(), nn.Linear(45, 4))


class Attending(nn.Module):
    """Tokens x images x channels at `mixer`."""

    def __init__(self) -> None:
        super().__init__()
        self.mixer, self.top = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), nn.Linear(4, 4)

    def mixed(self, x: Tensor) -> Tensor:
        z: Tensor = self.mixer(x[:, 0].transpose(0, 1))
        return z

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.top(self.mixed(x)[-1])
        return z


class Last(nn.Module):
    """One number per image, and a function of it."""

    def __init__(self, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(x.sum(1))


def lazy() -> nn.Sequential:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(4))


def single() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 1))


@cache
def images_of_two() -> ec.Images:
    return ec.Images(images().x, images().y % 2)


def batch(net: nn.Module, penalty: Penalty, **more: Any) -> Batch:
    with watch(net, penalty) as seen:
        logits = net(images().x)
    return seen.batch(images().x, images().y, logits, **more)


def prepared(penalty: Penalty) -> Penalty:
    penalty.prepare(plain(), images().x, 0, 0)
    return penalty


def silent_unit() -> Tensor:
    """Responses of 10 units in two repeats, one of which is never known."""
    x = torch.rand(2, 9, 10, generator=torch.Generator().manual_seed(0))
    x[:, :, 1] = torch.nan
    return x


def bent(weights: str = "uniform", **more: Any) -> object:
    return ec.spectrum(torch.randn(200, 20)).power_law((2, 10), weights=weights, **more)


def fitted(available: int, window: tuple[int, int]) -> object:
    return ec.Spectrum(torch.arange(1.0, available + 1).double() ** -1, 500, available).power_law(window)


def asked(fix: str, name: str) -> Any:
    """The value a fix gives to a keyword: `window` of "for example window=(1, 3)"."""
    call = ast.parse(f"f({fix[fix.index(f'{name}=') :].partition(' (--')[0]})", mode="eval").body
    assert isinstance(call, ast.Call)
    return ast.literal_eval(next(k.value for k in call.keywords if k.arg == name))


def supervised(net: nn.Module, **more: Any) -> object:
    return train_supervised(net, images(), epochs=1, **more)


def trained(checkpoint: Path, epochs: int = 2, **more: Any) -> object:
    return train_supervised(perceptron(images(), units=4), images(), epochs=epochs, checkpoint=checkpoint, **more)


def again(checkpoint: Path, epochs: int, **more: Any) -> object:
    checkpoint.unlink()
    return trained(checkpoint, epochs, **more)


def between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def overrides(fix: str) -> list[str]:
    return [word.strip(",") for word in fix.split() if "=" in word]


def rule_first() -> object:
    net, rule = kh(), KrotovHopfield(spread=0.1)
    ec.models.initialise(net, rule, at="encoder")
    return train_local(net, images(), rule, epochs=1)


def other_rule() -> KrotovHopfield:
    class Doubled(KrotovHopfield):
        def derive(self, weight: Tensor) -> Tensor:
            return 2 * super().derive(weight)

    return Doubled()


TABLE: dict[str, tuple[Run, Run]] = {
    "base/moments.py: Moments.of": (
        lambda: ec.spectrum(torch.full((20, 3), torch.nan)),
        lambda fix: ec.spectrum(torch.rand(20, 3)),
    ),
    "base/types.py: Bounds.__post_init__": (lambda: Bounds(1.0, 0.0), lambda fix: eval(fix, {"Bounds": Bounds})),
    "geometry/_plan.py: plan": (
        lambda: ec.jacobian_norm(plain(), images().x, "closed"),
        lambda fix: [
            ec.jacobian_norm(plain(), images().x, m) for m in ("exact", "hutchinson") if f"method='{m}'" in fix
        ],
    ),
    "geometry/landscape.py: _centre": (
        lambda: ec.landscape(plain(), images().x, "2", "pixel", points=2),
        lambda fix: ec.landscape(plain(), eval(fix, {"x": images().x}), "2", "pixel", points=2),
    ),
    "geometry/lipschitz.py: _declared": (
        lambda: lipschitz_upper(plain(), "logits", "pixel", x=images().x),
        lambda fix: ec.geometry.spectral_norm(plain(), images().x) if "spectral_norm" in fix else None,
    ),
    "measures/landscape.py: LandscapeMeasure.__post_init__": (
        lambda: ec.measures.LandscapeMeasure(image=(0, 1, 2), radius=3.0),
        lambda fix: ec.measures.LandscapeMeasure(image=(0, 1, 2)),
    ),
    "measures/landscape.py: LandscapeMeasure.check": (
        lambda: planned(landscapes=[{"image": 99}], test_images=20),
        lambda fix: planned(landscapes=[{"image": int(fix.split()[-1])}], test_images=20),
    ),
    "models/files.py: save": (
        lambda: ec.models.save(nn.Linear(2, 3), "a.safetensors"),
        lambda fix: _kept(nn.Linear(2, 3), in_features=2, out_features=3),
    ),
    "models/files.py: _check_rebuilt": (
        lambda: _kept(nn.Linear(2, 3), in_features=2, out_features=4),
        lambda fix: _kept(nn.Linear(2, 3), in_features=2, out_features=3),
    ),
    "models/local_network.py: local_layer": (
        lambda: local_layer(nn.Sequential(*(LocalDense(torch.ones(3, 3), KrotovHopfield()) for _ in range(2)))),
        lambda fix: local_layer(
            nn.Sequential(*(LocalDense(torch.ones(3, 3), KrotovHopfield()) for _ in range(2))), asked(fix, "at")
        ),
    ),
    "models/local_network.py: _refuse_plain": (
        lambda: train_local(small_cnn(), images(), KrotovHopfield(), epochs=1, at="0"),
        lambda fix: made_local(fix),
    ),
    "rules/convergence.py: joined": (
        lambda: convergence(two_criteria()),
        lambda fix: convergence(two_criteria(), asked(fix, "at")),
    ),
    "models/local_network.py: check_start": (
        lambda: train_local(kh(), images(), KrotovHopfield(spread=0.1), epochs=1),
        lambda fix: rule_first() if "models.initialise(net, rule, at='encoder')" in fix else None,
    ),
    "models/local_network.py: check_rule": (
        lambda: train_local(kh(), images(), KrotovHopfield(radius=2.0), epochs=1),
        lambda fix: train_local(
            krotov_hopfield(images(), units=6, radius=asked(fix, "radius")),
            images(),
            KrotovHopfield(radius=2.0),
            epochs=1,
        ),
    ),
    "models/local_network.py: check_rule 2": (
        lambda: train_local(kh(), images(), other_rule(), epochs=1),
        lambda fix: train_local(Stack({"a": LocalDense(torch.randn(6, 16), other_rule())}), images(), epochs=1),
    ),
    "models/stack.py: Stack.run": (
        lambda: kh()(torch.rand(2, 1, 5, 5)),
        lambda fix: krotov_hopfield(ec.Images(torch.rand(2, 1, 5, 5), torch.arange(2)), units=6)(
            torch.rand(2, 1, 5, 5)
        ),
    ),
    "models/standardised.py: Standardised.__init__": (
        lambda: Standardised(nn.Flatten(), (125.0, 122.0, 114.0), (63.0, 62.0, -1.0)),
        lambda fix: Standardised(nn.Flatten(), *([float(v) for v in w.split(",")] for w in _lists(fix))),
    ),
    "penalties/jacobian.py: Jacobian.value": (
        lambda: supervised(plain(), penalties=[(0.1, Jacobian("logits", method="closed"))]),
        lambda fix: supervised(plain(), penalties=[(0.1, Jacobian("logits", method=asked(fix, "method")))]),
    ),
    "penalties/lp.py: Lp.selected": (
        lambda: supervised(plain(), penalties=[(0.1, Lp(parameters="nothing"))]),
        lambda fix: supervised(plain(), penalties=[(0.1, Lp(parameters=fix.split()[-1]))]),
    ),
    "penalties/protocol.py: Batch.at": (
        lambda: prepared(Spectral(place="1"))(Batch(plain(), images().x, images().y)),
        lambda fix: prepared(Spectral(place="1"))(batch(plain(), Spectral(place="1"))),
    ),
    "penalties/protocol.py: Batch.points": (
        lambda: Jacobian("latent", space="pixel")(Batch(kh(), images().x, space="unit")),
        lambda fix: Jacobian("latent", space=asked(fix.partition(",")[0], "space"))(
            Batch(kh(), images().x, space="unit")
        ),
    ),
    "penalties/protocol.py: active": (
        lambda: supervised(plain(), penalties=[Lp()]),
        lambda fix: supervised(plain(), penalties=eval(fix, {"penalty": Lp()})),
    ),
    "penalties/protocol.py: active 2": (
        lambda: supervised(plain(), penalties=[("1", Lp())]),
        lambda fix: supervised(plain(), penalties=[eval(fix, {"penalty": Lp()})]),
    ),
    "penalties/spectral.py: Spectral._check": (
        lambda: Spectral(place="1")(batch(plain(), Spectral(place="1"))),
        lambda fix: prepared(Spectral(place="1"))(batch(plain(), Spectral(place="1"))),
    ),
    "representation/_place.py: Place.tensor": (
        lambda: ec.at(Recurrent(), "lstm")(images().x),
        lambda fix: eval(fix.partition(": ")[2], {"ec": ec, "net": Recurrent()})(images().x),
    ),
    "representation/_place.py: Place.refuse_second_name": (
        lambda: ec.at(shared(), "4")(images().x),
        lambda fix: eval(fix, {"ec": ec, "net": shared()})(images().x),
    ),
    "representation/_foreign.py: _differ": (
        lambda: ec.spectrum(same_memory(lambda z: z), images().x),
        lambda fix: ec.spectrum(same_memory(eval(f"lambda z: {fix.removeprefix('return ')}")), images().x),
    ),
    "representation/_run.py: not_first": (
        lambda: ec.at(Late(), "logits", "unit")(images().x),
        lambda fix: _between(Late(), fix),
    ),
    "geometry/_trust.py: finite": (
        lambda: ec.landscape(divided(), torch.zeros(1, 4, 4), "net.2", "unit", points=2),
        lambda fix: (
            ec.landscape(divided(), images().x[0], "net.2", "unit", points=2) if "other images" in fix else None
        ),
    ),
    "geometry/_trust.py: units_of": (
        lambda: ec.jacobian_norm(Blind(), images().x),
        lambda fix: [
            ec.jacobian_norm(Blind(lambda z: z), images().x) if "no_grad" in fix else None,
            ec.jacobian_norm(ec.at(Blind(), "first"), images().x) if "another place" in fix else None,
        ],
    ),
    "geometry/spectral_norm.py: _power_iteration": (
        lambda: ec.geometry.spectral_norm(Saving(), images().x[:2]),
        lambda fix: eval(
            fix.partition(", which")[0], {"jacobian_norm": ec.jacobian_norm, "net": Saving(), "x": images().x[:2]}
        ),
    ),
    "models/two_classes.py: TwoClasses.forward": (
        lambda: critical_size(ec.models.TwoClasses(plain()), images(), FGSM(), "pixel", check=False),
        lambda fix: critical_size(plain(), images(), FGSM(), "pixel", check=False) if "leave out" in fix else None,
    ),
    "representation/_foreign.py: as_logits | single logit": (
        lambda: critical_size(single(), images_of_two(), FGSM(), "pixel", check=False),
        lambda fix: critical_size(
            eval(fix.partition(", which")[0], {"models": ec.models, "net": single()}),
            images_of_two(),
            FGSM(),
            "pixel",
            check=False,
        ),
    ),
    "representation/_foreign.py: as_logits | one sum": (
        lambda: FGSM()(lambda x: x.sum(), torch.rand(3, 2), torch.zeros(3).long(), 0.1),
        lambda fix: FGSM()(lambda x: x, torch.rand(3, 2), torch.zeros(3).long(), 0.1),
    ),
    "representation/_foreign.py: numbers": (
        lambda: ec.jacobian_norm(Waves(lambda z: z), images().x),
        lambda fix: [
            ec.jacobian_norm(Waves(eval(f"lambda z: {code}", {"torch": torch})), images().x)
            for code in fix.removeprefix("return ").split(", or ")
        ],
    ),
    "representation/_foreign.py: watch": (
        lambda: ec.jacobian_norm(lambda x: (x - x.mean(0)).flatten(1), images().x),
        lambda fix: ec.jacobian_norm(
            lambda x: (x - x.mean(0)).flatten(1), images().x, **eval(f"dict({fix.split(',')[0]})")
        ),
    ),
    "representation/at.py: Reader.rows": (
        lambda: ec.at(Attending(), "mixer")(images().x),
        lambda fix: [
            ec.spectrum(
                lambda x: eval(f"z{fix.split('ends in ')[1].split(', or')[0]}", {"z": Attending().mixed(x)}), images().x
            ),
            ec.spectrum(ec.at(Attending(), "top"), images().x),
        ],
    ),
    "representation/at.py: Reader.rows 2": (
        lambda: ec.at(lines(), "1", reduce="mean")(images().x),
        lambda fix: ec.at(lines(), "1", reduce=eval(fix.removeprefix("reduce=").partition(" for")[0]))(images().x),
    ),
    "representation/at.py: Reader.rows 3": (
        lambda: ec.at(nn.Sequential(plain(), Last(lambda z: z)), "1")(images().x),
        lambda fix: ec.at(nn.Sequential(plain(), Last(eval(f"lambda z: {fix[7:].split(';')[0]}"))), "1")(images().x),
    ),
    "representation/at.py: Reader._refuse_bypass": (
        lambda: ec.between(Skipping(), "first", "logits")(torch.rand(3, 16)),
        lambda fix: [ec.at(Skipping(), "logits")(images().x), ec.between(Skipping(), "last", "logits")],
    ),
    "representation/at.py: at": (
        lambda: ec.at(plain(), "3", "1"),  # type: ignore[arg-type]
        lambda fix: eval(fix, {"ec": ec, "net": plain()}),
    ),
    "representation/at.py: _norm_of": (
        lambda: ec.at(plain(), "3", "unit")(images().x),
        lambda fix: [
            ec.at(plain(), "3", "pixel")(images().x),
            ec.at(Stack({"norm": ec.models.UnitNorm(p=3), "net": plain()}), "logits", "unit")(images().x),
        ],
    ),
    "robustness/_losses.py: dlr": (
        lambda: FGSM(loss="dlr")(lambda x: x, torch.rand(3, 2), torch.zeros(3).long(), 0.1),
        lambda fix: FGSM(loss=asked(fix, "loss"))(lambda x: x, torch.rand(3, 2), torch.zeros(3).long(), 0.1),
    ),
    "robustness/_oracle.py: NoGradient.__init__": (
        lambda: FGSM()(Blind(), images().x, images().y % 3, 0.1),
        lambda fix: [getattr(ec.robustness, a)()(Blind(), images().x, images().y % 3, 0.1) for a in _attacks(fix)],
    ),
    "robustness/adapters/autoattack.py: AutoAttack.__post_init__": (
        lambda: AutoAttack(attacks=("square",)),
        lambda fix: eval(fix, {"AutoAttack": AutoAttack}),
    ),
    "representation/_blaming.py: blaming": (
        lambda: supervised(plain().double()),
        lambda fix: supervised(eval(fix.partition(": ")[2], {"net": plain().double()})),
    ),
    "robustness/certified.py: certified_size": (
        lambda: certified_size(kh(), images(), "l2", "pixel"),
        lambda fix: certified_size(kh(), images(), "l2", asked(fix.partition(" ")[0], "space")),
    ),
    "robustness/curve.py: _grid": (
        lambda: curve(plain(), images(), Gaussian(), eps=[0.2, 0.1], check=False),
        lambda fix: curve(plain(), images(), Gaussian(), **eval(f"dict({fix})"), check=False),
    ),
    "robustness/_descent.py: Descent.__post_init__": (
        lambda: PGD(restarts=2, random_start=False),
        lambda fix: [PGD(restarts=2, random_start=True), PGD(restarts=1, random_start=False)],
    ),
    "robustness/protocol.py: checked": (
        lambda: FGSM()(lambda x: x, 9 * torch.rand(3, 2), torch.zeros(3).long(), 0.1),
        lambda fix: FGSM()(lambda x: x, 9 * torch.rand(3, 2), torch.zeros(3).long(), 0.1, bounds=Bounds(0.0, 9.0)),
    ),
    "robustness/subject.py: Subject.batches": (
        lambda: critical_size(_scaled(), _right(_scaled()), FGSM(), "unit", check=False),
        lambda fix: critical_size(_scaled(), _right(_scaled()), FGSM(), "pixel", check=False),
    ),
    "rules/protocol.py: Rule.update": (
        lambda: KrotovHopfield().update(images().x, torch.rand(5, 16)),
        lambda fix: KrotovHopfield().update(eval(fix.split()[-1], {"x": images().x}), torch.rand(5, 16)),
    ),
    "spectra/_fit.py: fit": (
        lambda: bent("1/n", method="siegel"),
        lambda fix: bent(**eval(f"dict({fix})"), method="siegel"),
    ),
    "spectra/_responses.py: responses": (
        lambda: ec.spectrum(plain()),
        lambda fix: eval(fix.partition("e.g. ")[2], {"spectrum": ec.spectrum, "code": plain(), "test": images()}),
    ),
    "spectra/_responses.py: _array": (
        lambda: ec.spectrum(torch.rand(2, 9, 3)),
        lambda fix: [
            ec.spectrum(eval(fix.partition(", if")[0], {"z": torch.rand(9, 3, 2)})),
            *(eval(call, {"ec": ec, "x": torch.rand(2, 9, 3)}) for call in re.findall(r"ec\.\w+\(x\)", fix)),
        ],
    ),
    "spectra/heldout.py: heldout_spectrum": (
        lambda: ec.spectra.heldout_spectrum(torch.rand(9, 3), torch.rand(9, 3), torch.rand(9, 3)),
        lambda fix: ec.spectra.heldout_spectrum(eval(fix.partition(" for")[0]), torch.rand(9, 3), torch.rand(9, 3)),
    ),
    "spectra/leading.py: leading_spectrum": (
        lambda: leading_spectrum(iter([torch.rand(9, 3)]), top=2),
        lambda fix: [leading_spectrum(torch.rand(9, 3), top=2), leading_spectrum(lambda z: z, torch.rand(9, 3), top=2)],
    ),
    "spectra/shape.py: shape": (
        lambda: ec.spectrum(torch.rand(90, 30)).shape((3, 6)),
        lambda fix: ec.spectrum(torch.rand(90, 30)).shape(**eval(f"dict({fix.removeprefix('for example ')})")),
    ),
    "spectra/power_law.py: ranks": (
        lambda: fitted(30, (11, 500)),
        lambda fix: [fitted(30, asked(fix, "window")), _every_number_of_ranks()],
    ),
    "spectra/power_law.py: _pair": (
        lambda: fitted(600, "1:9"),  # type: ignore[arg-type]
        lambda fix: fitted(600, asked(fix, "window")),
    ),
    "spectra/windows.py: window_map": (
        lambda: ec.spectrum(torch.rand(60, 20)).window_map(points=1),
        lambda fix: ec.spectrum(torch.rand(60, 20)).window_map(**eval(f"dict({fix})")),
    ),
    "representation/_modes.py: _Loan.take": (
        lambda: ec.jacobian_norm(lazy(), images().x),
        lambda fix: [
            exec(fix.partition(" once")[0], {"net": (net := lazy()), "x": images().x}),
            ec.jacobian_norm(net, images().x),
        ],
    ),
    "spectra/power_law.py: log_window": (
        lambda: ec.Spectrum(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.0]).double(), 9, 5).power_law((1, 5)),
        lambda fix: ec.Spectrum(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.0]).double(), 9, 5).power_law(
            (1, int(fix.split()[-1]) - 1)
        ),
    ),
    "spectra/power_law.py: log_window | late": (
        lambda: ec.Spectrum(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.0]).double(), 9, 5).power_law((3, 5)),
        lambda fix: ec.Spectrum(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.0]).double(), 9, 5).power_law(
            **eval(f"dict({fix.partition(' (')[0]})")
        ),
    ),
    "spectra/power_law.py: log_window | few": (
        lambda: ec.cvpca(torch.randn(2, 20, 9, generator=torch.Generator().manual_seed(1))).power_law((1, 9)),
        lambda fix: ec.cvpca(
            torch.rand(20, 9) * torch.arange(1, 10) ** -0.1 + 0.01 * torch.rand(2 * ("repeats" in fix), 20, 9)
        ).power_law((1, 9)),
    ),
    "spectra/spectrum.py: Spectrum._all": (
        lambda: leading_spectrum(torch.rand(30, 9), top=3).participation_ratio,
        lambda fix: ec.spectrum(torch.rand(30, 9)).participation_ratio,
    ),
    "spectra/cvpca.py: _checked": (
        lambda: ec.cvpca(torch.full((9, 3), torch.nan), torch.rand(9, 3)),
        lambda fix: ec.cvpca(torch.rand(9, 3), torch.rand(9, 3)),
    ),
    "spectra/_repeats.py: repeats_of": (
        lambda: ec.signal_spectrum(torch.rand(20, 5, 3)),
        lambda fix: ec.signal_spectrum(
            eval(fix.partition(", if")[0], {"torch": torch, "x": torch.rand(20, 5, 3)}), draws=100
        ),
    ),
    "spectra/_repeats.py: repeats_of | many": (
        lambda: ec.signal_spectrum(torch.rand(20, 9, 30)),
        lambda fix: ec.signal_spectrum(
            eval(fix.partition("; ")[2].partition(", if")[0], {"torch": torch, "x": torch.rand(20, 9, 30)}), draws=100
        ),
    ),
    "spectra/_repeats.py: repeats_of 2": (
        lambda: ec.signal_spectrum(silent_unit()),
        lambda fix: ec.signal_spectrum(eval(fix.partition(", if")[0], {"np": np, "x": silent_unit()}), draws=100),
    ),
    "spectra/cross.py: cross_spectrum": (
        lambda: ec.cross_spectrum(torch.rand(9, 3), torch.rand(9, 4)),
        lambda fix: ec.cross_spectrum(torch.rand(9, 3), torch.rand(9, 4), **eval(f"dict({fix})")),
    ),
    "spectra/cross.py: _checked": (
        lambda: ec.cross_spectrum(torch.rand(2, 9, 3), torch.rand(9, 4)),
        lambda fix: ec.cross_spectrum(
            eval(fix.partition(", for")[0], {"torch": torch, "x": torch.rand(2, 9, 3)}), torch.rand(9, 4), folds=2
        ),
    ),
    "spectra/cross.py: _checked 2": (
        lambda: ec.cross_spectrum(silent_unit()[0].T, torch.rand(10, 3)),
        lambda fix: [
            exec(fix.partition("; ")[0], given := {"np": np, "x": silent_unit()[0].T, "y": torch.rand(10, 3)}),
            ec.cross_spectrum(*eval(fix.partition("; ")[2], given), folds=2),
        ],
    ),
    "study/_checks.py: _check_local": (
        lambda: planned("models.A.spread=0.5", 'models.A.local.rule={name="KrotovHopfield"}'),
        lambda fix: planned("models.A.spread=0.5", *overrides(fix)),
    ),
    "study/read.py: _override": (
        lambda: planned("seeds"),
        lambda fix: planned(*overrides(fix)),
    ),
    "study/steps/data.py: _load": (
        lambda: planned("test_images=9999"),
        lambda fix: planned(*overrides(fix)),
    ),
    "training/_checks.py: check_classes": (
        lambda: supervised(plain(), keep="best"),
        lambda fix: _with_validation(fix),
    ),
    "training/_checks.py: check_logits": (
        lambda: supervised(nn.Sequential(nn.Flatten(), nn.Linear(16, 3))),
        lambda fix: supervised(perceptron(images(), units=4)),
    ),
    "training/_scope.py: learners": (
        lambda: supervised(plain().requires_grad_(False)),
        lambda fix: supervised(eval(fix, {"net": plain().requires_grad_(False)})),
    ),
    "training/_state.py: Checkpoint.load 2": (
        lambda: [trained(Path("c")), flip(1)(Path("c")), trained(Path("c"))],
        lambda fix: again(Path("c"), 2),
    ),
    "training/_state.py: Checkpoint.load 3": (
        lambda: [trained(Path("c")), trained(Path("c"), lr=0.1)],
        lambda fix: [trained(Path("d"), lr=0.1), again(Path("c"), 2, lr=0.1)],
    ),
    "training/_state.py: Checkpoint.load": (
        lambda: [Path("c").write_bytes(b"x"), trained(Path("c"))],
        lambda fix: again(Path("c"), 2),
    ),
    "training/_saves.py: Saves.load": (
        lambda: [trained(Path("c")), without_steps(Path("c")), trained(Path("c"))],
        lambda fix: [trained(Path("d")), again(Path("c"), 2)],
    ),
    "training/_saves.py: Saves.load 2": (
        lambda: [trained(Path("c")), trained(Path("c"), stop=1)],
        lambda fix: again(Path("c"), 2, stop=1),
    ),
    "training/moments.py: in_steps": (
        lambda: ec.training.moments([0.3], steps=14, epochs=2),
        lambda fix: ec.training.moments([float(Fraction(fix))], steps=14, epochs=2),
    ),
    "training/supervised.py: train_supervised": (
        lambda: supervised(plain(), adversarial=Adversarial(FGSM(), 0.1, "unit")),
        lambda fix: supervised(plain(), adversarial=Adversarial(FGSM(), 0.1, asked(fix, "space"))),
    ),
    "training/supervised.py: _fixed": (
        lambda: _both("pixel"),
        lambda fix: _both(asked(fix, "space")),
    ),
}
"""By module and function: what raises the error, and what works once its fix, the argument, is followed."""


def _kept(net: nn.Module, **settings: int) -> object:
    ec.models.save(net, "a.safetensors", where="torch.nn:Linear", settings=settings)
    return ec.models.load("a.safetensors", where="torch.nn:Linear")


def _lists(fix: str) -> list[str]:
    return [word.strip(";") for word in fix.split() if word.count(",") == 2]


def _attacks(fix: str) -> list[str]:
    return [a.strip() for a in fix.partition("(")[2].partition(")")[0].split(",")]


def _between(net: nn.Module, fix: str) -> object:
    start = fix.partition("between(net, '")[2].partition("'")[0]
    code = ec.between(net, start, "logits")
    return code(code.points(images().x))


class Scaled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 5 * x


def _scaled() -> nn.Module:
    torch.manual_seed(0)
    return Stack({"norm": Scaled(), "net": plain()})


def _right(net: nn.Module) -> ec.Images:
    return ec.Images(images().x, net(images().x).argmax(1), "0123")


def _every_number_of_ranks() -> None:
    for available in range(1, 60):
        with pytest.raises(InputError) as caught:
            fitted(available, (11, 500))
        fix = str(caught.value).splitlines()[-1]
        assert ("window=" in fix) == (available >= 3)
        if available >= 3:
            fitted(available, asked(fix, "window"))


def _with_validation(fix: str) -> object:
    known: dict[str, Any] = {"images": images()}
    exec(fix, known)
    return train_supervised(plain(), known["train"], epochs=1, keep="best", validation=known["validation"])


def _both(space: Any) -> object:
    net = perceptron(images(), units=4)
    return supervised(
        net, penalties=[(0.1, Jacobian("latent", space=space))], adversarial=Adversarial(FGSM(), 0.1, "unit")
    )


def small_cnn() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 3, 2, bias=False), nn.ReLU(), nn.Flatten())


def made_local(fix: str) -> object:
    net, rule = small_cnn(), KrotovHopfield()
    exec(fix, {"net": net, "ec": ec, "rule": rule})
    return train_local(net, images(), rule, epochs=1, at="0")


def two_criteria() -> nn.Module:
    return nn.Sequential(*(LocalDense(torch.ones(3, 3), KrotovHopfield(radius=r)) for r in (1.0, 2.0)))


FOLDERS = ("base/arrays", "base/axes", "base/inputs", "base/labels", "base/pixels", "base/reading")
FOLDERS += ("base/types.py: Images", "data/", "formats/", "given/", "report/")
"""Folders and modules of tests/test_advice_on_data.py."""

NOT_FOLLOWED = {
    "study/steps/initial.py: Initial.run": "a file that changes while a study runs",
    "base/symmetric.py: refuse_unsquarable": "tests/test_advice_on_data.py",
    "robustness/subject.py: Subject._correct": "tests/test_advice_on_data.py",
    "spectra/cvpca.py: _checked 2": "tests/test_advice_on_data.py",
    "spectra/cvpca.py: _checked 3": "tests/test_advice_on_data.py",
    "spectra/spectrum.py: _ordered": "tests/test_advice_on_data.py",
    "robustness/adapters/autoattack.py: AutoAttack._check_classes": "tests/unit/robustness",
    "base/torch_files.py: _refuse_calls": "files of others: tests/conformance/test_mutated_files.py",
    "models/checkpoint.py: _unwrapped": "files of others: tests/unit/models/test_checkpoint.py",
    "models/checkpoint.py: _torch": "files of others: tests/unit/models/test_checkpoint.py",
    "models/checkpoint.py: _refuse_mismatch": "files of others: tests/unit/models/test_checkpoint.py",
    "models/checkpoint.py: read_weights": "suggests a name",
    "models/factory.py: settings_of": "an option of the command line",
    "models/factory.py: import_object": "suggests a name",
    "models/factory.py: build": "is about code of others",
    "models/factory.py: _called": "is about code of others",
    "models/factory.py: _imported": "installs something",
    "models/factory.py: _imported 2": "suggests a name",
    "models/files.py: load": "is about files of others",
    "models/files.py: load 2": "is about whom to trust",
    "representation/_foreign.py: as_logits 2": "is about weights of others",
    "robustness/adapters/_isolation.py: library": "installs something",
    "spectra/windows.py: automatic": "a question of science",
    "base/record.py: Record.load": "tests/test_advice_on_files.py",
    "study/_checks.py: _check_claim": "tests/test_advice_on_files.py",
    "study/_checks.py: _check_supervised": "tests/test_advice_on_files.py",
    "study/_checks.py: _check_spaces": "tests/test_advice_on_files.py",
    "study/_checks.py: _check_arguments": "suggests a name",
    "study/_checks.py: check": "tests/test_advice_on_files.py",
    "study/_checks.py: _check_model": "tests/test_advice_on_files.py",
    "study/_checks.py: check_known": "tests/test_advice_on_files.py",
    "study/_measurements.py: _matched": "tests/test_advice_on_files.py",
    "study/_measurements.py: _planned": "tests/test_advice_on_files.py",
    "study/_remote.py: _compare": "is about another machine",
    "study/_workers.py: _parsed": "suggests a name",
    "study/_workers.py: engine": "installs something",
    "study/read.py: _recipe": "tests/test_advice_on_files.py",
    "study/read.py: _explain": "tests/test_advice_on_files.py",
    "study/_upkeep.py: existing": "an option of the command line: tests/unit/study/test_upkeep.py",
    "study/store.py: Store.__post_init__": "tests/test_advice_on_files.py",
    "study/store.py: Store.writable": "an option of the command line: tests/end_to_end/test_shared_disk.py",
}
"""Errors whose fix no row follows, and why."""


def test_every_advice_is_followed_or_has_a_reason() -> None:
    found, rows = {said for said in advice() if not said.startswith(FOLDERS)}, {said.split(" | ")[0] for said in TABLE}
    assert len(found) > 60
    assert not rows & {*NOT_FOLLOWED}
    missing = sorted(found - rows - {*NOT_FOLLOWED})
    assert missing == [], "give it a row of TABLE, or say in NOT_FOLLOWED why it has none"
    assert sorted((rows | {*NOT_FOLLOWED}) - {*advice()}) == [], "there is no such error any more"


@pytest.mark.parametrize("said", TABLE)
def test_the_advice_works(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert follows(said.split(" | ")[0], *TABLE[said]) is not None


def test_advice_that_does_not_work_is_caught() -> None:
    said, wrong = "base/types.py: Bounds.__post_init__", lambda: Bounds(2.0, 1.0)
    follows(said, wrong, lambda fix: 1)
    with pytest.raises(AssertionError, match="another error"):
        follows("base/moments.py: Moments.of", wrong, lambda fix: 1)
    with pytest.raises(AssertionError, match="says something else"):
        follows(said, wrong, lambda fix: None)
    with pytest.raises(InputError, match="the box is empty"):
        follows(said, wrong, lambda fix: Bounds(2.0, 1.0))
