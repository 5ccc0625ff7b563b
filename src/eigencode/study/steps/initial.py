"""The step that initialises a network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from eigencode.base.errors import InputError
from eigencode.base.files import file_sha256
from eigencode.base.types import Images
from eigencode.models._wrapped import unwrapped
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
    """A network with random weights, or with those of a file.

    The hash of the file is part of the `architecture`, and so of the key; its path is not.
    """

    architecture: dict[str, Any]
    weights: str = ""
    name: ClassVar[str] = "initial"
    label_only: ClassVar[tuple[str, ...]] = ("weights",)

    @property
    def origin(self) -> dict[str, Any]:
        where = self.architecture.get("factory")
        return {"where": where, "settings": self.architecture["settings"]} if where else {}

    def uses(self) -> tuple[str, ...]:
        if self.origin:
            return (self.origin["where"].partition(":")[0],)
        kind = self.architecture["kind"]
        return (KINDS[kind], *RULES.get(kind, ()))

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = untrained(self.architecture, self.data.pair()[0], self.seed)
        if self.weights:
            from eigencode.models.checkpoint import load_weights

            path = Path(self.weights).expanduser()
            if file_sha256(path) != self.architecture["weights"]:
                raise InputError(f"{path} has changed since the study was read", fix="run the study again")
            load_weights(unwrapped(net), path)
        self.write(net, folder)


def untrained(settings: dict[str, Any], train: Images, seed: int) -> nn.Module:
    """Build an untrained network from its settings, for images of this shape and these classes."""
    if "factory" in settings:
        from eigencode.models.factory import build  # here: only for networks from outside this package

        return build(settings["factory"], settings["settings"], seed)
    return builder(settings["kind"])(train, seed=seed, **{k: v for k, v in settings.items() if k != "kind"})
