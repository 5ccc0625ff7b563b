"""Spline functions of log rank, with knots as fine as the data resolve."""

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy.interpolate import BSpline
from torch import Tensor


def even_knots(ranks: int, step: float) -> np.ndarray:
    """Knots in log rank from 0 to log(ranks), about `step` apart."""
    return np.linspace(0, math.log(ranks), max(2, round(math.log(ranks) / step)) + 1)


def knots_by_width(width: np.ndarray) -> np.ndarray:
    """Knots in log rank about 1.8 mixing widths apart (at least 0.35, at most 1.6), and 2.5 ranks or more each.

    `width[k]`: spread in log rank of the population directions that sample direction k + 1 mixes.  The sample does not
    resolve finer structure of the population.
    """
    log_rank = np.log(np.arange(1, len(width) + 1))
    step = np.maximum(np.clip(1.8 * width, 0.35, 1.6), np.log1p(2.5 * np.exp(-log_rank)))
    at = np.linspace(0, log_rank[-1], 2001)
    density = 1 / np.interp(at, log_rank, step)
    count = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(at))])
    pieces = max(2, round(float(count[-1])))
    knots: np.ndarray = np.interp(np.linspace(0, count[-1], pieces + 1), count, at)
    return knots


def spline_basis(ranks: int, knots: np.ndarray) -> Float[Tensor, "ranks functions"]:
    """Cubic B-splines of log rank at ranks 1..ranks; their sum is one."""
    end = knots[-1]
    full = np.concatenate([np.zeros(3), knots, np.full(3, end)])
    at = np.clip(np.log(np.arange(1, ranks + 1)), 0, end * (1 - 1e-12))
    return torch.from_numpy(BSpline.design_matrix(at, full, 3).toarray())


def roughness(functions: int) -> Float[Tensor, "functions functions"]:
    """Roughness penalty D'D, D the second differences of spline coefficients; zero for a power law on even knots."""
    second = np.diff(np.eye(functions), n=2, axis=0)
    return torch.from_numpy(second.T @ second)
