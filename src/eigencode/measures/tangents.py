"""Derivative of a representation along the data beside random directions, and how straight it is along paths."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from eigencode.base.record import Record
from eigencode.base.types import Space
from eigencode.geometry.tangents import KINDS, Tangents, tangents
from eigencode.measures import _reweighted
from eigencode.measures.protocol import Measure, Reading, Some, Subject

Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class TangentsMeasure(Measure):
    """‖J t‖ along tangents of the images in units of its mean over all directions, and arc over chord along paths.

    Args:
        space: "pixel" or "unit", in which the tangents have unit length.
        images: number of test images, among which the nearest of a class are found; None: all.
        directions, steps, shift, angle: see `geometry.tangents`.
    """

    space: Space = "pixel"
    images: Some = None
    directions: Annotated[int, Field(ge=1)] = 10
    steps: Annotated[int, Field(ge=1)] = 20
    shift: Positive = 1.0
    angle: Positive = 10.0
    kind: ClassVar[str] = "tangents"
    record: ClassVar[type[Record]] = Tangents
    default_place: ClassVar[str] = "latent"

    def names(self) -> tuple[str, ...]:
        arcs = (f"{arc}, {kind}" for arc in ("arc", "arc of points") for kind in KINDS)
        return (*KINDS, "random", *arcs)

    def measure(self, subject: Subject) -> Tangents:
        return tangents(
            subject.code(self.space),
            subject.some(self.images),
            directions=self.directions,
            steps=self.steps,
            shift=self.shift,
            angle=self.angle,
            batch_size=subject.batch_size,
            seed=subject.seed,
        )

    def readings(self, record: Tangents) -> Iterator[Reading]:
        of = f"of {record.place} over test images, {record.space} space"
        for kind in (*KINDS, "random"):
            along = f"{record.directions} random directions" if kind == "random" else f"the unit tangent “{kind}”"
            said = f"median {of} of ‖J t‖ along {along}, in units of ‖J‖_F / √{record.inputs}"
            yield Reading.of(kind, record.ratio(kind), said)
        moves = f"{record.steps} steps, shifts of {record.shift:g} pixels, rotations of {record.angle:g}°"
        for name, points in (("arc", False), ("arc of points", True)):
            for kind in KINDS:
                said = f"median {of if name == 'arc' else 'over test images, of the points themselves'}"
                said += f" of arc over chord along the path “{kind}”, {moves}"
                yield Reading.of(f"{name}, {kind}", record.arc_length(kind, points), said)

    def draws(self, record: Tangents, what: str) -> Tensor | None:
        arc, kind = what.rpartition(", ")[::2]
        row = KINDS.index(kind) if kind in KINDS else 0
        values = {"": record.ratios(kind), "arc": record.arc[row], "arc of points": record.arc_of_points[row]}[arc]
        index = (~values.isnan()).nonzero()[:, 0]
        groups = None if record.groups is None else record.groups[index]
        whole = torch.zeros(len(index), dtype=torch.bool)
        return _reweighted.quantile(values[index], whole, index, groups) if len(index) else None
