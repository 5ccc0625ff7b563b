"""Learning-rate schedules as functions of the epoch."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from eigencode.base.border import Admitted
from eigencode.base.errors import InputError

Kind = Literal["constant", "linear", "cosine", "exponential", "piecewise", "halving"]
KINDS = get_args(Kind)
HALVED_AT = (20, 35, 50, 60, 70, 80, 90)
"""Per cent of the epochs after which `halving` halves the learning rate."""


@dataclass(frozen=True)
class Schedule(Admitted):
    """Learning-rate schedule: factor that multiplies the initial learning rate in epoch e of E.

    A kind uses its own settings alone:

    kind:
        `constant`     1
        `linear`       1 − e/E
        `cosine`       (1 + cos πe/E) / 2
        `exponential`  1 until `start`, then exp(−(e − start)/scale)
        `piecewise`    `factors[i]` from `boundaries[i − 1]` on
        `halving`      halved at 20, 35, 50, 60, 70, 80 and 90 % of the epochs, rounded down, but never in epoch 0

    Source of `halving`: the read-out of SoftHebb (Journé et al., ICLR 2023, published code).

    >>> [round(Schedule("linear")(e, 4), 2) for e in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    >>> paper = Schedule("piecewise", boundaries=(30, 90, 120, 160), factors=(1, 0.5, 0.2, 0.1, 0.01))
    >>> [paper(e, 1000) for e in (0, 29, 30, 159, 160, 999)]
    [1, 1, 0.5, 0.1, 0.01, 0.01]
    >>> [Schedule("halving")(e, 50) for e in (9, 10, 16, 17, 49)]
    [1.0, 0.5, 0.5, 0.25, 0.0078125]
    """

    kind: Kind = "constant"
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
            if not all(0 <= factor < math.inf for factor in self.factors):
                raise InputError(
                    "piecewise schedule: a factor is out of range", got=self.factors, wanted="finite numbers >= 0"
                )
        elif self.kind not in KINDS:
            raise InputError("unknown schedule", got=self.kind, wanted=", ".join(KINDS))
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
            case "halving":
                return 0.5 ** sum(epoch >= max(1, epochs * percent // 100) for percent in HALVED_AT)
        return 1.0
