"""Fast gradient sign method: one step along the gradient."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import check_norm, fill, per_image, unit
from eigencode.robustness._draws import Draws
from eigencode.robustness._losses import check_loss
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness.protocol import Perturbation


@dataclass(frozen=True)
class FGSM(Perturbation):
    """x + eps · d, d the steepest direction of the loss at x: sign(∇L) for linf, ∇L/‖∇L‖₂ for l2 (“FGM”).

    For l1 the pixels of steepest gradient are moved to the bound of the box, one after the other, until eps is used
    up.  The gradient at x is computed once for all eps.

    Args:
        loss: a name of `losses.LOSSES`; `"log_odds"` by default, with the steps of the cross-entropy but no underflow.

    Source: Goodfellow, Shlens and Szegedy 2015, arXiv 1412.6572, section 4.

    >>> import torch
    >>> x, y = torch.tensor([[0.6, 0.5]]), torch.tensor([0])
    >>> found = FGSM()(lambda x: x, x, y, eps=0.1)
    >>> found.clipped, found.success
    (tensor([[0.5000, 0.6000]]), tensor([True]))
    """

    norm: Norm = "linf"
    loss: str = "log_odds"
    path: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_norm(self.norm)
        check_loss(self.loss)

    def prepare(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Float[Tensor, "n *image"]:
        slope = model.gradient(x, goal, self.loss)[0]
        return slope.sign() if self.norm == "linf" else unit(slope, "l2")

    def run(self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None) -> Tensor:
        assert prepared is not None
        return fill(x, prepared, eps, bounds) if self.norm == "l1" else x + per_image(eps, x) * prepared
