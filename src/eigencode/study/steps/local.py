"""The step that trains the encoder of a network by a local rule."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eigencode.models.local import convergence, initialise, local_layer
from eigencode.study._catalogue import make, modules
from eigencode.study._choice import Choice
from eigencode.study.step import Inputs
from eigencode.study.steps.initial import Initial
from eigencode.study.steps.network import Training, keep, network
from eigencode.training.local import train_local


@dataclass(frozen=True)
class LocallyTrained(Training):
    """A network whose encoder has been trained by a local rule."""

    start: Initial
    local: dict[str, Any]
    name: ClassVar[str] = "local"
    held: ClassVar[dict[str, str]] = {"convergence": "convergence"}

    @property
    def rule(self) -> Choice:
        """Name and settings of the rule."""
        return Choice(**self.local["rule"])

    def uses(self) -> tuple[str, ...]:
        return tuple(modules("rules", self.rule))

    @property
    def per_epoch(self) -> int:
        return -(-min(self.images, self.local["images"] or self.images) // int(self.local["batch_size"]))

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = network(inputs.folder(self.start), self.origin.get("where"))
        settings = {k: v for k, v in self.local.items() if k not in ("rule", "images")}
        rule = make("rules", self.rule, **local_layer(net).rule.layer_settings)  # type: ignore[arg-type]
        initialise(net, rule, self.seed)
        train, _ = self.training_images()
        some, checkpoint = train[: self.local["images"] or len(train)], self.checkpoint(inputs)
        settings |= {"seed": self.seed, "checkpoint": checkpoint, "stop": self.epoch}
        with self.continued():
            record = train_local(net, some, rule, **settings)
        self.finish(net, record, folder, inputs)
        keep(convergence(net), folder / "convergence")
