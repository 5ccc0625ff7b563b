"""Maps of Jacobian norm, prediction and confidence on a plane in input space through test images."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from eigencode.base.errors import InputError
from eigencode.base.record import Record
from eigencode.base.types import Space
from eigencode.geometry.landscape import landscape, landscape_through
from eigencode.geometry.maps import Landscape
from eigencode.measures.protocol import Count, Measure, Reading, Subject


@dataclass(frozen=True)
class LandscapeMeasure(Measure):
    """Jacobian norm, prediction and confidence on a plane through test image `image`, or through three of them.

    The plane depends on the images only, so it is the same for all models and seeds.
    """

    image: Annotated[int, Field(ge=0)] | tuple[int, int, int] = 0
    space: Space = "unit"
    radius: Annotated[float, Field(gt=0)] = 20.0
    relative: bool = False
    points: Count = 100
    kind: ClassVar[str] = "landscape"
    record: ClassVar[type[Record]] = Landscape
    default_place: ClassVar[str] = "latent"

    def __post_init__(self) -> None:
        if isinstance(self.image, tuple) and (self.radius, self.relative) != (20.0, False):
            raise InputError(
                "a plane through three images has the size of their triangle",
                got=f"radius {self.radius}, relative {self.relative}",
                fix="leave out `radius` and `relative`",
            )

    def label(self) -> str:
        return f"plane through image {self.image}"

    def names(self) -> tuple[str, ...]:
        return "Jacobian norm", "roughness", "boundary"

    @property
    def chosen(self) -> tuple[int, ...]:
        """The numbers of the images."""
        return self.image if isinstance(self.image, tuple) else (self.image,)

    def check(self, units: int, images: int) -> None:
        if max(self.chosen) >= images:
            raise InputError(
                "no such test image", got=max(self.chosen), wanted=f"0 .. {images - 1}", fix=f"image = {images - 1}"
            )

    def measure(self, subject: Subject) -> Landscape:
        chosen = self.chosen
        self.check(1, len(subject.test))
        net, place, images = subject.network, subject.place, [subject.test[i : i + 1].x[0] for i in chosen]
        if len(images) > 1:
            a, b, c = images
            return landscape_through(net, a, b, c, place, self.space, self.points)
        seen = (place, self.space, self.radius, self.points)
        return landscape(net, images[0], *seen, seed=chosen[0], relative=self.relative)

    def readings(self, record: Landscape) -> Iterator[Reading]:
        where = f"{record.place}, plane of half side {record.radius:.3g}, {record.space} space"
        said = f"median of ‖∂z/∂x‖_F, {where}"
        yield Reading("Jacobian norm", float(record.jacobian.quantile(0.5)), convention=said, warnings=record.doubts)
        said = f"standard deviation of log ‖∂z/∂x‖_F, {where}"
        yield Reading("roughness", roughness(record), convention=said)
        if len(record.boundary):
            nearest, rays = float(record.boundary.min()), len(record.boundary)
            said = f"L2 distance to the nearest change of class along {rays} rays, {record.space} space"
            if math.isfinite(nearest):
                yield Reading("boundary", nearest, convention=said)
            else:
                warned = f"no other class within {record.reach:.3g}: {{name}} is at least that"
                yield Reading("boundary", record.reach, record.reach, math.inf, said, (warned,), bound=record.reach)


def roughness(view: Landscape) -> float:
    """Standard deviation of log ‖J‖ over the plane; 0 for a constant norm of any size.

    Infinite if the norm is zero somewhere but not everywhere.
    """
    if bool((view.jacobian == 0).all()):
        return 0.0
    if bool((view.jacobian == 0).any()):
        return math.inf
    return float(view.jacobian.log().std(correction=0))
