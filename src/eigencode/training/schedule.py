"""Learning-rate schedules as functions of the epoch."""

import math
from dataclasses import dataclass
from typing import Literal

from eigencode.base.border import Admitted
from eigencode.base.errors import InputError


@dataclass(frozen=True)
class Schedule(Admitted):
    """Learning-rate schedule: factor that multiplies the initial learning rate in epoch e of E.

    kind:
        `constant`     1
        `linear`       1 − e/E
        `cosine`       (1 + cos πe/E) / 2
        `exponential`  1 until `start`, then exp(−(e − start)/scale)
        `piecewise`    `factors[i]` from `boundaries[i − 1]` on

    >>> [round(Schedule("linear")(e, 4), 2) for e in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    >>> paper = Schedule("piecewise", boundaries=(30, 90, 120, 160), factors=(1, 0.5, 0.2, 0.1, 0.01))
    >>> [paper(e, 1000) for e in (0, 29, 30, 159, 160, 999)]
    [1, 1, 0.5, 0.1, 0.01, 0.01]
    """

    kind: Literal["constant", "linear", "cosine", "exponential", "piecewise"] = "constant"
    boundaries: tuple[int, ...] = ()
    factors: tuple[float, ...] = (1.0,)
    start: int = 0
    scale: float = 30.0

    def __post_init__(self) -> None:
        if self.kind == "piecewise":
            rising = all(a < b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False))
            if len(self.factors) != len(self.boundaries) + 1 or not rising:
                raise InputError(
                    "piecewise schedule: boundaries and factors do not fit",
                    got=f"boundaries {self.boundaries}, factors {self.factors}",
                    wanted="rising boundaries, and one factor more than boundaries",
                )
        elif self.kind not in ("constant", "linear", "cosine", "exponential"):
            raise InputError(
                "unknown schedule", got=self.kind, wanted="constant, linear, cosine, exponential, piecewise"
            )
        if not self.scale > 0:
            raise InputError("exponential schedule: scale is out of range", got=self.scale, wanted="> 0")

    def __call__(self, epoch: int, epochs: int) -> float:
        """Factor of the learning rate in epoch `epoch` = 0, 1, …, `epochs` − 1."""
        match self.kind:
            case "linear":
                return 1 - epoch / epochs
            case "cosine":
                return (1 + math.cos(math.pi * epoch / epochs)) / 2
            case "exponential":
                return math.exp(-max(0, epoch - self.start) / self.scale)
            case "piecewise":
                return self.factors[sum(epoch >= b for b in self.boundaries)]
        return 1.0
