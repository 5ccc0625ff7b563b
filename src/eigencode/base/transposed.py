"""Low-precision matrix products on processors, in the layout in which they are fast."""

import torch
from torch import Tensor


def transposed_gradient(h: Tensor) -> Tensor:
    """h itself; where it is the output of a bfloat16 product on a processor, its gradient will be laid out by units.

    The gradient of the weights of h = x Wᵀ is (∂L/∂h)ᵀ x, and the bfloat16 product of a processor is slow where its
    first operand is a transposed view: copying it first takes less time than that costs.  The numbers are the same.

    >>> transposed_gradient(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    if h.dtype == torch.bfloat16 and h.device.type == "cpu" and h.requires_grad and h.ndim == 2:
        h.register_hook(lambda gradient: gradient.t().contiguous().t())  # type: ignore[no-untyped-call]
    return h
