"""Lp penalty: sum of |parameter|^p; p = 2 is the paper's L2."""

import re
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.penalties.protocol import Batch, Penalty

Selection = str | Callable[[str, nn.Parameter], bool]
"""Selected parameters: `"weights"`, `"all"`, a regular expression for dotted names, or a predicate."""


class Lp(Penalty):
    """Lp penalty Σ_θ |θ|^p over selected parameters of the network: a sum, not a mean, and no ½.

    With coefficient c and p = 2 its gradient is 2cθ, so it equals `weight_decay=2 * c` of plain SGD (and of Adam's
    coupled weight decay, not of AdamW).

    Args:
        p: exponent, >= 1.
        parameters: `"weights"` (default): every parameter with two or more dimensions, that is no biases and no
            BatchNorm; `"all"`: every parameter, as in arXiv 2405.00679; a regular expression that must match the
            whole dotted name, e.g. `"encoder.weight"` or `r".*\\.weight"`; or a function (name, parameter) -> bool.
            Frozen parameters count too, as a constant.

    Raises:
        InputError: p < 1, or nothing selected.

    >>> import torch
    >>> net = nn.Linear(2, 1)
    >>> _ = nn.init.constant_(net.weight, 3.0), nn.init.constant_(net.bias, 1.0)
    >>> batch = Batch(net, torch.zeros(5, 2))
    >>> [penalty(batch).item() for penalty in (Lp(2.0), Lp(2.0, "all"), Lp(1.0))]
    [18.0, 19.0, 6.0]

    Source: arXiv 2405.00679, table 1 (L2: p = 2, all parameters, coefficient 5e-4).
    """

    def __init__(self, p: float = 2.0, parameters: Selection = "weights") -> None:
        super().__init__()
        if not p >= 1:
            raise InputError("Lp: p is out of range", got=p, wanted="a number >= 1")
        self.p = float(p)
        self.parameters_kept = parameters

    def value(self, batch: Batch) -> Tensor:
        terms = [self._power(theta) for theta in self.selected(batch.net).values()]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def selected(self, net: nn.Module) -> dict[str, nn.Parameter]:
        """The selected parameters, by name."""
        admit(Lp.selected, locals())
        keep = self._predicate()
        found = {name: theta for name, theta in net.named_parameters() if keep(name, theta)}
        if not found:
            raise InputError(
                "Lp: no parameter selected",
                got=self.parameters_kept,
                wanted="weights, all, a regular expression for whole dotted names, or a function",
                fix=f"this network has {', '.join(name for name, _ in net.named_parameters())}",
            )
        return found

    def extra_repr(self) -> str:
        kept = self.parameters_kept
        named = kept if isinstance(kept, str) else getattr(kept, "__qualname__", type(kept).__qualname__)
        return f"p={self.p:g}, parameters={named!r}"

    def _power(self, theta: Tensor) -> Tensor:
        if self.p == 2:
            return sum_of_squares(theta)
        return theta.abs().sum() if self.p == 1 else theta.abs().pow(self.p).sum()

    def _predicate(self) -> Callable[[str, nn.Parameter], bool]:
        kept = self.parameters_kept
        if not isinstance(kept, str):
            return kept
        if kept == "all":
            return lambda name, theta: True
        if kept == "weights":
            return lambda name, theta: theta.ndim >= 2
        return lambda name, theta: re.fullmatch(kept, name) is not None


class _SumOfSquares(torch.autograd.Function):
    """Σ θ² whose gradient 2θ takes one pass over memory instead of the three of `theta.square().sum()`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(theta: Tensor) -> Tensor:
        return theta.square().sum()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        (theta,) = ctx.saved_tensors
        change: Tensor = 2 * (theta * tangent).sum()
        return change

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (theta,) = ctx.saved_tensors
        doubled: Tensor = theta * (2 * gradient)
        return doubled


def sum_of_squares(theta: Tensor) -> Float[Tensor, ""]:
    """Σ θ² over all entries of a large tensor, with a fast gradient; differentiable any number of times.

    >>> sum_of_squares(torch.tensor([[3.0, 4.0]])).item()
    25.0
    """
    total: Tensor = _SumOfSquares.apply(theta)  # type: ignore[no-untyped-call]
    return total
