"""Certified robustness: a proved lower bound on the size of perturbations that change the prediction."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from eigencode.base.record import Record
from eigencode.base.types import Norm
from eigencode.measures import _reweighted
from eigencode.measures.protocol import ALL, CORRECT, Measure, Reading, Some, Subject, images_of
from eigencode.representation.layers import layers_of
from eigencode.robustness._certificate import certifiable
from eigencode.robustness.certified import CertifiedSizes, certified_size
from eigencode.robustness.survival import caveats


@dataclass(frozen=True)
class CertifiedMeasure(Measure):
    """Certified sizes of correctly classified test images in unit space, see `robustness.certified_size`."""

    norm: Norm = "l2"
    images: Some = None
    kind: ClassVar[str] = "certified"
    record: ClassVar[type[Record]] = CertifiedSizes

    def label(self) -> str:
        return f"certified size, {self.norm}"

    def names(self) -> tuple[str, ...]:
        return "", "all images"

    def size_of(self, what: str) -> tuple[str, ...] | None:
        return self.norm, "unit space", *images_of(self.images, ALL if what else CORRECT)

    def fits(self, net: nn.Module) -> bool:
        return isinstance(getattr(net, "norm", None), nn.Module) and certifiable(layers_of(net, "logits"))

    def measure(self, subject: Subject) -> CertifiedSizes:
        return certified_size(subject.network, subject.some(self.images), self.norm, "unit")

    def readings(self, record: CertifiedSizes) -> Iterator[Reading]:
        where = f"median certified size, {record.norm}, {record.space} space: no attack has a smaller median"
        where += f"; rounding in {record.dtype} allowed for" * bool(record.dtype)
        yield Reading.of("", record.median, where, caveats(record.median))
        told, found = f"{where}, of all {record.n} images", record.quantile(0.5, errors_as_zero=True)
        yield Reading.of("all images", found, f"{told}; those wrong without perturbation count as 0", caveats(found))

    def draws(self, record: CertifiedSizes, what: str) -> Tensor | None:
        found = record.eps, torch.zeros(len(record.eps), dtype=torch.bool), record.index
        if what:
            return _reweighted.with_errors(*found, record.n, record.groups, record.wrong_groups)
        return _reweighted.quantile(*found, record.groups)
