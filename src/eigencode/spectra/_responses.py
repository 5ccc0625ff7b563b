"""Sources of responses: an array, a code with images, or an iterator of batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eigencode.base.arrays import Array, array, batches, is_array, tensor
from eigencode.base.errors import InputError
from eigencode.base.groups import groups_of
from eigencode.base.inputs import at_least, inputs_of
from eigencode.base.labels import numbered
from eigencode.base.progress import progress
from eigencode.base.types import Images
from eigencode.representation._foreign import numbers, watch
from eigencode.representation._modes import borrowed
from eigencode.representation._place import Place
from eigencode.representation.at import Code, Reader, function_of
from eigencode.representation.reduce import named
from eigencode.spectra._arithmetic import arithmetic_errors

ELEMENTS = 1 << 23
"""Numbers per batch of an array: 64 MiB in float64."""


@dataclass(frozen=True)
class Responses:
    """Responses `samples x units` in batches; `rows` reads selected samples again (None for an iterator).

    `label` is their origin, e.g. `"encoder of Stack"`; `errors` measures rounding errors inside the network on some of
    the images (`arithmetic_errors`); `groups` has the number of the group of every sample, None if all are independent;
    `reduce` is the name of the conversion to rows.
    """

    batches: Callable[[], Iterator[Tensor]]
    rows: Callable[[Tensor], Tensor] | None
    n: int | None
    label: str
    space: str = ""
    errors: Callable[[], Tensor | None] = lambda: None
    groups: Tensor | None = None
    reduce: str = ""


Source = Array
"""A callable (with images), an array `samples x units` of any library, or an iterable of such arrays."""


def responses(
    source: Source,
    x: Images | Array | None = None,
    batch_size: int | None = None,
    points: bool = False,
    groups: Array | None = None,
) -> Responses:
    """Convert any source of responses to `Responses`.

    Args:
        source: a callable (with `x`), an array `samples x units`, or an iterable of such arrays.
        x: images for a callable, `N C H W`; for a code, they are converted to the space of its start first.
        batch_size: samples per batch (default 1000 for a callable, 64 MiB of float64 for an array).
        points: True if `x` holds points of the code's space, `code.points(images)` or noise, not images.
        groups: a label per sample, or per image; by default those of `Images`.  Positions of one image are one group.

    Raises:
        InputError: points without a callable, a callable without points, or an array that is not two-dimensional.
    """
    at_least(1, batch_size=1 if batch_size is None else batch_size)
    if x is not None:
        if not callable(source):
            raise InputError("points were given with an array", got=type(source).__name__, wanted="a callable code")
        images = inputs_of(source, x, points)
        return _evaluated(source, images, int(batch_size or 1000), points, groups_of(x, groups, len(images)))
    if is_array(source) or _rows(source):
        given = array(source, "responses", "su")
        return replace(_array(given, batch_size), groups=groups_of(None, groups, len(given)))
    if not callable(source) and not isinstance(source, Images | Iterable | None):
        array(source, "responses")  # raises an error that says what it is
    if callable(source) or isinstance(source, str | bytes | dict | Images) or not isinstance(source, Iterable):
        fix = "spectrum(images.x.flatten(1)) for the pixels" if isinstance(source, Images) else None
        raise InputError(
            "no points to evaluate the code at",
            got=type(source).__name__,
            wanted="spectrum(code, x), or an array of samples x units, or an iterator of batches",
            fix=fix or "pass the images as the second argument, e.g. spectrum(code, test.x)",
        )
    parts = batches(source, "responses")
    numbers = None if groups is None else numbered(groups, None)
    # copies, since the caller may write the next batch into the same memory
    read = Responses(lambda: (_two_dim(_tensor(part)).clone() for part, _ in parts), None, None, "iterator of batches")
    return replace(read, groups=numbers)


def _rows(source: object) -> bool:
    """True for nested lists of numbers, or a list of the responses to single samples: rows of one array."""
    first: Any = source[0] if isinstance(source, list | tuple) and source else None
    inner = first[0] if isinstance(first, list | tuple) and first else first
    return isinstance(inner, int | float) or (is_array(first) and np.ndim(first) < 2)


def _evaluated(
    code: Callable[[Tensor], Tensor], x: Tensor, size: int, points: bool, groups: Tensor | None
) -> Responses:
    start = code.points if isinstance(code, Reader) and not points else lambda images: images
    several = isinstance(code, Reader) and code.reduce == "positions"
    function = function_of(code)
    with torch.no_grad(), borrowed(function):
        watch(function, start(x[:2]), size)

    def run(part: Tensor) -> Tensor:
        with torch.no_grad(), borrowed(function):
            out = numbers(function(start(part)))
        if isinstance(code, nn.Module) and not isinstance(out, Tensor):
            out = Place("logits", code).tensor(out)  # says which of its elements to name
        if not isinstance(out, Tensor) or (len(out) != len(part) and not several):
            raise InputError(
                "the code does not return one response per point",
                got=tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__,
                wanted=f"a tensor with {len(part)} rows",
            )
        return _two_dim(out.detach().flatten(1) if out.ndim > 2 else out.detach())

    def batches() -> Iterator[Tensor]:
        for part in progress(torch.split(x, size), "responses"):
            yield run(part)

    together = len(run(x[:1])) if several else 1

    def rows(index: Tensor) -> Tensor:
        index = index[::together] // together  # all positions of an image are read
        return torch.cat([run(x[i.to(x.device)]) for i in torch.split(index, size)])

    space = code.space if isinstance(code, Code) else ""
    reduce = named(code.reduce) if isinstance(code, Reader) else ""
    label = f"{code.place} of {type(code.module).__name__}" if isinstance(code, Code) else type(code).__name__
    errors = lambda: arithmetic_errors(code, x, size, start)  # noqa: E731
    return Responses(batches, rows, len(x), label, space, errors, of_rows(groups, len(x), together), reduce)


def of_rows(groups: Tensor | None, images: int, together: int) -> Tensor | None:
    """Groups of rows, `together` of which belong to each image; None if all rows are independent."""
    if together > 1:
        return (torch.arange(images) if groups is None else groups).repeat_interleave(together)
    return groups


def _array(source: Tensor | np.ndarray, size: int | None) -> Responses:
    if source.ndim != 2:
        raise InputError(
            "responses have the wrong shape",
            got=tuple(source.shape),
            wanted="samples x units",
            fix="z.flatten(1), if all axes but the first are units; ec.signal_spectrum(x) and ec.cvpca(x) take "
            "repeats x stimuli x units",
        )
    size = size or max(256, ELEMENTS // max(source.shape[1], 1))

    def batches() -> Iterator[Tensor]:
        for start in range(0, len(source), size):
            yield _tensor(source[start : start + size])

    def rows(index: Tensor) -> Tensor:
        return _tensor(source[index.to(source.device) if isinstance(source, Tensor) else index.numpy()])

    return Responses(batches, rows, len(source), f"array {source.shape[0]} x {source.shape[1]}")


def _tensor(batch: Array) -> Tensor:
    """Convert to a floating-point tensor; integers (spike counts) become float64."""
    out: Tensor = numbers(tensor(batch, "responses", "su").detach())
    return out


def _two_dim(batch: Tensor) -> Tensor:
    if batch.ndim != 2:
        raise InputError("a batch has the wrong shape", got=tuple(batch.shape), wanted="samples x units")
    return batch
