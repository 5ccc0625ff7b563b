"""AutoAttack, by the package pyautoattack."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import check_norm
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness.adapters._isolation import AsModule, isolated, library
from eigencode.robustness.protocol import Perturbation

NAMES = {"linf": "Linf", "l2": "L2", "l1": "L1"}


@dataclass(frozen=True)
class AutoAttack(Perturbation):
    """AutoAttack: APGD on the cross-entropy, targeted APGD on DLR, targeted FAB, and Square, in this order.

    Meant for `curve(..., exhaustive=True)` at a few eps: each value of eps is a full run (9 targets, 5000 queries).
    Needs the package `pyautoattack`, images `N C H W` in [0, 1], and at least four classes.  Untargeted.

    Args:
        version: `"standard"`; `"plus"` and `"rand"` as in the package; `"custom"` with `attacks`.
        attacks: for `"custom"`, e.g. `("apgd-ce", "square")`.

    Source: Croce and Hein 2020, arXiv 2003.01690.
    """

    norm: Norm = "linf"
    version: Literal["standard", "plus", "rand", "custom"] = "standard"
    attacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_norm(self.norm)
        if bool(self.attacks) != (self.version == "custom"):
            raise InputError(
                "attacks are named for the custom version, and only for it",
                got=f"version={self.version!r}, attacks={self.attacks}",
                fix='AutoAttack(version="custom", attacks=("apgd-ce", "square"))',
            )

    def prepare(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Tensor:
        return draws.seeds().to(x.device)

    def run(self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None) -> Tensor:
        assert prepared is not None
        if goal.target is not None or (bounds.lower, bounds.upper) != (0.0, 1.0) or x.ndim != 4:
            raise InputError("AutoAttack is untargeted, on images N C H W in [0, 1]", got=f"{tuple(x.shape)}, {bounds}")
        package = library("pyautoattack", "pyautoattack")
        found = x.clone()
        for radius in torch.unique(eps[eps > 0]):
            rows = (eps == radius).nonzero()[:, 0]
            seed = int(prepared[rows[0]]) % 2**31
            with isolated(seed):
                attack = package.AutoAttack(
                    AsModule(model),
                    norm=NAMES[self.norm],
                    eps=float(radius),
                    version=self.version,
                    attacks=list(self.attacks) or None,
                    device=x.device,
                    seed=seed,
                )
                attack.verbose = False
                points, _ = attack.run_standard_evaluation(x[rows], goal.y[rows], batch_size=len(rows))
            found[rows] = points.detach()
        return found
