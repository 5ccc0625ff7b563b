"""Activations kept from one part of a training for the next: a study trains from snapshot to snapshot, step by step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor, nn

from eigencode.base.files import sha256

_TRAINING: ContextVar[str] = ContextVar("_TRAINING", default="")
_KEPT: dict[str, Tensor] = {}
"""At most one entry, and none outside of the parts of one training."""


@contextmanager
def continued(training: str, ends: bool) -> Iterator[None]:
    """Keep activations computed inside the block for the next block of the same training in this process.

    Args:
        training: identifies network, settings and code, from which with weights and images all activations follow.
        ends: this is the last block; what is kept is forgotten at its end.
    """
    token = _TRAINING.set(training)
    try:
        yield
    finally:
        _TRAINING.reset(token)
        if ends:
            _KEPT.clear()


def kept(compute: Callable[[], Tensor], *names: str, net: nn.Module, without: str = "") -> Tensor:
    """The tensor of `compute`, or the one kept; not to be changed in place.

    Args:
        names: what is computed, such as the place and the hash of the images.
        net: its weights and buffers decide the result, but for those of the layer `without`, which may learn.
    """
    training = _TRAINING.get()
    if not training:
        return compute()
    states = sorted((k, v) for k, v in net.state_dict().items() if not without or not k.startswith(f"{without}."))
    parts = [part for k, v in states for part in (f"{k} {v.dtype} {tuple(v.shape)} {v.device}", v)]
    key = sha256(repr((training, *names)), *parts)
    if key not in _KEPT:
        _KEPT.clear()  # first: there may be no room for both
        _KEPT[key] = compute()
    return _KEPT[key]
