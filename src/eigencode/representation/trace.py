"""`trace(net, x, places)`: many places in one pass; `places(net, x)`: list of all places."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.inputs import inputs
from eigencode.base.types import Images
from eigencode.representation._blaming import blaming
from eigencode.representation._foreign import entering
from eigencode.representation._modes import borrowed, hooked
from eigencode.representation._place import aliases_of, place_of
from eigencode.representation.at import PIXEL, Reader
from eigencode.representation.reduce import Reduce

if TYPE_CHECKING:
    import pandas


def trace(
    module: nn.Module, x: Images | Array, places: Sequence[str], *, start: str = PIXEL, reduce: Reduce = "flatten"
) -> dict[str, Tensor]:
    """Representations of a batch of images at several places, from one forward pass.

    Args:
        module: any `nn.Module`; it runs in evaluation mode and is left as it was, but for a state that its
            `forward` changes.
        x: images `N C H W`.
        places: as in `at`.
        start, reduce: as in `between`; `x` are images in any case.

    Returns:
        `N units` for each place, by name: the same tensors as `between(module, start, place, reduce)` gives one by one,
        with their graph if gradients are on.

    Raises:
        InputError: no places, one that does not exist or is not reached, or that gives no row per image.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> {name: tuple(z.shape) for name, z in trace(net, torch.rand(5, 1, 2, 2), ["2", "logits"]).items()}
    {'2': (5, 3), 'logits': (5, 2)}
    """
    admit(trace, locals())
    reader = Reader(module, start, places, reduce)
    found: dict[str, Tensor] = reader(reader.points(inputs(x)))
    return found


@dataclass(frozen=True)
class PlaceInfo:
    """Description of a place: its name for `at`, class of the submodule, shape per image, number of the call."""

    name: str
    type: str
    shape: tuple[int, ...]
    call: int = 1

    @property
    def units(self) -> int:
        """Number of units: the numbers per image."""
        return int(torch.tensor(self.shape).prod())


class Places(tuple[PlaceInfo, ...]):
    """The places of a network, in order of execution; prints as a table."""

    @property
    def names(self) -> list[str]:
        """Names of the places, for `at`, `between` and `trace`."""
        return [place.name for place in self]

    def to_frame(self) -> "pandas.DataFrame":
        """Convert to a `pandas.DataFrame` with one row per place."""
        import pandas

        return pandas.DataFrame([{**asdict(place), "units": place.units} for place in self])

    def __str__(self) -> str:
        rows = [("place", "type", "shape", "units")]
        rows += [(p.name, p.type, " × ".join(map(str, p.shape)), str(p.units)) for p in self]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        html: str = self.to_frame().to_html(index=False)
        return html


def places(module: nn.Module, x: Images | Array) -> Places:
    """List every readable place of a network, in order of execution.

    Args:
        module: any `nn.Module`; it runs once, in evaluation mode without gradients, and is left as it was.
        x: a few images `N C H W`; at least two, to tell numbers per image from numbers per batch.

    Returns:
        One row per call of a submodule that gives a tensor with a row per image, and per such element of a tuple or
        mapping; a module comes after the modules inside it.  The last is `"logits"`.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> print(places(net, torch.rand(2, 1, 4, 4)))
    place   type        shape      units
    0       Conv2d      2 × 2 × 2  8
    1       ReLU        2 × 2 × 2  8
    2       Flatten     8          8
    3       Linear      3          3
    logits  Sequential  3          3
    """
    admit(places, locals())
    names: dict[nn.Module, str] = {}
    aliases = {name: alias for alias, name in aliases_of(module).items()}
    for name, inner in module.named_modules():
        names.setdefault(inner, aliases.get(name, place_of(name)) or "logits")
    calls: dict[nn.Module, int] = {}
    found: list[PlaceInfo] = []

    def record(inner: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        calls[inner] = calls.get(inner, 0) + 1
        name = names[inner] + (f":{calls[inner]}" if calls[inner] > 1 else "")
        kind = type(inner).__name__
        for key, z in _tensors(output).items():
            if z.ndim >= 2 and len(z) == len(x):
                found.append(PlaceInfo(name + key, kind, tuple(z.shape[1:]), calls[inner]))

    x = inputs(x)
    with blaming(module, x), borrowed(module), torch.no_grad(), hooked(names, record):
        module(entering(module, x))
    return Places(found)


def _tensors(output: Any) -> dict[str, Tensor]:
    """Tensors of an output, by the suffix of their place name; one level deep."""
    if isinstance(output, Tensor):
        return {"": output}
    if isinstance(output, Mapping):
        return {f"[{key}]": z for key, z in output.items() if isinstance(z, Tensor)}
    if isinstance(output, tuple | list):
        return {f"[{i}]": z for i, z in enumerate(output) if isinstance(z, Tensor)}
    return {}
