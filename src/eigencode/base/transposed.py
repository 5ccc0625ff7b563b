"""Low-precision matrix products on processors, in the layout in which they are fast."""

from typing import Any

import torch
from torch import Tensor


class _Transposed(torch.autograd.Function):
    """The identity; its gradient, N x units, comes with the layout of a transposed units x N matrix."""

    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        return h.view_as(h)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.t().contiguous().t()


def transposed_gradient(h: Tensor) -> Tensor:
    """h as it is; where it is the output of a bfloat16 product on a processor, its gradient is laid out by units.

    The gradient of the weights of h = x Wᵀ is (∂L/∂h)ᵀ x, and the bfloat16 product of a processor is slow where its
    first operand is a transposed view: copying it first takes less time than that costs.  The numbers are the same.

    >>> transposed_gradient(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    slow = h.dtype == torch.bfloat16 and h.device.type == "cpu" and h.requires_grad and h.ndim == 2
    laid_out: Tensor = _Transposed.apply(h) if slow else h  # type: ignore[no-untyped-call]
    return laid_out
