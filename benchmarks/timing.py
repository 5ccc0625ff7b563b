"""Fair timing of two ways to do one thing: alternating, best of several, the same inputs."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One row of the table.  `ratio` is straightforward / product; `wanted` the design's target."""

    work: str
    straightforward_s: float
    product_s: float
    wanted: float
    agreement: str
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.straightforward_s / self.product_s


def best(*ways: Callable[[], object], repeats: int = 5) -> list[float]:
    """The best time of each way, taken in turn so that a busy moment hits all of them."""
    times = [float("inf")] * len(ways)
    for way in ways:
        way()  # warm up: first-touch memory, kernels chosen, caches filled
    for _ in range(repeats):
        for i, way in enumerate(ways):
            began = time.perf_counter()
            way()
            times[i] = min(times[i], time.perf_counter() - began)
    return times
