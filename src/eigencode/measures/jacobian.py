"""Smoothness of a representation: Frobenius norm of its Jacobian ‖∂z/∂x‖_F over test images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from eigencode.base.record import Record
from eigencode.base.types import Space
from eigencode.geometry._plan import Method
from eigencode.geometry._trust import zeros
from eigencode.geometry.jacobian import JacobianNorm, jacobian_norm
from eigencode.measures import _reweighted
from eigencode.measures.protocol import Count, Measure, Reading, Some, Subject

QUARTILES = {"lower quartile": 0.25, "upper quartile": 0.75}


@dataclass(frozen=True)
class JacobianMeasure(Measure):
    """Frobenius norm of the Jacobian of a representation with respect to the image, see `ec.jacobian_norm`.

    Args:
        space: the space of the images, "unit" (after the network's `norm`) or "pixel".
    """

    space: Space = "unit"
    images: Some = None
    method: Method = "auto"
    projections: Count = 100
    kind: ClassVar[str] = "jacobian"
    record: ClassVar[type[Record]] = JacobianNorm
    default_place: ClassVar[str] = "latent"

    def label(self) -> str:
        return "Jacobian norm"

    def names(self) -> tuple[str, ...]:
        return "", "mean", "lower quartile", "upper quartile", "sampling error"

    def measure(self, subject: Subject) -> JacobianNorm:
        x = subject.some(self.images)
        common = {"projections": self.projections, "batch_size": subject.batch_size, "seed": subject.seed}
        return jacobian_norm(subject.code(self.space), x, self.method, **common)  # type: ignore[arg-type]

    def readings(self, record: JacobianNorm) -> Iterator[Reading]:
        where = f"‖∂z/∂x‖_F of {record.place} over {len(record)} test images, {record.space} space"
        yield Reading.of("", record.median, f"median of {where}", (*zeros(record.value), *record.doubts))
        yield Reading.of("mean", record.mean, f"mean of {where}")
        for name, q in QUARTILES.items():
            yield Reading(name, float(record.value.quantile(q)), convention=f"{name} of {where}")
        share = float((record.standard_error / record.value).nanmedian())
        yield Reading("sampling error", share, convention=f"median relative error from projections, {record.method}")

    def draws(self, record: JacobianNorm, what: str) -> Tensor | None:
        index = torch.arange(len(record))
        if what == "mean":
            return _reweighted.mean(record.value, index, record.groups)
        shares = {"": 0.5, **QUARTILES}
        whole = torch.zeros(len(record), dtype=torch.bool)
        return _reweighted.quantile(record.value, whole, index, record.groups, shares[what]) if what in shares else None
