"""The step that initialises a network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from eigencode.base.types import Images
from eigencode.models.files import KINDS, builder
from eigencode.study.step import Inputs
from eigencode.study.steps.network import NetworkStep

RULES = {
    "krotov_hopfield": ("eigencode.rules.krotov_hopfield",),
    "softhebb": ("eigencode.rules.softhebb",),
    "softhebb_dense": ("eigencode.rules.softhebb",),
}
"""The modules of the rules that draw the initial weights, by the kind of the network."""


@dataclass(frozen=True)
class Initial(NetworkStep):
    """An untrained network with random weights."""

    architecture: dict[str, Any]
    name: ClassVar[str] = "initial"

    @property
    def origin(self) -> dict[str, Any]:
        where = self.architecture.get("network")
        return {"where": where, "settings": self.architecture["settings"]} if where else {}

    def uses(self) -> tuple[str, ...]:
        if self.origin:
            return (self.origin["where"].partition(":")[0],)
        kind = self.architecture["kind"]
        return (KINDS[kind], *RULES.get(kind, ()))

    def run(self, folder: Path, inputs: Inputs) -> None:
        self.write(untrained(self.architecture, self.data.pair()[0], self.seed), folder)


def untrained(settings: dict[str, Any], train: Images, seed: int) -> nn.Module:
    """Build an untrained network from its settings, for images of this shape and these classes."""
    if "network" in settings:
        from eigencode.models.factory import build  # here: only for networks from outside this package

        return build(settings["network"], settings["settings"], seed)
    return builder(settings["kind"])(train, seed=seed, **{k: v for k, v in settings.items() if k != "kind"})
