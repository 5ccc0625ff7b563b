"""Pruning finds the units that never left their start, and nothing where there are none (D6)."""

import math

import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import Stack, krotov_hopfield, prune


def network(weight: Tensor) -> Stack:
    shape = {64: (1, 8, 8), 784: (1, 28, 28)}[weight.shape[1]]
    images = Images(torch.ones(2, *shape), torch.tensor([0, 1]))
    net = krotov_hopfield(images, units=len(weight))
    with torch.no_grad():
        net.encoder.weight.copy_(weight)
    return net


def learned(kind: str, units: int, seed: int, inputs: int = 64) -> Tensor:
    """Units on the radius whose log-variances differ because their fields are more or less sparse."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(units, 1, generator=g)
    sparsity = {
        "equal": torch.full((units, 1), 2.0),
        "lognormal": (0.7 + 0.3 * z).exp().clamp(0.5, 8),
        "heavy": (0.7 + 0.3 * z / torch.randn(units, 1, generator=g).abs().clamp_min(0.1)).exp().clamp(0.3, 12),
        "bimodal": torch.where(z < 0, 1.0, 5.0),
    }[kind]
    field = torch.randn(units, inputs, generator=g)
    field = field.sign() * field.abs() ** sparsity
    return field / torch.linalg.vector_norm(field, 3.0, dim=1, keepdim=True)


def with_noise(weight: Tensor, count: int, seed: int) -> tuple[Tensor, list[int]]:
    g = torch.Generator().manual_seed(1000 + seed)
    chosen = torch.randperm(len(weight), generator=g)[:count]
    weight = weight.clone()
    weight[chosen] = torch.randn(count, weight.shape[1], generator=g)
    return weight, sorted(chosen.tolist())


@pytest.mark.parametrize("kind", ["equal", "lognormal", "heavy", "bimodal"])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_to_prune_in_a_healthy_layer(kind: str, seed: int) -> None:
    weight = learned(kind, 400, seed)
    found = prune(network(weight), seed=seed)
    assert found.indices.tolist() == []
    assert found.spared == found.candidates
    if kind == "bimodal":  # two kinds of field are two components, and still nothing is noise
        assert found.components > 1
        assert found.spared > 0


@pytest.mark.parametrize("spread", [0.05, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_one_gaussian_population_is_one_component(spread: float, seed: int) -> None:
    """Log-normal variances, none of the units converged: only BIC can say that there is nothing to prune here."""
    g = torch.Generator().manual_seed(seed)
    weight = torch.randn(400, 64, generator=g, dtype=torch.float64)
    weight = (weight - weight.mean(1, keepdim=True)) / weight.std(1, correction=0, keepdim=True)
    weight *= (-2 + spread * torch.randn(400, 1, generator=g, dtype=torch.float64)).exp()
    found = prune(network(weight.float()))
    assert (found.components, found.threshold, found.candidates) == (1, math.inf, 0)
    assert found.indices.tolist() == []


def test_always_taking_several_components_would_prune_much_of_a_healthy_layer() -> None:
    """What a test that can never conclude "one component" does to the same layer."""
    weight = learned("lognormal", 400, 0)
    log_variance = weight.double().var(1, correction=0).log()[:, None].numpy()
    centres = sorted(GaussianMixture(2, n_init=5, random_state=0).fit(log_variance).means_.ravel())
    assert int((log_variance > sum(centres) / 2).sum()) > 40
    assert len(prune(network(weight)).indices) == 0


@pytest.mark.parametrize("kind", ["equal", "lognormal", "heavy", "bimodal"])
@pytest.mark.parametrize(("units", "inputs"), [(100, 64), (400, 64), (400, 784), (1000, 64)])
def test_exactly_the_planted_leftovers(kind: str, units: int, inputs: int) -> None:
    for seed in range(2):
        weight, planted = with_noise(learned(kind, units, seed, inputs), 34, seed)
        found = prune(network(weight), seed=seed)
        assert found.indices.tolist() == planted
        assert found.components > 1
        assert -7 < found.threshold < 0


@pytest.mark.parametrize(
    ("units", "share", "seed"), [(400, 0.5, 24), (1000, 0.5, 7), (1000, 0.5, 19), (1000, 0.8, 1), (1000, 0.05, 1)]
)
def test_many_leftovers_are_one_population(units: int, share: float, seed: int) -> None:
    """A mixture cuts a large population in two (the first three do); half of the noise must not be kept for that."""
    weight, planted = with_noise(learned("equal", units, seed), round(units * share), seed)
    found = prune(network(weight))
    assert found.indices.tolist() == planted
    if share == 0.5:
        assert float(found.means[-2]) > found.threshold  # two components lie in the noise


@pytest.mark.parametrize("seed", range(3))
def test_units_on_their_way_are_not_taken_for_noise(seed: int) -> None:
    weight, planted = with_noise(learned("equal", 400, seed), 34, seed)
    g = torch.Generator().manual_seed(seed)
    moving = [i for i in range(400) if i not in planted][:60]
    weight[moving] *= 1.2 + 0.6 * torch.rand(60, 1, generator=g)
    found = prune(network(weight))
    assert found.indices.tolist() == planted


def test_the_number_of_components_has_the_smallest_bic() -> None:
    found = prune(network(with_noise(learned("equal", 400, 0), 34, 0)[0]))
    assert len(found.bic) == 4
    assert int(found.bic.argmin()) + 1 == found.components == len(found.means)
    torch.testing.assert_close(found.means, found.means.sort().values, rtol=0, atol=0)
    values = found.log_variance[:, None].numpy()
    one = GaussianMixture(1).fit(values)
    likelihood = -0.5 * (values.size * (math.log(2 * math.pi * one.covariances_.item()) + 1))
    torch.testing.assert_close(float(found.bic[0]), -2 * likelihood + 2 * math.log(400), rtol=1e-4, atol=0)


def test_log_variances_are_those_of_the_weights() -> None:
    weight = learned("equal", 50, 0)
    wanted = torch.tensor([math.log(sum((v - sum(r) / 64) ** 2 for v in r) / 64) for r in weight.double().tolist()])
    torch.testing.assert_close(prune(network(weight)).log_variance, wanted.double(), rtol=1e-6, atol=0)


def test_applying_sets_weights_of_a_copy_to_zero(leaves_no_trace) -> None:
    weight, planted = with_noise(learned("equal", 100, 0), 10, 0)
    net = network(weight)
    found = prune(net)
    leaves_no_trace(net, torch.rand(2, 1, 8, 8), lambda: (prune(net), found.apply(net)))
    pruned = found.apply(net)
    kept = [i for i in range(100) if i not in planted]
    torch.testing.assert_close(pruned.encoder.weight[kept], net.encoder.weight[kept], rtol=0, atol=0)
    torch.testing.assert_close(pruned.encoder.weight[planted], torch.zeros(10, 64), rtol=0, atol=0)
    torch.testing.assert_close(pruned.readout.state_dict(), net.readout.state_dict(), rtol=0, atol=0)


def test_pruning_is_reproducible_and_survives_dead_and_equal_units() -> None:
    weight = learned("equal", 60, 0)
    weight[3] = 0
    first, second = prune(network(weight)), prune(network(weight))
    torch.testing.assert_close(first.tensors(), second.tensors(), rtol=0, atol=0)
    assert 3 not in first.indices.tolist()
    same = prune(network(weight[:1].expand(5, 64)))
    assert (same.components, same.indices.tolist()) == (1, [])


def test_at_least_one_component() -> None:
    with pytest.raises(InputError, match="max_components"):
        prune(network(learned("equal", 10, 0)), max_components=0)
