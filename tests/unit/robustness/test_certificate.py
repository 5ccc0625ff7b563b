"""Proofs against every point that could be found, the first-order limit, and what nothing may be proved about."""

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.types import Bounds, Images, Norm
from eigencode.models import krotov_hopfield, perceptron
from eigencode.models.layers import RePU
from eigencode.robustness._balls import in_ball, length, per_image
from eigencode.robustness._certificate import Certificate, certificate
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness.pgd import PGD
from eigencode.robustness.protocol import Perturbation

NORMS: tuple[Norm, ...] = ("linf", "l2", "l1")


def network(n: float, seed: int, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    g = torch.Generator().manual_seed(seed)
    layers = [nn.Linear(12, 30), RePU(n), nn.BatchNorm1d(30), nn.Linear(30, 4)]
    net = nn.Sequential(nn.Flatten(), *layers).to(dtype)
    for p in net.parameters():
        p.data = torch.randn(p.shape, generator=g, dtype=torch.float64).to(dtype) * 0.4
    net[3].running_mean.uniform_(-1, 1, generator=g)
    net[3].running_var.uniform_(0.5, 2, generator=g)
    return net.eval()


def points(count: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(count, 3, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def proof_of(net: nn.Module, x: Tensor) -> Certificate:
    proof = certificate(net, "pixel", x)
    assert proof is not None
    return proof


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [1.0, 1.5, 4.5])
def test_no_point_of_the_ball_has_a_smaller_margin(n: float, norm: Norm) -> None:
    """Random points and, for each pair of classes, the worst corner of a descent; bounds of every size of ball."""
    net, x = network(n, 1), points(6, 2)
    y = net(x).argmax(1)
    proof = proof_of(net, x)
    tight = []
    for eps in (1e-4, 0.03, 0.4):
        radius = torch.full((6,), eps, dtype=torch.float64)
        bound = proof.margins(x, y, radius, norm)
        assert torch.equal(bound.gather(1, y[:, None]), torch.zeros(6, 1, dtype=torch.float64))
        for j in range(4):
            worst = smallest_margin(net, x, y, j, radius, norm)
            assert bool((bound[:, j] <= worst + 1e-9).all())
            tight.append(((worst - bound[:, j]).abs().max(), eps))
    assert max(float(gap) for gap, eps in tight if eps == 1e-4) < 1e-4


def smallest_margin(net: nn.Module, x: Tensor, y: Tensor, j: int, eps: Tensor, norm: Norm) -> Tensor:
    """The smallest z_y − z_j of 40 random points of the ball and of PGD from the image."""
    found = torch.full((len(x),), torch.inf, dtype=torch.float64)

    def look(at: Tensor) -> None:
        z = net(at)
        found.copy_(torch.minimum(found, (z.gather(1, y[:, None])[:, 0] - z[:, j]).detach()))

    for k in range(40):
        look(x + per_image(eps, x) * in_ball(Draws(k, list(range(len(x)))), (1, *x.shape[1:]), norm)[:, 0])
    rows = y != j
    if bool(rows.any()):  # towards class j alone
        attack: Perturbation = PGD(norm=norm, steps=30, random_start=False, keep="last", loss="margin")
        model, target = Oracle(net), torch.full_like(y, j)
        goal = Goal(y[rows], target[rows])
        moved = x.clone()
        moved[rows] = attack.perturb(model, x[rows], goal, eps[rows], Bounds.none(), None).clipped
        assert bool((length(moved - x, norm) <= eps * (1 + 1e-9)).all())
        look(moved)
    return found


@pytest.mark.parametrize("norm", NORMS)
def test_small_balls_have_the_first_order_bound(norm: Norm) -> None:
    net, x = network(2.5, 3), points(5, 4)
    y, eps = net(x).argmax(1), torch.full((5,), 1e-7, dtype=torch.float64)
    bound = proof_of(net, x).margins(x, y, eps, norm)
    dual = {"linf": 1.0, "l2": 2.0, "l1": float("inf")}[norm]
    for i in range(5):
        jacobian = torch.autograd.functional.jacobian(lambda at: net(at)[0], x[i : i + 1]).flatten(1)
        z = net(x[i : i + 1])[0]
        wanted = z[y[i]] - z - 1e-7 * torch.linalg.vector_norm(jacobian[y[i]] - jacobian, dual, dim=1)
        torch.testing.assert_close(bound[i], wanted.detach(), rtol=0, atol=1e-11)


def test_a_linear_region_is_proved_up_to_its_border() -> None:
    """Units that stay on: the network is linear, and the bound is the distance to the decision boundary."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2, bias=False))
    net[1].weight.data.copy_(torch.eye(2))
    net[1].bias.data.fill_(5.0)
    net[3].weight.data.copy_(torch.eye(2))
    x, y = torch.tensor([[[[0.7, 0.5]]]]), torch.tensor([0])
    proof = proof_of(net, x)
    for norm, distance in (("linf", 0.1), ("l2", 0.2 / 2**0.5), ("l1", 0.2)):
        for factor, holds in ((0.99, True), (1.01, False)):
            assert bool(proof.holds(x, y, torch.tensor([distance * factor]), norm)) is holds  # type: ignore[arg-type]


def cancelling(batch_norm: bool) -> nn.Sequential:
    """Two units of pre-activation p · 2²⁵ and the same + 1, whose difference is the logit: 1, and in float32 0 or 2.

    At p = 0.49999997 the sum is exact, and 2⁻²⁵ further on it is not.
    """
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        net[1].weight.fill_(2.0**25)
        net[1].bias.copy_(torch.tensor([1.0, 0.0]))
        net[3].weight.copy_(torch.tensor([[1.0, -1.0], [0.0, 0.0]]))
        net[3].bias.copy_(torch.tensor([0.0, 0.5]))
    if batch_norm:
        norm = nn.BatchNorm1d(2, eps=0.0)
        norm.bias.data.fill_(2.0**26)
        norm.running_mean.fill_(2.0**26)
        net.insert(3, norm)
    return net.eval()


@pytest.mark.parametrize("batch_norm", [False, True])
def test_rounding_counts_in_the_whole_ball_not_only_at_the_image(batch_norm: bool) -> None:
    net, x, y = cancelling(batch_norm), torch.tensor([[[[16777215 / 2**25]]]]), torch.tensor([0])
    exact = cancelling(batch_norm).double()
    radius = torch.tensor([0.4], dtype=torch.float64)
    beside = torch.linspace(0, 5e-6, 100)[:, None, None, None] + x
    with torch.no_grad():
        assert int(net(x).argmax(1)) == 0
        assert int((net(beside).argmax(1) == 1).sum()) > 10, "the float32 network is broken by 5e-6"
        assert bool((exact(beside.double()).argmax(1) == 0).all()), "the exact one is not"
    for norm in NORMS:
        assert bool((proof_of(net, x).margins(x, y, radius, norm)[:, 1] > 0.49).all()), "exact arithmetic is proved"
        for eps in (0.4, 1e-6):
            assert not bool(proof_of(net, x).holds(x, y, torch.tensor([eps]), norm).any())
        assert bool(proof_of(exact, x.double()).holds(x.double(), y, radius, norm).all()), "float64 has room for it"


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [1.0, 2.5, 4.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_rounding_errors_in_the_ball_are_within_their_bound(n: float, norm: Norm, dtype: torch.dtype) -> None:
    net, x = network(n, 21, dtype), points(20, 22, dtype)
    proof, eps = proof_of(network(n, 21, torch.float32).to(dtype), x), torch.full((20,), 0.05, dtype=torch.float64)
    bound = proof.rounding_errors(x, eps, norm)
    seen = torch.zeros_like(bound)
    for k in range(30):
        step = in_ball(Draws(k, list(range(20))), (1, 3, 2, 2), norm)[:, 0].double() * 0.04
        at = (x.double() + step).to(dtype)
        assert bool((length(at.double() - x.double(), norm) <= eps).all())
        exact = proof.readout(proof.hidden(at.double()))
        with torch.no_grad():
            seen = torch.maximum(seen, (net(at).double() - exact).abs())
    assert bool((seen <= bound).all())
    assert bool((bound < 500 * seen.max()).all()), "and not by being large"


@pytest.mark.parametrize("where", ["products", "bias", "BatchNorm before", "BatchNorm behind", "read-out"])
def test_cancellation_inside_a_layer_is_within_the_bound(where: str) -> None:
    """Large numbers beside small ones: the result of a layer does not show how large its rounding error may be."""
    weight, bias, units = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.ones(2), 2
    layers: list[nn.Module] = [nn.Linear(2, units), nn.ReLU(), nn.Linear(units, 2)]
    with torch.no_grad():
        layers[0].weight.copy_(weight * (1e6 if where == "products" else 1.0))  # type: ignore[union-attr, operator]
        layers[0].bias.copy_(bias)  # type: ignore[union-attr, operator]
        if where == "bias":
            layers[0].weight.copy_(torch.tensor([[1e6, 1e6], [1e6, 0.0]]))  # type: ignore[union-attr, operator]
            layers[0].bias.copy_(torch.tensor([-1e6, -5e5]))  # type: ignore[union-attr, operator]
        layers[2].weight.mul_(10.0)  # type: ignore[union-attr, operator]
        if where == "read-out":
            layers[2].bias.fill_(1e6)  # type: ignore[union-attr, operator]
    if where.startswith("BatchNorm"):
        norm = nn.BatchNorm1d(units)
        norm.running_mean.fill_(1e4 / 3)
        norm.bias.data.fill_(1e4 / 3)
        layers.insert(1 if where == "BatchNorm before" else 2, norm)
    net = nn.Sequential(nn.Flatten(), *layers).eval()
    x = 0.5 + 1e-6 * torch.randn(200, 1, 1, 2, generator=torch.Generator().manual_seed(0))
    proof = proof_of(net, x)
    with torch.no_grad():
        exact = net.double()(x.double())
        seen = (net.float()(x).double() - exact).abs()
    bound = proof.rounding_errors(x, torch.zeros(200), "linf")
    assert bool((seen <= bound).all())
    assert bool((bound < 5000 * seen.max()).all())
    assert float(seen.max()) > (1e-5 if where.startswith("BatchNorm") else 1e-3)


def test_overflow_is_never_proved() -> None:
    net, x = network(1.0, 23, torch.float16), points(4, 24, torch.float16)
    net[4].weight.data.mul_(2e4)
    proof = proof_of(net, x)
    assert bool(proof.rounding_errors(x, torch.full((4,), 10.0, dtype=torch.float64), "linf").isinf().all())


def test_permission_to_multiply_less_precisely_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = network(1.0, 25, torch.float32), points(4, 26, torch.float32)
    eps = torch.full((4,), 1e-3, dtype=torch.float64)
    strict = proof_of(net, x).rounding_errors(x, eps, "l2")
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "high")
    assert bool((proof_of(net, x).rounding_errors(x, eps, "l2") > 1000 * strict).all())


def test_rungs_are_those_that_hold() -> None:
    net, x = network(1.0, 5, torch.float32), points(8, 6, torch.float32)
    y, grid = net(x).argmax(1), torch.logspace(-4, 0, 23, dtype=torch.float64)
    proof = proof_of(net, x)
    every = torch.stack([proof.holds(x, y, eps.expand(8), "linf") for eps in grid], 1)
    assert torch.equal(proof.rungs(x, y, grid, "linf"), every.sum(1))
    assert torch.equal(every.sort(1, descending=True).values, every)
    assert 0 < int(every.sum()) < every.numel()


def test_a_wrong_answer_and_a_tie_are_never_proved() -> None:
    net, x = network(1.0, 7), points(4, 8)
    wrong = (net(x).argmax(1) + 1) % 4
    assert not bool(proof_of(net, x).holds(x, wrong, torch.full((4,), 1e-9), "linf").any())
    net[4].weight.data[1] = net[4].weight.data[0]
    net[4].bias.data[1] = net[4].bias.data[0]
    x = x[net(x).argmax(1) == 0]
    assert not bool(proof_of(net, x).holds(x, torch.zeros(len(x)).long(), torch.full((len(x),), 1e-9), "linf").any())


def test_nothing_is_proved_about_other_networks() -> None:
    images = Images(points(3, 1).float(), torch.tensor([0, 1, 1]))
    deep = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 2))
    concave = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), RePU(0.5), nn.Linear(5, 2))
    for net in (deep, concave, nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), nn.Sequential(nn.Flatten(), nn.Tanh())):
        assert certificate(net, "pixel", images.x) is None
    assert certificate(lambda x: x, "pixel", images.x) is None
    for made in (perceptron(images, units=4), krotov_hopfield(images, units=4)):
        assert certificate(made, "pixel", images.x) is None  # the unit norm is not linear
        assert certificate(made, "unit", made.norm(images.x)) is not None


def test_a_network_that_is_not_what_it_says_is_not_believed() -> None:
    class Other(nn.Sequential):
        def as_layers(self, place: str) -> object:
            from eigencode.representation.layers import chain

            return chain(self.children())

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * torch.tensor([1.0, 0.9, 1.0, 1.0])

    honest, x = network(1.0, 10, torch.float32), points(20, 11, torch.float32)
    lying = Other(*honest.children()).eval()
    y, eps = honest(x).argmax(1), torch.full((20,), 1e-6)
    assert bool(proof_of(honest, x).holds(x, y, eps, "linf").any())
    assert certificate(lying, "pixel", x) is None
