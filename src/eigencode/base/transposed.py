"""Memory layout for fast bfloat16 matrix products on a CPU."""

import torch
from torch import Tensor


def transposed_gradient(h: Tensor) -> Tensor:
    """Return h, and make the transpose of its gradient contiguous if h is a bfloat16 product on a CPU.

    The gradient of the weights of h = x Wᵀ is (∂L/∂h)ᵀ x, and a bfloat16 product on a CPU is slow if its first operand
    is a transposed view.  Copying the gradient first is faster and gives the same numbers.

    >>> transposed_gradient(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    if h.dtype == torch.bfloat16 and h.device.type == "cpu" and h.requires_grad and h.ndim == 2:
        h.register_hook(lambda gradient: gradient.t().contiguous().t())  # type: ignore[no-untyped-call]
    return h
