"""AutoAttack, by the package pyautoattack."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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

CLASSES = {"apgd-dlr": 3, "apgd-t": 4}
"""Fewest classes of the attacks whose loss sorts the logits: the DLR loss and the targeted DLR loss."""


@dataclass(frozen=True)
class AutoAttack(Perturbation):
    """AutoAttack: APGD on the cross-entropy, targeted APGD on DLR, targeted FAB, and Square, in this order.

    Meant for `curve(..., exhaustive=True)` at a few eps: each value of eps is a full run (9 targets, or all other
    classes if there are fewer; 5000 queries).  Needs the package `pyautoattack`, images `N C H W` in [0, 1], and at
    least four classes; with three or two the attacks of a custom version that need no more.  Untargeted.

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
        with torch.no_grad():
            classes = model(x[:1]).shape[1]
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
                self._check_classes(attack.attacks_to_run, classes)
                for part in (attack.apgd_targeted, attack.fab):
                    part.n_target_classes = min(part.n_target_classes, classes - 1)
                points, _ = attack.run_standard_evaluation(x[rows], goal.y[rows], batch_size=len(rows))
            found[rows] = points.detach()
        return found

    def _check_classes(self, attacks: Sequence[str], classes: int) -> None:
        """Refuse attacks that need more classes, and say which of them do not."""
        possible = tuple(name for name in attacks if CLASSES.get(name, 2) <= classes)
        if len(possible) < len(attacks):
            raise InputError(
                "too few classes for AutoAttack",
                got=f"{classes} classes, {', '.join(attacks)}",
                wanted=", ".join(f"at least {n} for {name}" for name, n in CLASSES.items()),
                fix=repr(replace(self, version="custom", attacks=possible or ("apgd-ce", "fab", "square"))),
            )
