"""Reduce numbers for display: fewer digits and fewer points."""

import base64
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor


def room(characters: int, count: int, each: float, low: int, high: int) -> int:
    """Number of points per curve for `count` curves, `each` characters per point, within `characters` in total.

    >>> room(1000, 5, 2, 10, 80), room(1000, 500, 2, 10, 80), room(10**6, 1, 2, 10, 80)
    (80, 10, 80)
    """
    return max(low, min(high, int(characters / max(1.0, count * each))))


def picked(count: int, points: int) -> list[int]:
    """At most `points` of the indices 0 .. count − 1, evenly spaced, including both ends.

    >>> picked(5, 9), picked(9, 3)
    ([0, 1, 2, 3, 4], [0, 4, 8])
    """
    if count <= points:
        return list(range(count))
    return sorted({round(float(v)) for v in np.linspace(0, count - 1, max(2, points))})


def digits(values: Tensor | Iterable[float], significant: int = 4) -> list[float]:
    """Round numbers to a few significant digits.

    >>> digits([0.123456, 1234567.0, 0.0])
    [0.1235, 1235000.0, 0.0]
    """
    listed = values.tolist() if isinstance(values, Tensor) else values
    return [float(f"{v:.{significant}g}") for v in listed]


def over_seeds(values: list[Tensor], points: list[int]) -> dict[str, list[float]]:
    """Mean, smallest and largest value over seeds at the picked points."""
    together = torch.stack([v.double() for v in values])[:, points]
    parts = {"mean": together.mean(0), "low": together.amin(0), "high": together.amax(0)}
    return {name: digits(part) for name, part in parts.items()}


def packed(values: np.ndarray) -> str:
    """Encode the little-endian bytes of an array as base64, which is exact.

    >>> packed(np.array([1.0]))
    'AAAAAAAA8D8='
    """
    array = np.ascontiguousarray(values)
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
