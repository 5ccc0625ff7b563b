"""Minimum-norm attacks of foolbox: Carlini-Wagner, DeepFool, EAD, Brendel-Bethge, FMN, DDN."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from eigencode.base.errors import EigencodeError, InputError, nearest
from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import check_norm
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness.adapters._isolation import AsModule, isolated, library
from eigencode.robustness.minimal import MinimumNorm

ATTACKS: dict[str, dict[str, str]] = {
    "CW": {"l2": "L2CarliniWagnerAttack"},
    "DeepFool": {"l2": "L2DeepFoolAttack", "linf": "LinfDeepFoolAttack"},
    "EAD": {"l1": "EADAttack"},
    "BB": {
        "l2": "L2BrendelBethgeAttack",
        "linf": "LinfinityBrendelBethgeAttack",
        "l1": "L1BrendelBethgeAttack",
    },
    "FMN": {"l2": "L2FMNAttack", "linf": "LInfFMNAttack", "l1": "L1FMNAttack"},
    "DDN": {"l2": "DDNAttack"},
}
"""Short name -> norm -> class in `foolbox.attacks`."""


@dataclass(frozen=True)
class Foolbox(MinimumNorm):
    """A minimum-norm attack of foolbox by its short name: `Foolbox("CW")`, `Foolbox("BB", norm="linf")`.

    The result is checked, clipped, evaluated and moved closer to the image as for every other attack.  Needs the
    extra `eigencode[attacks]`, and `numba` for "BB".  Attacks that draw random numbers depend on the size of the batch.

    Args:
        attack: a key of `ATTACKS`.
        settings: arguments of the foolbox class, e.g. `{"steps": 50}`.

    Source: Rauber et al. 2020, “Foolbox Native”, JOSS 5(53), 2607.
    """

    attack: str
    norm: Norm = "l2"
    settings: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_norm(self.norm)
        if self.attack not in ATTACKS:
            raise InputError(
                "unknown attack of foolbox",
                got=self.attack,
                wanted=f"one of {', '.join(ATTACKS)}",
                fix=nearest(self.attack, list(ATTACKS)),
            )
        if self.norm not in ATTACKS[self.attack]:
            raise InputError(
                f"{self.attack} does not minimise this norm",
                got=self.norm,
                wanted=f"one of {', '.join(ATTACKS[self.attack])}",
            )

    def run(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Tensor:
        foolbox = library("foolbox", "foolbox")
        if self.attack == "BB":
            library("numba", "numba")  # which foolbox needs for this attack but does not install
        rows = (~model.reached(x, goal)).nonzero()[:, 0]
        found = x.clone()
        if len(rows) == 0:
            return found
        with isolated(int(draws.seeds()[0])):
            network = foolbox.PyTorchModel(AsModule(model), bounds=(bounds.lower, bounds.upper), device=x.device)
            attack = self._build(foolbox)
            try:
                _, points, _ = attack(network, x[rows], _criterion(foolbox, goal.take(rows)), epsilons=None)
            except InputError:
                raise
            except Exception as error:  # foolbox asserts and raises ValueError where, say, no starting point is found
                raise EigencodeError(f"foolbox stopped in {self.name}: {error}") from error
        found[rows] = points.detach()
        return torch.where(torch.isfinite(found), found, x)

    def _build(self, foolbox: Any) -> Any:
        kind = getattr(foolbox.attacks, ATTACKS[self.attack][self.norm])
        try:
            return kind(**self.settings)
        except TypeError as error:
            raise InputError(
                f"{kind.__name__} does not take these settings", got=dict(self.settings), wanted=str(error)
            ) from error


def _criterion(foolbox: Any, goal: Goal) -> Any:
    if goal.target is None:
        return foolbox.criteria.Misclassification(goal.y)
    return foolbox.criteria.TargetedMisclassification(goal.target)
