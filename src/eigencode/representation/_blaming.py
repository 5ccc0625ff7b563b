"""Errors that a network raises by itself, told with the images that it was given."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from eigencode.base.errors import EigencodeError, InputError


@contextmanager
def blaming(net: object, x: Tensor) -> Iterator[None]:
    """Turn an error of `net` on the images `x` into an `InputError`; lack of memory and our own errors pass.

    So do errors inside a transform of `torch.func`, which a caller can do without.

    >>> with blaming(nn.Linear(3, 2), torch.ones(4, 5)):
    ...     nn.Linear(3, 2)(torch.ones(4, 5))
    Traceback (most recent call last):
    ...
    eigencode.base.errors.InputError: Linear fails on these images
      got:    (4, 5) of torch.float32: RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x5 and 3x2)
      wanted: a network for images of this shape and type
    """
    try:
        yield
    except (EigencodeError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a network may raise anything
        if in_functorch(x):
            raise
        parameters = list(net.parameters()) if isinstance(net, nn.Module) else []
        whole = not x.is_floating_point() and not x.is_complex()
        other = next((p for p in parameters if p.is_floating_point() and p.dtype != x.dtype), None)
        raise InputError(
            f"{type(net).__name__} fails on these images",
            got=f"{tuple(x.shape)} of {x.dtype}: {type(error).__name__}: {str(error).partition(chr(10))[0][:200]}",
            wanted="a network for images of this shape and type",
            fix="x.float() / 255, if these are pixels from 0 to 255"
            if whole
            else None
            if other is None
            else f"its weights are {other.dtype}: net.float()",
        ) from error


def in_functorch(x: Tensor) -> bool:
    """True inside `torch.func` transforms such as `vmap`, where values cannot be inspected."""
    wrapped: bool = torch._C._functorch.is_functorch_wrapped_tensor(x)  # type: ignore[attr-defined]
    return wrapped
