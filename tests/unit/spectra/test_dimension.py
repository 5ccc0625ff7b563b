"""Dimension measures against closed forms."""

import math

import pytest
import torch

from eigencode.base.errors import InputError
from eigencode.spectra import effective_rank, entropy_rank, lidar, participation_ratio, rankme, spectrum

VALUES = torch.tensor([4.0, 1.0, 1.0, 0.0], dtype=torch.float64)


def test_participation_ratio() -> None:
    assert participation_ratio(VALUES) == pytest.approx(36 / 18)
    with pytest.raises(InputError):
        participation_ratio(torch.zeros(3, dtype=torch.float64))


def test_rankme_uses_singular_values() -> None:
    """σ = (2, 1, 1): p = (1/2, 1/4, 1/4), entropy 1.5 bits; on eigenvalues p = (2/3, 1/6, 1/6)."""
    assert rankme(VALUES, epsilon=0) == pytest.approx(2**1.5)
    assert effective_rank(VALUES) == pytest.approx(math.exp(2 / 3 * math.log(1.5) + 1 / 3 * math.log(6)))
    p = torch.tensor([0.5, 0.25, 0.25, 0.0]) + 1e-7
    assert rankme(VALUES) == pytest.approx(float(torch.exp(-(p * p.log()).sum())), rel=1e-6)


def test_rankme_of_a_matrix_is_its_published_form(rng: torch.Generator) -> None:
    x = torch.randn(50, 8, generator=rng, dtype=torch.float64)
    x = x - x.mean(0)
    sigma = torch.linalg.svdvals(x)
    p = sigma / sigma.sum() + 1e-7
    assert spectrum(x).rankme == pytest.approx(float((-(p * p.log()).sum()).exp()), rel=1e-12)


def test_entropy_rank_refuses_negative_values() -> None:
    with pytest.raises(InputError):
        entropy_rank(torch.tensor([1.0, -0.1], dtype=torch.float64))


def test_lidar_of_white_noise_around_planted_centres() -> None:
    """Centres on ± k orthogonal axes, within-object covariance σ²I: LiDAR = k."""
    k, units, sigma = 3, 5, 0.5
    axes = torch.eye(units, dtype=torch.float64)[:k]
    centres = torch.cat([axes, -axes])
    steps = sigma * units**0.5 * torch.eye(units, dtype=torch.float64)
    views = torch.cat([steps, -steps])
    e = centres[:, None] + views[None]
    assert lidar(e, epsilon=0) == pytest.approx(k, rel=1e-9)


def test_lidar_against_the_explicit_formula(rng: torch.Generator) -> None:
    e = torch.randn(20, 6, 4, generator=rng, dtype=torch.float64) + 3 * torch.randn(
        20, 1, 4, generator=rng, dtype=torch.float64
    )
    mu = e.mean(1)
    between = sum(torch.outer(m - mu.mean(0), m - mu.mean(0)) for m in mu) / 20
    within = sum(torch.outer(e[i, j] - mu[i], e[i, j] - mu[i]) for i in range(20) for j in range(6)) / 120
    values, vectors = torch.linalg.eigh(within + 1e-4 * torch.eye(4))
    root = vectors @ torch.diag(values**-0.5) @ vectors.T
    p = torch.linalg.eigvalsh(root @ between @ root)
    p = p / p.sum() + 1e-7
    assert lidar(e) == pytest.approx(float((-(p * p.log()).sum()).exp()), rel=1e-9)
    with pytest.raises(InputError):
        lidar(e[:, :1])
