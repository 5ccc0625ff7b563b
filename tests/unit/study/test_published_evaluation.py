"""Evaluation as published, against plain loops over its description: noise, PGD, grids, pruning, training mode."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from tiny import write
from torch import Tensor, nn

from eigencode.base.errors import InputError, StudyError
from eigencode.base.types import Bounds, Images
from eigencode.measures import CurveMeasure, Subject
from eigencode.models import krotov_hopfield, perceptron, prune
from eigencode.paper._measures import CriticalOnGridMeasure, SpectrumInSingleMeasure
from eigencode.paper._steps import EvaluatedInTraining
from eigencode.paper.published import PublishedGaussian, PublishedPGD, first_on_grid, prune_always
from eigencode.robustness import DDN, FGSM, PGD, CriticalSizes, Gaussian, Perturbation
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.spectra import Spectrum
from eigencode.study import Store, execute, plan, read_study, rows
from eigencode.study._measurements import measurements
from eigencode.study.read import study as from_dict
from eigencode.study.steps.measured import Measured
from eigencode.study.steps.network import network

G = torch.Generator().manual_seed(0)
X = 0.05 + 0.9 * torch.rand(30, 1, 3, 3, generator=G)


@pytest.fixture
def net() -> nn.Module:
    found = nn.Sequential(nn.Flatten(), nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 3))
    with torch.no_grad():
        found[1].weight *= 4
        found[3].weight *= 4
    return found


@pytest.fixture
def images(net: nn.Module) -> Images:
    """Two thirds of them are classified correctly."""
    with torch.no_grad():
        y = net(X).argmax(1)
    y[::3] = (y[::3] + 1) % 3
    return Images(X, y, classes="abc")


@pytest.mark.parametrize("eps", [0.004, 0.01, 0.0101, 0.3])
def test_d10_by_hand(net: nn.Module, images: Images, eps: float) -> None:
    wanted = []
    for x, y in zip(images.x, images.y, strict=True):
        point, step = x.clone(), 0.1 * eps if eps < 0.01 else 0.01
        for _ in range(20):
            point.requires_grad_()
            (slope,) = torch.autograd.grad(nn.functional.cross_entropy(net(point[None]), y[None]), point)
            point = point.detach() + step * slope.sign()
            point = torch.minimum(torch.maximum(point, x - eps), x + eps)
        wanted.append(point.clamp(0, 1))
    found = PublishedPGD()(net, images.x, images.y, eps)
    torch.testing.assert_close(found.clipped, torch.stack(wanted), rtol=0, atol=1e-6)
    assert bool(found.success.any()) or eps < 0.3


def noise(x: Tensor, seed: int, rows: list[int], eps: float) -> Tensor:
    """(x' − x) / eps of some images, as the attack makes it."""
    given = PublishedGaussian()
    model, goal = Oracle(lambda x: x.flatten(1)), Goal(torch.zeros(len(rows), dtype=torch.int64))
    prepared = given.prepare(model, x[rows], goal, Bounds.none(), Draws(seed, rows))
    radius = torch.full((len(rows),), eps, dtype=torch.float64)
    return (given.perturb(model, x[rows], goal, radius, Bounds.none(), prepared).clipped - x[rows]) / eps


def test_d7_draws_anew_for_every_eps_and_image_and_is_repeatable() -> None:
    x = torch.zeros(40, 1, 20, 20, dtype=torch.float64)
    everything = list(range(40))
    first, again, other = (noise(x, 0, everything, eps) for eps in (0.1, 0.1, 0.1000001))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    torch.testing.assert_close(noise(x, 0, [3, 17], 0.1), first[[3, 17]], rtol=0, atol=0)
    for pair in [(first, other), (first[:20], first[20:]), (first, noise(x, 1, everything, 0.1))]:
        correlation = float(torch.corrcoef(torch.stack([p.flatten() for p in pair]))[0, 1])
        assert abs(correlation) < 4 / math.sqrt(pair[0].numel())
    assert abs(float(first.mean())) < 4 / math.sqrt(first.numel())
    assert abs(float(first.std()) - 1) < 4 / math.sqrt(2 * first.numel())


ATTACKS: list[Perturbation] = [Gaussian(), PublishedGaussian(), FGSM(), PublishedPGD(steps=3), PGD(steps=2)]


@pytest.mark.parametrize("given", ATTACKS, ids=lambda a: type(a).__name__)
def test_the_first_eps_of_a_grid_by_hand(net: nn.Module, images: Images, given: Perturbation) -> None:
    grid, box = torch.logspace(-2.5, -0.9, 9, dtype=torch.float64), given.box("pixel")
    found = first_on_grid(net, images, given, grid, "pixel", check=False, seed=5, batch_size=7)
    model, seen = Oracle(net), 0
    for i, (x, y) in enumerate(zip(images.x, images.y, strict=True)):
        if int(net(x[None]).argmax()) != int(y):
            assert i not in found.index
            continue
        goal = Goal(y[None])
        prepared = given.prepare(model, x[None], goal, box, Draws(5, [i]))
        place = int((found.index == i).nonzero())
        broken = False
        for eps in grid.tolist():
            tried = given.perturb(model, x[None], goal, torch.tensor([eps], dtype=torch.float64), box, prepared)
            broken = bool(tried.success)
            if broken:
                break
        assert (float(found.eps[place]), bool(found.censored[place])) == (eps, not broken)
        if broken or not given.ball:
            assert float(found.size[place]) == pytest.approx(float(tried.size), rel=1e-5)
        else:
            assert float(found.distance[place]) == float(grid[-1])
            assert float(found.size[place]) >= float(tried.size) - 1e-6
        seen += 1
    assert seen == found.n_correct == len(found.eps)
    assert 0 < int(found.censored.sum()) < seen


def test_d7_makes_critical_sizes_smaller_the_finer_the_grid() -> None:
    """Logits so that an image breaks when noise along one direction exceeds 1: P(broken at ε) = Φ(−1/ε)."""
    half = lambda x: torch.stack([torch.ones_like(x[:, 0, 0, 0]), x[:, 0, 0, 0]], 1)  # noqa: E731
    many = Images(torch.zeros(400, 1, 1, 2).add(1e-9), torch.zeros(400, dtype=torch.int64), classes="ab")
    medians = {}
    for points in (10, 100):
        grid = torch.logspace(-1, 1, points, dtype=torch.float64)
        for given in (Gaussian(clip=False), PublishedGaussian(clip=False)):
            found = first_on_grid(half, many, given, grid, "pixel", check=False)
            medians[points, type(given)] = float(found.eps.median())
            if isinstance(given, PublishedGaussian):
                alive = torch.special.ndtr(1 / grid).cumprod(0)  # independent draws: chances multiply
                expected = float(grid[int((alive < 0.5).nonzero()[0])])
                assert abs(math.log(medians[points, type(given)] / expected)) < 0.11 * math.log(10)
    assert medians[100, PublishedGaussian] < 0.75 * medians[10, PublishedGaussian]
    assert medians[100, PublishedGaussian] < 0.75 * medians[100, Gaussian]


@pytest.mark.parametrize("n", [1.0, 3.0])
def test_what_is_proved_harmless_is_not_tried(images: Images, n: float, monkeypatch: pytest.MonkeyPatch) -> None:
    net = perceptron(images, units=20, n=n)
    images = Images(images.x, net(images.x).argmax(1), classes="abc")
    grid = torch.logspace(-4, -0.5, 15, dtype=torch.float64)

    def sizes() -> CriticalSizes:
        return first_on_grid(net, images, PublishedPGD(), grid, "unit", check=False)

    quick = sizes()
    monkeypatch.setattr("eigencode.paper.published.grid.certificate", lambda *given: None)
    every = sizes()
    for name in quick.tensors():
        assert torch.equal(getattr(quick, name), getattr(every, name)), name
    assert not bool(quick.censored.all())
    assert quick.gradients < 0.5 * every.gradients


@pytest.mark.parametrize("grid", [[0.1], [0.0, 0.1], [0.2, 0.1], [0.1, 0.1]])
def test_what_is_no_grid_is_refused(net: nn.Module, images: Images, grid: list[float]) -> None:
    with pytest.raises(InputError, match="not a grid"):
        first_on_grid(net, images, FGSM(), torch.tensor(grid, dtype=torch.float64), "pixel")


def attack(chosen: dict[str, object], *published: str, grid: bool = True) -> object:
    """The attack that a critical size on a grid, or a curve, then uses."""
    asked = {"attack": chosen, "published": list(published)}
    tables = {"critical": [{**asked, "grid": {"points": 5}}]} if grid else {"curves": [asked]}
    study = from_dict({"name": "s", "models": {"A": {"units": 5}}, **tables})
    measure = measurements(study)[1].measure
    assert isinstance(measure, CriticalOnGridMeasure if grid else CurveMeasure)
    assert grid or measure.exhaustive == bool(published)
    return measure.attack


@pytest.mark.parametrize("grid", [True, False])
def test_departures_belong_to_attacks(grid: bool) -> None:
    assert attack({"name": "Gaussian"}, "D7", grid=grid) == PublishedGaussian()
    assert attack({"name": "PGD", "steps": 7, "loss": "cross_entropy"}, "D10", grid=grid) == PublishedPGD(7)
    assert attack({"name": "FGSM"}, grid=grid) == FGSM()
    wrong = [("FGSM", "D7"), ("Gaussian", "D10"), ("PGD", "D10")]  # D10 has the cross-entropy
    for name, departure in wrong:
        with pytest.raises(StudyError, match=f"{departure} is no departure of this attack"):
            attack({"name": name}, departure, grid=grid)


def test_a_grid_is_for_attacks_of_a_given_size() -> None:
    with pytest.raises(StudyError, match=r"critical.0.attack: wrong kind of plugin\n.*DDN\n.*Perturbation"):
        attack({"name": DDN.__name__})


def test_d6_prunes_a_healthy_layer() -> None:
    images = Images(torch.ones(2, 1, 8, 8), torch.tensor([0, 1]))
    net = krotov_hopfield(images, units=200)
    spread = (-2 + 0.3 * torch.randn(200, 1, generator=G)).exp()
    with torch.no_grad():
        net.encoder.weight.mul_(spread)
    assert prune(net).indices.tolist() == []
    found = prune_always(net, seed=3)
    values = [math.log(sum((v - sum(w) / 64) ** 2 for v in w) / 64) for w in net.encoder.weight.double().tolist()]
    column = np.array(values)[:, None]
    fits = [GaussianMixture(c, n_init=5, random_state=3).fit(column) for c in (2, 3, 4)]
    best = min(fits, key=lambda f: f.bic(column))
    centres = sorted(best.means_.ravel().tolist())
    threshold = centres[-1] - abs(centres[-1] - centres[-2]) / 2
    assert found.threshold == pytest.approx(threshold, abs=1e-4)
    wanted = [i for i, v in enumerate(values) if v > threshold]
    assert found.indices.tolist() == wanted
    assert len(wanted) > 20
    same = krotov_hopfield(images, units=3)
    with torch.no_grad():
        same.encoder.weight.copy_(same.encoder.weight[:1].expand(3, 64))
    assert prune_always(same).indices.tolist() == []


BN = """{BN={recipe="BP-BN", units=12, supervised={epochs=2, batch_size=50}},
 D5={recipe="BP-BN", units=12, published=["D5"], supervised={epochs=2, batch_size=50}}}""".replace("\n", "")


def test_d5_and_d13_in_a_study(tmp_path: Path) -> None:
    study = read_study(write(tmp_path), ["seeds=[0]", f"models={BN}", "critical=[]", "curves=[]"])
    single = {"published": ("D13",), "source": "images", "samples": None}
    noise_only = study.spectra[1].model_copy(update=single)
    study = study.model_copy(update={"spectra": (study.spectra[0], noise_only)})
    cells, store = plan(study), Store(tmp_path / "store")
    assert execute([c.step for c in cells], store).ok
    found = {(r.model, r.quantity): r for r in rows(study, cells, store)}
    (evaluated,) = (c.step for c in cells if isinstance(c.step, EvaluatedInTraining))
    before, after = network(store.folder(evaluated.start)), network(store.folder(evaluated))
    test = evaluated.data.pair()[1]
    with torch.no_grad():
        z = before.run(test.x, until="latent")
        mean, variance = z.mean(0), ((z - z.mean(0)) ** 2).mean(0)
        bn = before.batch_norm
        normal = (z - mean) / torch.sqrt(variance + bn.eps) * bn.weight + bn.bias
        hits = int((before.readout(normal).argmax(1) == test.y).sum())
    assert found["D5", "test accuracy"].value == hits / 60
    n = len(test)
    wanted = 0.9 * bn.running_mean + 0.1 * mean, 0.9 * bn.running_var + 0.1 * variance * n / (n - 1)
    torch.testing.assert_close((after.batch_norm.running_mean, after.batch_norm.running_var), wanted)
    torch.testing.assert_close(after.encoder.weight, before.encoder.weight, rtol=0, atol=0)

    step = next(c.step for c in cells if isinstance(c.measure, SpectrumInSingleMeasure) and c.model == "BN")
    assert isinstance(step, Measured)
    points = step.made.source_of(Subject(before, test, "latent", 0))[1]  # type: ignore[attr-defined]
    shift = float(points.mean())
    with torch.no_grad():
        z = before.activation(before.encoder(points)).double() - shift
    covariance = torch.zeros(12, 12, dtype=torch.float64)
    for i in range(12):
        for j in range(12):
            products = sum(float(a) * float(b) for a, b in zip(z[:, i], z[:, j], strict=True))
            covariance[i, j] = (products - float(z[:, i].sum()) * float(z[:, j].sum()) / n) / (n - 1)
    values = Spectrum.load(store.folder(step)).eigenvalues
    assert values.tolist() == sorted(values.tolist(), reverse=True)
    exact = torch.linalg.eigvalsh(covariance).flip(0)
    torch.testing.assert_close(values, exact, rtol=0, atol=1e-5 * float(exact[0]))
    assert found["BN", "α noise, plain"].value == pytest.approx(found["BN", "α images, plain"].value, rel=1e-2)


def test_d17_is_the_same_network_without_batch_norm(tmp_path: Path) -> None:
    """Also in the recipe of the published SpecReg; the step is that of a model that asks for no BatchNorm."""
    models = """{asks={units=12, batch_norm=true}, ignored={units=12, batch_norm=true, published=["D17"]},
     plain={units=12}, SpecReg={recipe="SpecReg-published", units=12, supervised={epochs=1, batch_size=50}}}"""
    settings = ["seeds=[0]", f"models={models}", "spectra=[]", "critical=[]", "curves=[]", "data_spectrum=false"]
    study = read_study(write(tmp_path), [s.replace("\n", "") for s in settings])
    cells, store = plan(study), Store(tmp_path / "store")
    assert execute([c.step for c in cells], store).ok
    made = {c.model: c.network for c in cells if c.network is not None}
    nets = {model: network(store.folder(step)) for model, step in made.items()}
    assert {model: hasattr(net, "batch_norm") for model, net in nets.items()} == {
        "asks": True,
        "ignored": False,
        "plain": False,
        "SpecReg": False,
    }
    torch.testing.assert_close(nets["ignored"].encoder.weight, nets["asks"].encoder.weight, rtol=0, atol=0)
    torch.testing.assert_close(nets["ignored"].readout.weight, nets["asks"].readout.weight, rtol=0, atol=0)
    assert store.folder(made["ignored"]) == store.folder(made["plain"])
