"""Names of places: submodules, their k-th call, and elements of what they return."""

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from eigencode.base.errors import InputError, nearest

FORM = re.compile(r"(?P<name>.+?)(?::(?P<call>[1-9]\d*))?(?P<path>(?:\[[^\[\]]+\])*)")


@dataclass(frozen=True, eq=False)
class Place:
    """One output of one call of one submodule.

    Attributes:
        name: as the caller wrote it.
        module: whose output it is; the network itself for `"logits"`, None for an `"input"` without a `norm` child.
        call: which of its calls, from 1.
        path: keys or indices of an element of a tuple, list or mapping; empty for the output itself.
    """

    name: str
    module: nn.Module | None
    call: int = 1
    path: tuple[str | int, ...] = ()

    def tensor(self, output: Any) -> Tensor:
        """The tensor at this place, given the output of the module.

        Raises:
            InputError: no such element, or not a tensor.
        """
        for key in self.path:
            try:
                output = output[key]
            except (KeyError, IndexError, TypeError) as error:
                known = list(output) if hasattr(output, "keys") else f"{len(output)} elements" if output else "none"
                raise InputError(f"the output at {self.name!r} has no element {key!r}", got=known) from error
        if not isinstance(output, Tensor):
            keys = list(output) if hasattr(output, "keys") else list(range(len(output))) if _several(output) else []
            raise InputError(
                f"the output at {self.name!r} is not a tensor",
                got=type(output).__name__,
                wanted="a tensor with one row per image",
                fix=f"name an element: {self.name}[{keys[0]}]" if keys else "name a submodule inside it",
            )
        return output


def _several(output: Any) -> bool:
    return isinstance(output, tuple | list)


def resolve(net: nn.Module, name: str) -> Place:
    """The place that `name` means in a network.

    Args:
        net: any module; a dictionary `places` of it gives further names to its submodules.
        name: `"logits"` (the output), `"input"` (the output of a `norm` child), a name in `net.places`, or the dotted
            name of a submodule; then `:2` for its second call, `[0]` or `[key]` for an element of what it returns.

    Raises:
        InputError: no such submodule; names the nearest.

    >>> net = nn.Sequential(nn.Flatten(), nn.LSTM(4, 3))
    >>> place = resolve(net, "1[0]")
    >>> type(place.module).__name__, place.call, place.path
    ('LSTM', 1, (0,))
    """
    aliases: dict[str, str] = getattr(net, "places", {})
    modules: dict[str, nn.Module] = dict(net.named_modules(remove_duplicate=False))  # a shared layer has two names
    if name == "input":
        norm = getattr(net, "norm", None)
        return Place(name, norm if isinstance(norm, nn.Module) else None)
    form = FORM.fullmatch(name)
    base, call, path = (name, None, "") if name in modules or form is None else form.group("name", "call", "path")
    base = aliases.get(base, base)
    keys = tuple(int(k) if re.fullmatch(r"-?\d+", k) else k for k in re.findall(r"\[([^\[\]]+)\]", path or ""))
    if base == "logits" and "logits" not in modules:
        return Place(name, net, int(call or 1), keys)
    if not base or base not in modules:
        raise InputError(
            f"{type(net).__name__} has no place {name!r}",
            got=name,
            wanted="input, logits, or the dotted name of a submodule",
            fix=nearest(base, ["input", "logits", *aliases, *(n for n in modules if n)]),
        )
    return Place(name, modules[base], int(call or 1), keys)


class Found(Exception):
    """Every place has been reached: the rest of the network need not run."""


class Listener:
    """Keeps the tensors at some places while their network runs inside a `with` block.

    Args:
        places: what to listen to.
        entered: what enters the network: `"input"` is then read only at a `norm` that sees it, not at a later one.
        stop: raise `Found` when the last place has been reached.

    Attributes:
        seen: the tensors, by the names of the places.
        calls: how often each module ran.
        early: set it to the name of the place that has to come first; until it is "", no place may be read.
    """

    def __init__(self, places: list[Place], entered: object = None, stop: bool = False) -> None:
        self.places = places
        self.entered = entered
        self.stop = stop
        self.early = ""
        self.seen: dict[str, Tensor] = {}
        self.calls: dict[nn.Module, int] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> "Listener":
        self.seen, self.calls = {}, {p.module: 0 for p in self.places if p.module is not None}
        self._handles = [module.register_forward_hook(self.hear) for module in self.calls]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def hear(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """A forward hook: one call of a module has ended."""
        self.calls[module] = self.calls.get(module, 0) + 1
        for place in self.places:
            if place.module is module and place.call == self.calls[module] and place.name not in self.seen:
                if place.name == "input" and self.entered is not None and not (args and args[0] is self.entered):
                    continue  # a `norm` later on, the last layer of a transformer say
                if self.early:
                    raise InputError(f"{place.name!r} comes before {self.early!r}", wanted="a place after the start")
                self.seen[place.name] = place.tensor(output)
        if self.stop and len(self.seen) == len(self.places):
            raise Found
