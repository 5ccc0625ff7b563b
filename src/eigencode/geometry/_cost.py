"""Work and memory of one evaluation of a function, per image."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True)
class Cost:
    """Per image: floating-point operations of products and convolutions, numbers computed, the most at once."""

    operations: int = 0
    numbers: int = 1
    widest: int = 1


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records (numbers, floating-point operations) of every operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[tuple[int, int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if isinstance(out, Tensor):
            count = flop_registry.get(func._overloadpacket)
            work = count(*args, **kwargs, out_val=out) if count is not None else 0
            self.seen.append((out.numel(), int(work)))
        return out


@torch.no_grad()
def cost(function: Callable[[Tensor], Any], one: Float[Tensor, "1 *image"]) -> Cost:
    """Cost of one more image: the difference between two images and one, so that weights do not count.

    Zero operations for a function that cannot be watched, such as a compiled one.

    >>> cost(torch.nn.Linear(3, 2), torch.ones(1, 3))
    Cost(operations=12, numbers=2, widest=2)
    """
    counts = []
    try:
        for x in (one, torch.cat([one, one])):
            with _Counter() as counter:
                function(x)
            counts.append(counter.seen)
    except Exception:  # somebody else's operators may refuse to be watched
        return Cost(numbers=one.numel(), widest=one.numel())
    single, double = counts
    if len(single) != len(double):
        return Cost(sum(w for _, w in single), sum(n for n, _ in single), max((n for n, _ in single), default=1))
    more = [(m - n, v - w) for (n, w), (m, v) in zip(single, double, strict=True)]
    return Cost(sum(w for _, w in more), max(1, sum(n for n, _ in more)), max([1, *(n for n, _ in more)]))
