"""Networks that write into their images, have another type, or mix the images of a batch."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import BatchWarning, InputError
from eigencode.geometry import landscape_through, spectral_norm
from eigencode.measures import AccuracyMeasure, Subject
from eigencode.representation._foreign import as_logits
from eigencode.robustness import DDN, FGSM, PGD, Gaussian, Square, critical_size, curve, masking_checks

X = 0.05 + 0.9 * torch.rand(24, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(24) % 3


class InPlace(nn.Module):
    """Normalises its input in place, and uses ReLU in place."""

    def __init__(self, copy: bool = False) -> None:
        super().__init__()
        self.copy = copy
        self.flat, self.first, self.act = nn.Flatten(), nn.Linear(16, 6), nn.ReLU(inplace=not copy)
        self.last = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.clone() if self.copy else x
        x = x.sub_(0.4).div_(0.3)
        return self.last(self.act(self.first(self.flat(x))))


def pair() -> tuple[nn.Module, nn.Module]:
    """The same network in place and with a copy."""
    one, other = InPlace(), InPlace(copy=True)
    other.load_state_dict(one.state_dict())
    return one, other


def numbers(found: Any) -> Any:
    if isinstance(found, dict):
        return {k: numbers(v) for k, v in found.items()}
    return found.tensors() if isinstance(found, ec.Record) else found


def local(net: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda x: net(x)


CALLS: dict[str, Callable[[Any, Tensor], Any]] = {
    "spectrum": lambda net, x: ec.spectrum(net, x),
    "spectrum of a function": lambda net, x: ec.spectrum(local(net), x),
    "spectrum at": lambda net, x: ec.spectrum(ec.at(net, "first"), x),
    "spectra_at": lambda net, x: ec.spectra.spectra_at(net, x, ["first", "act", "logits"], interval=False),
    "trace": lambda net, x: ec.trace(net, x, ["input", "first", "act", "logits"]),
    "places": lambda net, x: [p.shape for p in ec.places(net, x)],
    "at": lambda net, x: ec.at(net, "act")(x),
    "between": lambda net, x: (lambda code: code(code.points(x)))(ec.between(net, "first", "act")),
    "jacobian_norm": lambda net, x: ec.jacobian_norm(net, x),
    "jacobian_norm of a function": lambda net, x: ec.jacobian_norm(local(net), x),
    "hutchinson": lambda net, x: ec.jacobian_norm(net, x, "hutchinson", projections=3),
    "spectral_norm": lambda net, x: spectral_norm(net, x, iterations=5),
    "landscape": lambda net, x: ec.landscape(net, x[0], "act", "pixel", 1.0, 4),
    "landscape_through": lambda net, x: landscape_through(net, *x[:3], place="act", space="pixel", points=4),
    "curve": lambda net, x: curve(net, ec.Images(x, Y), Gaussian(), [0.1, 0.2]),
    "critical_size": lambda net, x: critical_size(net, ec.Images(x, Y), FGSM(), check=False),
    "critical_size of a function": lambda net, x: critical_size(local(net), ec.Images(x, Y), PGD(steps=3), check=False),
    "masking": lambda net, x: masking_checks(net, ec.Images(x, Y), warn=False).pgd,
    "PGD": lambda net, x: vars(PGD(steps=3)(net, x, Y, 0.1)),
    "PGD of a function": lambda net, x: vars(PGD(steps=3)(local(net), x, Y, 0.1)),
    "DDN": lambda net, x: vars(DDN(steps=5)(net, x, Y)),
    "Square": lambda net, x: vars(Square(steps=20)(net, x, Y, 0.1)),
    "accuracy": lambda net, x: float(AccuracyMeasure().measure(Subject(net, ec.Images(x, Y)))),
    "held out": lambda net, x: ec.spectra.heldout_spectrum(local(net), x[:12], x[12:]),
    "leading": lambda net, x: ec.spectra.leading_spectrum(local(net), x, top=2),
    "widths": lambda net, x: [numbers(s) for s in ec.spectra.spectra_by_width(local(net), x, widths=(2, 3))],
    "injected": lambda net, x: ec.spectra.injected_noise_spectrum(local(net), x, 0.1),
}


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
@pytest.mark.parametrize("name", CALLS)
def test_a_network_that_writes_into_its_images_gets_copies(name: str) -> None:
    one, other = pair()
    x = X.clone()
    found = CALLS[name](one, x)
    torch.testing.assert_close(x, X, rtol=0, atol=0)
    expected = numbers(CALLS[name](other, X.clone()))
    torch.testing.assert_close(numbers(found), expected, rtol=1e-6, atol=1e-7, equal_nan=True)


def test_training_leaves_the_images_alone() -> None:
    train = ec.Images(X.clone(), Y)
    ec.train_supervised(InPlace(), train, epochs=1, batch_size=8, validation=train)
    torch.testing.assert_close(train.x, X, rtol=0, atol=0)


KINDS = {torch.float64: 1e-5, torch.float16: 3e-2, torch.bfloat16: 2e-1}


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_any_floating_type_are_measured_and_attacked(kind: torch.dtype) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 3))
    other = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 3)).to(kind)
    other.load_state_dict(net.state_dict())
    test = ec.Images(X, net(X).argmax(1), classes="abc")
    close = {"rtol": KINDS[kind], "atol": KINDS[kind]}
    for function in (other, local(other)):
        for method in ("exact", "hutchinson"):
            expected, found = (ec.jacobian_norm(f, X, method, projections=5).value for f in (net, function))
            torch.testing.assert_close(found, expected, **close)
        torch.testing.assert_close(
            ec.spectrum(function, X).eigenvalues[:2], ec.spectrum(net, X).eigenvalues[:2], **close
        )
        for attack in (FGSM(), PGD(steps=5), DDN(steps=10), Gaussian()):
            sizes = critical_size(function, test, attack, check=False)
            same = critical_size(net, test, attack, check=False)
            assert float(sizes.median) == pytest.approx(float(same.median), rel=max(0.05, KINDS[kind]))
            attack_at = (
                attack(function, X.to(kind), test.y)
                if isinstance(attack, DDN)
                else attack(function, X.to(kind), test.y, 0.3)
            )
            assert bool(torch.isfinite(attack_at.clipped).all())
    whole = ec.models.Standardised(other, 0.5, 0.25)
    assert ec.jacobian_norm(whole, X).units == 3


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_logits_in_half_precision_are_compared_in_single(kind: torch.dtype) -> None:
    z = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    assert as_logits(z.to(kind), 2).dtype == torch.float32
    assert as_logits(z.double(), 2).dtype == torch.float64


def test_weights_of_several_types_are_left_to_the_network() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(16, 6), nn.Linear(6, 3).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.first(x.flatten(1)).double())

    assert ec.jacobian_norm(Mixed(), X).units == 3


def test_complex_outputs_are_refused_and_the_advice_works() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 6))
    spectrum = lambda x: torch.fft.fft(net(x))  # noqa: E731
    advised = lambda x: torch.view_as_real(spectrum(x)).flatten(1)  # noqa: E731
    for measure in (ec.spectrum, ec.jacobian_norm):
        with pytest.raises(InputError, match=r"complex(.|\n)*view_as_real\(z\).flatten\(1\)"):
            measure(spectrum, X)
    parts = torch.stack([torch.func.jacrev(lambda p: advised(p[None])[0])(x).square().sum().sqrt() for x in X])
    torch.testing.assert_close(ec.jacobian_norm(advised, X).value, parts.double(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.bool])
def test_whole_numbers_have_a_spectrum_and_no_derivative(kind: torch.dtype) -> None:
    weights = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))
    code = lambda x: (x.flatten(1) @ weights > 0.5).to(kind)  # noqa: E731
    torch.testing.assert_close(ec.spectrum(code, X).eigenvalues, ec.spectrum(code(X).double()).eigenvalues)
    with pytest.raises(InputError, match="no derivative"):
        ec.jacobian_norm(code, X)


class Attention(nn.Module):
    """Images of a batch attend to one another."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(16, 2, batch_first=True)
        self.last = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = x.flatten(1)[None]
        return self.last(self.inner(z, z, z, need_weights=False)[0][0])


