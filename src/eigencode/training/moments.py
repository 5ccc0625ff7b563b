"""Moments of a training, in epochs and in steps, and evenly spaced in the logarithm of time."""

import math
import re
from collections.abc import Sequence

from eigencode.base.border import admit
from eigencode.base.errors import InputError

TOLERANCE = 1e-6
"""A moment may miss a whole number of steps by this much, for what a division by the steps per epoch rounds off."""


def moments(chosen: str | Sequence[float], steps: int, epochs: int = 1) -> tuple[int, ...]:
    """Numbers of training steps after which to look at a network, rising and each once.

    Args:
        chosen: `"log:N"` for 0 and ⌈steps^(i / (N − 1))⌉ with i = 0 … N − 1, evenly spaced in the logarithm of time;
            or a list of moments in epochs, which may be fractions.
        steps: steps of the whole training, all layers together, ≥ 1.
        epochs: epochs of the whole training, the unit of a list.

    Raises:
        InputError: neither of these, or a moment that is no whole number of steps or lies outside of the training.

    >>> moments("log:5", 5000)
    (0, 1, 9, 71, 595, 5000)
    >>> moments([0, 0.5, 2], steps=40, epochs=4)
    (0, 5, 20)
    """
    admit(moments, locals())
    if steps < 1 or epochs < 1 or steps % epochs:
        got, wanted = f"{steps} steps in {epochs} epochs", "the same number of steps in every epoch, >= 1"
        raise InputError("moments: a training that does not exist", got=got, wanted=wanted)
    if not isinstance(chosen, str):
        found = [in_steps(n, steps // epochs) for n in chosen]
        if not all(0 <= n <= steps for n in found):
            raise InputError("a moment outside of the training", got=list(chosen), wanted=f"0 to {epochs} epochs")
        return tuple(sorted(set(found)))
    last = _count(chosen) - 1
    return tuple(sorted({0, *(math.ceil(steps ** (i / last) - TOLERANCE) for i in range(last + 1))}))


def _count(chosen: str) -> int:
    """The N of `"log:N"`."""
    if not re.fullmatch(r"log:0*([2-9]|[1-9]\d{1,3})", chosen):
        raise InputError(
            "no moments of a training", got=chosen, wanted='"log:N" with N = 2 to 9999, or a list of epochs'
        )
    return int(chosen.removeprefix("log:"))


def in_steps(epochs: float, per_epoch: int) -> int:
    """A moment in steps.

    Raises:
        InputError: it is not a whole number of steps.

    >>> in_steps(0.3, 10), in_steps(2, 7)
    (3, 14)
    """
    exact = epochs * per_epoch
    if not math.isfinite(exact) or abs(exact - round(exact)) > TOLERANCE:
        raise InputError(
            "a moment between two steps of a training",
            got=f"{epochs} epochs of {per_epoch} steps",
            wanted=f"a whole number of steps: a multiple of 1/{per_epoch}",
            fix=f"{round(exact)}/{per_epoch}" if math.isfinite(exact) else None,
        )
    return round(exact)
