"""Maps of a network on a plane through test images."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from eigencode.base.errors import InputError
from eigencode.geometry.landscape import landscape, landscape_through
from eigencode.study.step import Inputs
from eigencode.study.steps.network import Measure, network


@dataclass(frozen=True)
class LandscapeOf(Measure):
    """A `Landscape` around one test image (directions seeded by its number), or through three."""

    image: int | tuple[int, int, int]
    place: str
    space: str
    radius: float
    relative: bool
    points: int
    name: ClassVar[str] = "landscape"

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        net = network(inputs.folder(self.net))
        chosen = (self.image,) if isinstance(self.image, int) else tuple(self.image)
        if max(chosen) >= len(test):
            raise InputError("no such test image", got=max(chosen), wanted=f"0 .. {len(test) - 1}")
        images = [test[i : i + 1].x[0] for i in chosen]
        common = {"place": self.place, "space": self.space, "points": self.points}
        if len(images) == 1:
            seen = {"radius": self.radius, "relative": self.relative, "seed": chosen[0]}
            found = landscape(net, images[0], **common, **seen)  # type: ignore[arg-type]
        else:
            found = landscape_through(net, *images, **common)  # type: ignore[arg-type]
        found.save(folder)
