"""The fast gradient (sign) method: one gradient, one step."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from eigencode.base.types import Bounds, Norm
from eigencode.robustness.balls import check_norm, per_image, steepest
from eigencode.robustness.draws import Draws
from eigencode.robustness.losses import check_loss
from eigencode.robustness.oracle import Goal, Oracle
from eigencode.robustness.protocol import Perturbation


@dataclass(frozen=True)
class FGSM(Perturbation):
    """x + eps · d, d the steepest direction of the loss at x: sign(∇L) for linf, ∇L/‖∇L‖₂ for l2 (“FGM”).

    One gradient per image serves every eps.  For l1 all of eps goes to the pixel of largest gradient.

    Args:
        norm: `"linf"` (default), `"l2"` or `"l1"`.
        loss: `"cross_entropy"` (default), `"margin"` or `"dlr"`.

    Source: Goodfellow, Shlens and Szegedy 2015, arXiv 1412.6572, section 4.

    >>> import torch
    >>> x, y = torch.tensor([[0.6, 0.5]]), torch.tensor([0])
    >>> found = FGSM()(lambda x: x, x, y, eps=0.1)
    >>> found.clipped, found.success
    (tensor([[0.5000, 0.6000]]), tensor([True]))
    """

    norm: Norm = "linf"
    loss: str = "cross_entropy"
    ray: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_norm(self.norm)
        check_loss(self.loss)

    def prepare(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Float[Tensor, "n *image"]:
        return steepest(model.gradient(x, goal, self.loss)[0], self.norm)

    def run(
        self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None
    ) -> Float[Tensor, "n *image"]:
        assert prepared is not None
        return x + per_image(eps, x) * prepared
