"""Margins of correctly classified images, and their distances to the runner-up class in the linearised network."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.record import Record, host
from eigencode.base.types import Bounds, Images, Norm, Space
from eigencode.representation._modes import borrowed
from eigencode.robustness._balls import DUAL, length
from eigencode.robustness.subject import Subject, Subset


@dataclass(frozen=True)
class Margins(Record):
    """Margin of each correctly classified image, the logit of its class minus the next largest one.

    Attributes:
        index: number of each image in the data set.
        margin: in units of the logits.
        distance: margin / ‖∂margin/∂x‖ in the dual of `norm`; infinite without a gradient.
        n, n_correct: number of images considered, and of those classified correctly.
        groups: as in `CriticalSizes`.
    """

    index: Int[Tensor, " image"]
    margin: Float[Tensor, " image"]
    distance: Float[Tensor, " image"]
    n: int
    n_correct: int
    norm: Norm
    space: Space
    groups: Int[Tensor, " image"] | None = None


def margins(
    net: object, test: Images, norm: Norm, space: Space, *, subset: Subset = None, batch_size: int = 1000
) -> Margins:
    """Measure margins, and the perturbations at which the runner-up would win if the network were linear.

    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2, bias=False))
    >>> _ = net[1].weight.data.copy_(torch.eye(2))
    >>> test = Images(torch.tensor([[0.7, 0.4]]).reshape(1, 1, 1, 2), torch.tensor([0]))
    >>> found = margins(net, test, "l2", "pixel")
    >>> round(float(found.margin), 3), round(float(found.distance), 3)
    (0.3, 0.212)
    """
    subject = Subject(net, test, space, subset, batch_size=batch_size)
    parts = [torch.zeros(2, 0, dtype=torch.float64)]
    with borrowed(subject.model.logits):
        for batch in subject.batches("margins", Bounds.none()):
            slope, gap, _ = subject.model.gradient(batch.x, batch.goal, "margin")
            speed = length(slope, DUAL[norm]).double()
            parts.append(torch.stack([gap.double(), torch.where(speed > 0, gap.double() / speed, torch.inf)]).cpu())
    margin, distance = torch.cat(parts, 1)
    return Margins(
        *(subject.attacked(), host(margin), host(distance), subject.n, subject.n_correct, norm, space),
        groups=subject.groups(subject.correct),
    )
