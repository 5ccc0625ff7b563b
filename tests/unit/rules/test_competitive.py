"""Competitive learning: its formula by loops, and the centres and inertia of scikit-learn on planted clusters."""

import pytest
import torch
from sklearn.cluster import KMeans, MiniBatchKMeans
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.rules import Competitive

RULE = Competitive()


def clusters(each: int = 150, count: int = 8, inputs: int = 5, spread: float = 0.4) -> tuple[Tensor, Tensor]:
    """Rows around planted centres, shuffled, and one row of each cluster to start from."""
    g = torch.Generator().manual_seed(3)
    centres = 3 * torch.randn(count, inputs, generator=g, dtype=torch.float64)
    x = centres.repeat(each, 1) + spread * torch.randn(each * count, inputs, generator=g, dtype=torch.float64)
    return x[torch.randperm(len(x), generator=g)], x[:count].clone()


def inertia(x: Tensor, w: Tensor) -> float:
    return float(torch.cdist(x, w).amin(1).square().sum())


def test_the_update_by_loops() -> None:
    g = torch.Generator().manual_seed(0)
    x, w = (torch.randn(n, 6, generator=g, dtype=torch.float64) for n in (20, 7))
    w *= torch.linspace(0.2, 3, 7, dtype=torch.float64)[:, None]  # so that nearest and largest current differ
    change, stepped, winners = torch.zeros_like(w), w.clone(), []
    for row in x:
        distances = [float(((row - unit) ** 2).sum()) for unit in w]
        winners.append(distances.index(min(distances)))
        change[winners[-1]] += row - w[winners[-1]]
    rows = RULE.rows(x, w)
    assert rows.winners.tolist() == winners != (x @ w.T).argmax(1).tolist()
    torch.testing.assert_close(RULE.update(x, w), change)
    for unit in set(winners):
        stepped[unit] += 0.3 * change[unit] / winners.count(unit)
    RULE.step(w, rows, 0.3)
    torch.testing.assert_close(w, stepped)


def test_whole_batches_are_iterations_of_k_means() -> None:
    x, _ = clusters(spread=2.0)  # overlapping, so that it takes many iterations
    w = x[:8].clone()
    reference = KMeans(8, init=w.numpy().copy(), n_init=1, algorithm="lloyd", tol=0, max_iter=300).fit(x.numpy())
    assert reference.n_iter_ > 10
    fallen = [inertia(x, w)]
    for _ in range(reference.n_iter_):
        RULE.step(w, RULE.rows(x, w), 1.0)
        fallen.append(inertia(x, w))
    assert fallen == sorted(fallen, reverse=True)
    torch.testing.assert_close(w, torch.from_numpy(reference.cluster_centers_))
    assert fallen[-1] == pytest.approx(reference.inertia_)


def test_small_batches_find_the_planted_centres() -> None:
    x, w = clusters()
    start = inertia(x, w)
    centres = torch.from_numpy(KMeans(8, init=w.numpy().copy(), n_init=1).fit(x.numpy()).cluster_centers_)
    other = MiniBatchKMeans(8, init=w.numpy().copy(), n_init=1, batch_size=50, random_state=0).fit(x.numpy())
    for epoch in range(10):
        for batch in x.split(50):
            RULE.step(w, RULE.rows(batch, w), 0.2 * (1 - epoch / 10))
    assert float((w - centres).norm(dim=1).max()) < 0.1
    assert inertia(x, w) < 1.005 * other.inertia_ < start
    health = RULE.health(w, torch.bincount(RULE.rows(x, w).winners, minlength=8))
    assert (health.accepted, health.wins.tolist()) == (True, [150] * 8)


def test_an_empty_cluster_is_not_converged() -> None:
    state = RULE.health(torch.ones(4, 3), torch.tensor([5, 0, -1, 1]))
    assert state.converged.tolist() == [True, False, False, True]
    with pytest.raises(InputError, match="spread is out of range"):
        Competitive(spread=0.0)
