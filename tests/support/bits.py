"""Everything in a result, for comparison bit by bit."""

from typing import Any

from torch import Tensor

from eigencode.base.record import Record


def bits(found: Any) -> Any:
    """Everything in a result but the seed it carries, for comparison bit by bit."""
    if isinstance(found, Tensor):
        return (tuple(found.shape), found.detach().cpu().contiguous().numpy().tobytes())
    if isinstance(found, Record):
        return bits({**found.tensors(), **found.scalars()})
    if isinstance(found, dict):
        return {k: bits(v) for k, v in found.items() if k != "seed"}
    if isinstance(found, list | tuple):
        return [bits(v) for v in found]
    if hasattr(found, "__dict__"):
        return bits(vars(found))
    return repr(found)
