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
