"""The step that trains the local layers of a network by a local rule."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eigencode.models.local_network import convergence, initialise, local_layers
from eigencode.study._catalogue import make, modules
from eigencode.study._choice import Choice
from eigencode.study.step import Inputs
from eigencode.study.steps.initial import Initial
from eigencode.study.steps.network import Training, keep, network
from eigencode.training._layer_inputs import settle_all, without_statistics
from eigencode.training.local import train_local


@dataclass(frozen=True)
class LocallyTrained(Training):
    """A network whose local layers have been trained by a local rule."""

    start: Initial
    local: dict[str, Any]
    name: ClassVar[str] = "local"
    held: ClassVar[dict[str, str]] = {"convergence": "convergence"}

    @property
    def rule(self) -> Choice | None:
        """Name and settings of the rule; None: the one with which each layer was built."""
        return None if self.local["rule"] is None else Choice(**self.local["rule"])

    def uses(self) -> tuple[str, ...]:
        return self.start.uses() if self.rule is None else tuple(modules("rules", self.rule))

    @property
    def per_epoch(self) -> int:
        return -(-min(self.images, self.local["images"] or self.images) // int(self.local["batch_size"]))

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = network(inputs.folder(self.start), self.origin.get("where"))
        settings = {k: v for k, v in self.local.items() if k not in ("rule", "images")}
        rule = None
        for name, layer in local_layers(net).items() if self.rule is not None else ():
            rule = make("rules", self.rule, **layer.rule.layer_settings)  # type: ignore[arg-type]
            initialise(net, rule, self.seed, name)
        train, _ = self.training_images()
        some, checkpoint = train[: self.local["images"] or len(train)], self.checkpoint(inputs)
        settings |= {"seed": self.seed, "checkpoint": checkpoint, "stop": self.epoch}
        with self.continued():
            record = train_local(net, some, rule, **settings)
        if self.stop is not None:  # the layers behind the one that learns are measured too
            settle_all(net, some, without_statistics(net, some))
        self.finish(net, record, folder, inputs)
        keep(convergence(net), folder / "convergence")
