"""Square attack: random search without any gradient."""

from dataclasses import dataclass

from eigencode.base.types import Norm
from eigencode.robustness._squares import RandomSquares


@dataclass(frozen=True)
class Square(RandomSquares):
    """Square attack: tries random squares of ±eps per channel and keeps those that reduce the margin.

    Starts from vertical stripes of ±eps.  The squares cover a share `share` of the image at first, which is halved
    at 0.1 %, 0.5 %, 2 %, 5 %, 10 %, 20 %, 40 %, 60 % and 80 % of the steps.

    Args:
        steps: squares tried, one forward pass each.
        share: first share of the image covered by a square.

    Source: Andriushchenko et al. 2020, arXiv 1912.00049, algorithms 1 and 2.  Differs from it in l2 and l1, where the
    same coloured squares are added and the sum is scaled back to the surface of the ball.

    >>> import torch
    >>> x, y = torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0])
    >>> Square(steps=20)(lambda x: x.flatten(1), x, y, eps=0.06).success
    tensor([True])
    """

    norm: Norm = "linf"
    steps: int = 500
    share: float = 0.8
