"""Numbers for display: few digits, and not more points than a screen or a file has room for."""

import base64
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor


def room(characters: int, count: int, each: float, low: int, high: int) -> int:
    """Points per curve so that `count` curves of `each` characters per point take at most `characters`.

    >>> room(1000, 5, 2, 10, 80), room(1000, 500, 2, 10, 80), room(10**6, 1, 2, 10, 80)
    (80, 10, 80)
    """
    return max(low, min(high, int(characters / max(1.0, count * each))))


def picked(count: int, points: int) -> list[int]:
    """At most `points` of the places 0 .. count − 1, evenly spaced, both ends among them.

    >>> picked(5, 9), picked(9, 3)
    ([0, 1, 2, 3, 4], [0, 4, 8])
    """
    if count <= points:
        return list(range(count))
    return sorted({round(float(v)) for v in np.linspace(0, count - 1, max(2, points))})


def digits(values: Tensor | Iterable[float], significant: int = 4) -> list[float]:
    """Numbers to a few significant digits; they are for eyes.

    >>> digits([0.123456, 1234567.0, 0.0])
    [0.1235, 1235000.0, 0.0]
    """
    listed = values.tolist() if isinstance(values, Tensor) else values
    return [float(f"{v:.{significant}g}") for v in listed]


def over_seeds(values: list[Tensor], points: list[int]) -> dict[str, list[float]]:
    """Mean, smallest and largest over seeds at the picked points."""
    together = torch.stack([v.double() for v in values])[:, points]
    parts = {"mean": together.mean(0), "low": together.amin(0), "high": together.amax(0)}
    return {name: digits(part) for name, part in parts.items()}


def packed(values: np.ndarray) -> str:
    """Bytes of an array, little-endian, as base64: to the last bit and a third longer than the bytes.

    >>> packed(np.array([1.0]))
    'AAAAAAAA8D8='
    """
    array = np.ascontiguousarray(values)
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
