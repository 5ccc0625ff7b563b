"""Projected gradient descent in L∞, L2 and L1."""

from dataclasses import dataclass
from typing import Literal

from eigencode.base.types import Norm
from eigencode.robustness._descent import Descent


@dataclass(frozen=True)
class PGD(Descent):
    """PGD: `steps` gradient ascent steps on the loss, each projected onto the eps ball and the box.

    x ← Π(x + α d), d = sign(∇L) for linf, ∇L/‖∇L‖₂ for l2 and l1 (there the projection keeps the steps sparse).

    Args:
        steps: gradient steps per start.
        rel_step: α / eps; 5 / steps by default.
        step: α itself, in units of the space, instead of `rel_step`.
        random_start: start at a uniform random point of the ball, drawn once per image and scaled with eps.  With
            several starts the first one is the image itself.
        restarts: number of starts; only images not yet broken start again.
        keep: `"best"`: stop at the first success, else keep the iterate nearest to it (smallest gap of the logits);
            `"last"`: all steps, last iterate (foolbox, and the code of arXiv 2405.00679).
        loss: a name of `losses.LOSSES`; `"scale_free"` by default, `"cross_entropy"` in the publication.

    An image with zero gradient is not moved; the record counts such gradients.

    Source: Madry et al. 2018, arXiv 1706.06083, section 2.1; the projection of l1: Croce and Hein 2021, arXiv
    2103.01208, proposition 2.1.  Differs from Madry et al. by the default step, twice their 2.5 / steps, and by the
    default loss: both found nearer adversarial images in all norms on the networks they were tried on.  Theirs is
    `PGD(rel_step=2.5 / steps, loss="cross_entropy")`.

    >>> import torch
    >>> x, y = torch.tensor([[0.7, 0.5]]), torch.tensor([0])
    >>> found = PGD(steps=5)(lambda x: x, x, y, eps=0.11)
    >>> found.success, bool(found.distance <= 0.11)
    (tensor([True]), True)
    """

    norm: Norm = "linf"
    steps: int = 20
    rel_step: float | None = None
    step: float | None = None
    random_start: bool = True
    restarts: int = 1
    keep: Literal["best", "last"] = "best"
    loss: str = "scale_free"