NET = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 3))
MIXING: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "BatchNorm": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False), nn.Flatten()),
    "normalised": lambda: lambda x: NET((x - x.mean()) / x.std()),
    "centred": lambda: lambda x: NET(x) - NET(x).mean(0),
    "attention": Attention,
    "earlier images": lambda: lambda x: NET(x.cumsum(0)),
    "later images": lambda: lambda x: NET(x.flip(0).cumsum(0).flip(0)),
    "neighbour": lambda: lambda x: NET(x) + 0.01 * NET(x.roll(1, 0)),
}


@pytest.mark.parametrize("name", MIXING)
def test_images_that_influence_one_another_are_noticed(name: str) -> None:
    net = MIXING[name]()
    test = ec.Images(X, Y)
    for measure in (
        lambda: ec.spectrum(net, X, interval=False),
        lambda: ec.spectra.leading_spectrum(net, X, top=2),
        lambda: critical_size(net, test, Gaussian(), check=False),
        lambda: curve(net, test, Gaussian(), [0.1]),
        lambda: ec.robustness.common_correct([net], test),
        lambda: masking_checks(net, test, images=2, warn=False),
        lambda: Square(steps=2)(net, X, Y, 0.1),
    ):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            measure()
        (one,) = [w for w in said if w.category is BatchWarning]
        assert "mixes the images" in str(one.message)
        assert "src/eigencode" not in one.filename
    for derivative in (ec.jacobian_norm, spectral_norm):
        with pytest.raises(InputError, match=r"no derivative of its own(.|\n)*batch_size=1"):
            derivative(net, X)  # type: ignore[operator]


