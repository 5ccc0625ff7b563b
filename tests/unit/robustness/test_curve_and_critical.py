"""Curves and critical sizes: against exhaustive grids, batch sizes, subsets, and what they promise to say."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.robustness import (
    DDN,
    FGSM,
    FMN,
    PGD,
    CriticalSizes,
    Curve,
    Gaussian,
    MinimumNorm,
    Perturbation,
    Sphere,
    Square,
    common_correct,
    critical_size,
    curve,
)

ATTACKS: list[Perturbation | MinimumNorm] = [
    Gaussian(),
    Sphere(),
    FGSM(),
    FGSM("l2"),
    FGSM("l1"),
    PGD(steps=5),
    PGD("l2", steps=5, restarts=2),
    Square(steps=20),
    DDN(steps=20),
    FMN(steps=20),
]
SCALE = {"linf": 1.0, "l2": 4.0, "l1": 20.0}


class Wavy(nn.Module):
    """A network whose logits go up and down along any ray, so that accuracy is not monotone in eps."""

    def __init__(self, inputs: int, seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.a = nn.Parameter(torch.randn(inputs, 24, generator=g))
        self.b = nn.Parameter(torch.randn(24, 4, generator=g))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x.flatten(1) @ self.a) @ self.b


@pytest.fixture
def wavy() -> tuple[nn.Module, Images]:
    net = Wavy(16)
    x = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(5))
    y = net(x).argmax(1)
    y[::6] = (y[::6] + 1) % 4  # some are wrong from the start
    return net, Images(x, y, classes="abcd")


@pytest.fixture
def plain() -> tuple[nn.Module, Images]:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), nn.ReLU(), nn.Linear(30, 4))
    x = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(5))
    return net, Images(x, net(x).argmax(1), classes="abcd")


@pytest.mark.parametrize("attack", [Gaussian(), Sphere(), FGSM(), FGSM("l2"), FGSM("l1")], ids=lambda a: a.name)
@pytest.mark.parametrize("kind", ["wavy", "plain"])
def test_few_evaluations_along_a_path_give_the_exhaustive_curve(
    attack: Perturbation, kind: str, request: pytest.FixtureRequest
) -> None:
    net, test = request.getfixturevalue(kind)
    eps = torch.logspace(-4, 0.2, 300, dtype=torch.float64) * SCALE[attack.norm]
    fast, slow = (curve(net, test, attack, eps, exhaustive=e, check=False) for e in (False, True))
    for name in ("accuracy", "worst_case_accuracy", "relative_accuracy", "relative_worst_case_accuracy"):
        torch.testing.assert_close(getattr(fast, name), getattr(slow, name), rtol=0, atol=0)
    if kind == "wavy":
        assert bool((fast.accuracy.diff() > 0).any()), "the planted network must not be monotone"
    assert bool((fast.worst_case_accuracy.diff() <= 0).all())
    assert bool((fast.worst_case_accuracy <= fast.accuracy).all())


@pytest.mark.parametrize("attack", [Gaussian(), FGSM(), FGSM("l1")], ids=lambda a: a.name)
def test_critical_size_along_a_path_is_the_first_flip_of_a_fine_grid(
    wavy: tuple[nn.Module, Images], attack: Perturbation
) -> None:
    net, test = wavy
    top = SCALE[attack.norm]
    found = critical_size(net, test, attack, eps_max=top, tolerance=1e-3, check=False)
    grid = torch.logspace(-6, math.log10(top), 2000, dtype=torch.float64)
    alive = curve(net, test, attack, grid, subset=found.index, exhaustive=True, check=False).worst_case_accuracy
    count = torch.stack([((found.eps > e * (1 + 1e-6)) | found.censored).double().mean() for e in grid])
    # never larger than the grid's first flip, and at most one grid step (0.7 %) smaller
    assert bool((count <= alive + 1e-12).all())
    assert bool((count[:-1] >= alive[1:] - 1e-12).all())


@pytest.mark.parametrize("attack", [PGD(steps=8), PGD("l2", steps=8, random_start=False)], ids=lambda a: a.name)
def test_searched_critical_size_is_never_larger_than_on_a_grid(attack: Perturbation) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 4))
    x = torch.rand(40, 1, 8, 8)
    test = Images(x, net(x).argmax(1), classes="abcd")
    found = critical_size(net, test, attack, check=False)
    grid = torch.logspace(-4, 0, 400, dtype=torch.float64) * SCALE[attack.norm]
    slow = curve(net, test, attack, grid, exhaustive=True, check=False)
    held = (found.eps[:, None] > grid * 1.01 * (1 + 1e-9)).double().mean(0)  # the tolerance of the search
    assert float((held - slow.worst_case_accuracy).max()) <= 0.0
    at = (found.eps[:, None] > grid / 1.15).double().mean(0)  # nor much smaller: the straight line back is all it has
    assert float((slow.worst_case_accuracy - at).max()) <= 0.0


@pytest.mark.parametrize("attack", [PGD(steps=8), PGD("l2", steps=8), FMN("l2", steps=20)], ids=lambda a: a.name)
def test_curve_of_a_searched_attack(attack: Perturbation | MinimumNorm, wavy: tuple[nn.Module, Images]) -> None:
    """It falls, is no weaker than attacking at every eps, and agrees with the critical sizes."""
    net, test = wavy
    grid = torch.logspace(-3, 0, 60, dtype=torch.float64) * SCALE[attack.norm]
    fast = curve(net, test, attack, grid, check=False)
    torch.testing.assert_close(fast.accuracy, fast.worst_case_accuracy, rtol=0, atol=0)
    assert bool((fast.accuracy.diff() <= 0).all())
    sizes = critical_size(net, test, attack, check=False)
    held = ((sizes.eps[:, None] > grid) | sizes.censored[:, None]).double().mean(0)
    torch.testing.assert_close(fast.relative_accuracy, held, rtol=0, atol=0.07)
    if isinstance(attack, Perturbation):
        slow = curve(net, test, attack, grid, exhaustive=True, check=False)
        assert float((fast.accuracy - slow.worst_case_accuracy).mean()) <= 0.01


@pytest.mark.parametrize("eps", [1 / 255, 4 / 255, 8 / 255, 0.05, 0.1, 0.2, 0.3, 0.01, 0.03])
@pytest.mark.parametrize("attack", [PGD(steps=8), PGD("l2", steps=8), PGD("l1", steps=8)], ids=lambda a: a.name)
def test_an_image_that_breaks_just_below_an_eps_is_broken_at_it(attack: Perturbation, eps: float) -> None:
    """Most of these eps are smaller than their float32, so that the adversarial image may be a trifle farther."""
    w = torch.tensor([1.0, -1, 1, -1, 1, -1, 1, -1])
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 2))
    net[1].weight.data, net[1].bias.data = torch.stack([w, -w]), torch.zeros(2)
    speed = {"linf": 8.0, "l2": math.sqrt(8), "l1": 1.0}[attack.norm]
    lead = torch.linspace(0.96, 0.999, 40) * eps * speed  # w·x of an image that breaks at lead / speed
    x = (lead[:, None] / 4 * (w > 0)).reshape(40, 1, 2, 4)  # from black, a pixel moves by the float32 exactly
    test = Images(x, torch.zeros(40, dtype=torch.int64), classes="ab")
    found = curve(net, test, attack, [eps / 2, eps, 2 * eps], check=False)
    assert found.accuracy.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_results_do_not_depend_on_batches(plain: tuple[nn.Module, Images], attack: Perturbation | MinimumNorm) -> None:
    net, test = plain
    eps = [x * SCALE[attack.norm] for x in (0.0, 0.01, 0.05, 0.2)]
    whole = curve(net, test, attack, eps, check=False)
    parts = curve(net, test, attack, eps, batch_size=25, check=False)
    torch.testing.assert_close(parts.tensors(), whole.tensors())
    one = critical_size(net, test, attack, check=False)
    two = critical_size(net, test, attack, batch_size=25, check=False)
    torch.testing.assert_close(two.eps, one.eps, rtol=2e-2, atol=1e-6)
    assert float(one.median) == pytest.approx(float(two.median), rel=5e-3)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_an_image_is_perturbed_alike_in_every_subset(
    plain: tuple[nn.Module, Images], attack: Perturbation | MinimumNorm
) -> None:
    net, test = plain
    some = torch.tensor([40, 3, 17])
    part = critical_size(net, test, attack, subset=some, check=False)
    whole = critical_size(net, test, attack, check=False)
    assert part.index.tolist() == [3, 17, 40]
    torch.testing.assert_close(part.eps, whole.eps[torch.isin(whole.index, some)], rtol=2e-2, atol=1e-6)
    assert (part.n, part.n_correct) == (3, 3)


@pytest.mark.filterwarnings("ignore:this network may hide")  # it is random, on a dozen images
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_nothing_of_the_caller_changes(attack: Perturbation | MinimumNorm, leaves_no_trace) -> None:  # type: ignore[no-untyped-def]
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 4))
    net[2].eval()
    x = torch.rand(12, 1, 4, 4)
    y = torch.randint(0, 4, (12,))
    test = Images(x, y, classes="abcd")
    leaves_no_trace(net, x, lambda: curve(net, test, attack, [0.1, 0.2], check=not attack.blind))
    leaves_no_trace(net, x, lambda: critical_size(net, test, attack, check=False))


def test_only_correct_images_are_counted_and_attacked(wavy: tuple[nn.Module, Images]) -> None:
    net, test = wavy
    right = (net(test.x).argmax(1) == test.y).nonzero()[:, 0]
    sizes = critical_size(net, test, FGSM(), check=False)
    assert sizes.index.tolist() == right.tolist()
    assert (sizes.n, sizes.n_correct) == (60, 50)
    result = curve(net, test, FGSM(), [0.0, 0.05], check=False)
    assert float(result.accuracy[0]) == pytest.approx(50 / 60)
    assert float(result.relative_accuracy[0]) == 1.0
    torch.testing.assert_close(result.relative_accuracy * 50, result.accuracy * 60)
    zeros = sizes.quantile(0.5, errors_as_zero=True)
    values = torch.cat([torch.zeros(10).double(), sizes.size])
    assert not bool(sizes.censored.any())
    assert float(zeros) == pytest.approx(float(values.quantile(0.5)))


def test_common_correct_images_for_two_networks() -> None:
    a, b = Wavy(16, 0), Wavy(16, 1)
    x = torch.rand(80, 1, 4, 4)
    test = Images(x, a(x).argmax(1), classes="abcd")
    common = common_correct([a, b], test)
    assert common.tolist() == (b(x).argmax(1) == test.y).nonzero()[:, 0].tolist()
    found = curve(b, test, FGSM(), [0.0], subset=common, check=False)
    assert (found.n, found.n_correct, float(found.accuracy)) == (len(common), len(common), 1.0)


def test_images_that_never_break_are_censored() -> None:
    """Half of the labels are of a network that cannot be moved."""

    class Stubborn(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            v = x.flatten(1)
            free = v[:, :1] < 0.5  # the first pixel decides whether the others matter
            moving = torch.stack([v[:, 1], 1 - v[:, 1]], 1)
            return torch.where(free, moving, torch.tensor([[2.0, 0.0]]) + 0 * moving)

    x = torch.full((8, 1, 1, 2), 0.9)
    x[:4, 0, 0, 0], x[4:, 0, 0, 0] = 0.0, 1.0
    found = critical_size(Stubborn(), Images(x, torch.zeros(8).long(), classes="ab"), FGSM(), eps_max=0.45, check=False)
    assert found.censored.tolist() == [False] * 4 + [True] * 4
    torch.testing.assert_close(found.eps, torch.tensor([0.4] * 4 + [0.45] * 4).double(), rtol=1e-2, atol=0)
    assert found.quantile(0.25, "eps").value == pytest.approx(0.4, rel=1e-2)
    assert math.isinf(found.quantile(0.75).value)
    # what was allowed, not what the attack did without a gradient: nothing
    torch.testing.assert_close(found.size[4:], torch.full((4,), 0.45 * math.sqrt(2)).double())


def test_targets_are_harder_than_any_class(plain: tuple[nn.Module, Images]) -> None:
    net, test = plain
    target = (test.y + 1) % 4
    for attack in (PGD("l2", steps=10), DDN(steps=60), FMN("l2", steps=60)):
        free = critical_size(net, test, attack, check=False)
        aimed = critical_size(net, test, attack, target=target, check=False)
        assert bool((aimed.distance >= free.distance * 0.98).all())
        assert float(aimed.quantile(0.25)) > 1.2 * float(free.quantile(0.25))
    with pytest.raises(InputError, match="targets do not fit"):
        critical_size(net, test, FGSM(), target=test.y, check=False)


def test_unit_space_is_the_space_after_norm() -> None:
    class Norm(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / x.flatten(1).pow(3).sum(1).pow(1 / 3).reshape(-1, 1, 1, 1)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.readout = Norm(), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.readout(self.norm(x).flatten(1))

    net, x = Net(), torch.rand(30, 1, 4, 4)
    test = Images(x, net(x).argmax(1), classes="abc")
    inner = lambda u: net.readout(u.flatten(1))  # noqa: E731
    points = Images(net.norm(x).clamp(max=1), test.y, classes="abc")
    for attack in (FGSM(), PGD(steps=5)):
        a = critical_size(net, test, attack, space="unit", check=False)
        b = critical_size(inner, points, attack, space="pixel", check=False)
        torch.testing.assert_close(a.eps, b.eps, rtol=1e-2, atol=1e-6)
        assert (a.space, b.space) == ("unit", "pixel")
    noisy = critical_size(net, test, Gaussian(), space="unit", check=False)
    assert float((noisy.size / noisy.eps).std()) < 1.0  # not clipped: size is eps times the length of the direction
    torch.testing.assert_close(noisy.size / noisy.eps / 4, torch.ones(len(x)).double(), rtol=0.6, atol=0)


def test_records_survive_the_disk(plain: tuple[nn.Module, Images], tmp_path: Path) -> None:
    net, test = plain
    for k, record in enumerate((critical_size(net, test, FGSM()), curve(net, test, FGSM(), [0.1, 0.2]))):
        folder = tmp_path / str(k)
        folder.mkdir()
        record.save(folder)
        again = type(record).load(folder)
        assert isinstance(again, CriticalSizes | Curve)
        torch.testing.assert_close(again.tensors(), record.tensors(), rtol=0, atol=0)
        assert repr(again.scalars()) == repr(record.scalars())  # NaN included
        assert set(record.to_dataset().dims) == {"image" if k == 0 else "eps"}
        assert 8 <= record.masking.n <= 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": [0.2, 0.1]}, "eps is not a grid"),
        ({"eps": [-0.1]}, "eps is not a grid"),
        ({"eps": []}, "eps is not a grid"),
        ({"batch_size": 0}, "batch_size is too small"),
        ({"subset": [1, 1]}, "subset does not fit"),
        ({"subset": [99]}, "subset does not fit"),
        ({"space": "unit"}, "no unit space"),
    ],
)
def test_wrong_arguments(plain: tuple[nn.Module, Images], change: dict[str, object], message: str) -> None:
    net, test = plain
    arguments = {"eps": [0.1], **change}
    with pytest.raises(InputError, match=message):
        curve(net, test, FGSM(), check=False, **arguments)  # type: ignore[arg-type]


@pytest.mark.usefixtures("unchecked")
def test_wrong_networks(plain: tuple[nn.Module, Images]) -> None:
    _, test = plain
    with pytest.raises(InputError, match="does not give one row"):
        critical_size(nn.Flatten(0), test, FGSM(), check=False)
    with pytest.raises(InputError, match="does not return logits"):
        critical_size(nn.Sequential(nn.Flatten(), nn.Linear(16, 1)), test, FGSM(), check=False)
    with pytest.raises(InputError, match="fewer classes than the labels"):
        critical_size(
            lambda x: x.flatten(1)[:, :2], Images(test.x, test.y * 0 + 3, classes="abcd"), FGSM(), check=False
        )
    with pytest.raises(InputError, match="NaN or Inf"):
        critical_size(lambda x: x.flatten(1)[:, :4] / 0, test, FGSM(), check=False)
    frozen = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    labels = Images(test.x, frozen(test.x).argmax(1), classes="abcd")
    with pytest.raises(InputError, match="no gradient with respect to its images"):
        critical_size(lambda x: frozen(x.detach()).detach(), labels, FGSM(), check=False)
    with pytest.raises(InputError, match="no range to search"):
        critical_size(frozen, labels, FGSM(), eps_max=1e-9, check=False)