@pytest.mark.parametrize("name", sorted(set(MIXING) - {"centred"}))
def test_one_image_at_a_time_is_that_of_single_images(name: str) -> None:
    net = MIXING[name]()
    loop = torch.stack([torch.autograd.functional.jacobian(net, x[None]).square().sum().sqrt() for x in X]).double()
    torch.testing.assert_close(ec.jacobian_norm(net, X, batch_size=1).value, loop, rtol=1e-4, atol=1e-6)
    alone = torch.cat([net(x[None]) for x in X]).detach()
    found = ec.spectrum(net, X, batch_size=1, interval=False)
    torch.testing.assert_close(found.eigenvalues, ec.spectrum(alone, interval=False).eigenvalues, rtol=1e-4, atol=1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("images", [1, 2, 24])
def test_ordinary_networks_raise_no_suspicion(images: int) -> None:
    for scale in (1e-3, 1.0, 1e3):
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
        for kind in (torch.float32, torch.float64, torch.bfloat16):
            scaled = partial(lambda net, scale, x: scale * net(x), net.to(kind).eval(), scale)
            assert ec.jacobian_norm(scaled, X[:images]).units == 3


def test_a_random_network_is_noticed() -> None:
    noise = torch.Generator().manual_seed(0)
    net = lambda x: NET(x) + torch.rand(len(x), 3, generator=noise)  # noqa: E731
    with pytest.warns(BatchWarning, match="random in evaluation mode"):
        ec.spectrum(net, X, interval=False)


def test_the_check_runs_once_per_call() -> None:
    seen: list[int] = []

    def net(x: Tensor) -> Tensor:
        seen.append(len(x))
        return NET(x)

    ec.spectrum(net, X.repeat(50, 1, 1, 1), interval=False, batch_size=100)
    assert sum(seen) - 24 * 50 <= 16
