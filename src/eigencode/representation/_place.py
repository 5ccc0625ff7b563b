"""Names of places: submodules, their k-th call, and elements of their output."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, NoReturn

from torch import Tensor, nn
from torch.jit import ScriptModule

from eigencode.base.errors import InputError, nearest

RESERVED = ("input", "logits")
"""Names of places that no submodule takes; a child with such a name has a dot in front, as in ".logits"."""

FORM = re.compile(r"(?P<name>.+?)(?::(?P<call>[1-9]\d*))?(?P<path>(?:\[[^\[\]]+\])*)")


@dataclass(frozen=True, eq=False)
class Place:
    """Place of a network: one output of one call of one submodule.

    Attributes:
        name: as given by the caller.
        module: the submodule; for `"logits"` the network itself; for `"input"` the child `norm`, or None without one.
        call: number of its call, from 1.
        path: keys or indices of an element of a tuple, list or mapping; empty for the output itself.
        shared: first name of a submodule that has several, if `name` is another one without a number of its call: it
            does not say which call is meant, if there are several.
    """

    name: str
    module: nn.Module | None
    call: int = 1
    path: tuple[str | int, ...] = ()
    shared: str = ""

    def tensor(self, output: Any) -> Tensor:
        """Get the tensor at this place from the output of the module.

        Raises:
            InputError: no such element, or not a tensor.
        """
        for key in self.path:
            try:
                output = vars(output)[str(key)] if is_dataclass(output) else output[key]
            except (KeyError, IndexError, TypeError) as error:
                got = _keys(output) or "none"
                raise InputError(f"the output at {self.name!r} has no element {key!r}", got=got) from error
        if not isinstance(output, Tensor):
            keys = _keys(output)
            raise InputError(
                f"the output at {self.name!r} is not a tensor",
                got=type(output).__name__,
                wanted="a tensor with one row per image",
                fix=f"name an element: ec.at(net, '{self.name}[{keys[0]}]')" if keys else "name a submodule inside it",
            )
        return output

    def refuse_second_name(self) -> NoReturn:
        """Raise the error for a name that does not say which call of a shared submodule is meant."""
        raise InputError(
            f"{self.name!r} is a second name of {self.shared!r}, a module that is called several times",
            got=self.name,
            wanted="its first name, and the number of its call in order of execution",
            fix=f"ec.at(net, '{self.shared}:2')",
        )


def _keys(output: Any) -> list[Any]:
    """Names or numbers of the elements of a mapping, a dataclass, a tuple or a list."""
    if isinstance(output, Mapping):
        return list(output)
    if isinstance(output, tuple | list):
        return list(range(len(output)))
    return list(vars(output)) if is_dataclass(output) else []


def aliases_of(net: nn.Module) -> dict[str, str]:
    """Further names of submodules: the dictionary `places` of a network, if it has one."""
    found = getattr(net, "places", None)
    return dict(found) if isinstance(found, Mapping) and all(isinstance(n, str) for n in found.values()) else {}


def place_of(name: str) -> str:
    """The name of the place of a submodule.

    >>> place_of("layer1.logits"), place_of("logits")
    ('layer1.logits', '.logits')
    """
    return f".{name}" if name in RESERVED else name


def resolve(net: nn.Module, name: str) -> Place:
    """Find a place of a network by its name.

    Args:
        net: any module; its dictionary `places`, if any, gives further names to submodules.
        name: `"logits"` (the output), `"input"` (the output of a `norm` child), a name in `net.places`, or the dotted
            name of a submodule; then `:2` for its second call, `[0]` or `[key]` for an element of its output.  A child
            called `logits` or `input` is `".logits"` or `".input"`.

    Raises:
        InputError: no such submodule; suggests the closest name.

    >>> net = nn.Sequential(nn.Flatten(), nn.LSTM(4, 3))
    >>> place = resolve(net, "1[0]")
    >>> type(place.module).__name__, place.call, place.path
    ('LSTM', 1, (0,))
    """
    aliases = aliases_of(net)
    modules: dict[str, nn.Module] = dict(net.named_modules(remove_duplicate=False))  # a shared layer has two names
    if name == "input":
        norm = getattr(net, "norm", None)
        return Place(name, norm if isinstance(norm, nn.Module) else None)
    form = FORM.fullmatch(name)
    base, call, path = (name, None, "") if name in modules or form is None else form.group("name", "call", "path")
    output = base == "logits"
    child = base.removeprefix(".") if base.removeprefix(".") in RESERVED else base
    base = aliases.get(child, child)
    keys = tuple(int(k) if re.fullmatch(r"-?\d+", k) else k for k in re.findall(r"\[([^\[\]]+)\]", path or ""))
    if output:
        return Place(name, net, int(call or 1), keys)
    if not base or base not in modules:
        raise InputError(
            f"{type(net).__name__} has no place {name!r}",
            got=name,
            wanted="input, logits, or the dotted name of a submodule",
            fix=nearest(base, [*RESERVED, *aliases, *(place_of(n) for n in modules if n)]),
        )
    first = next(n for n, module in net.named_modules() if module is modules[base])
    return Place(name, modules[base], int(call or 1), keys, place_of(first) if first != base and call is None else "")


class StopForward(Exception):
    """Stops a forward pass once all places have been read."""


class Listener:
    """Records the tensors at some places during a forward pass inside a `with` block.

    Args:
        entered: input of the network; `"input"` is then recorded only at a `norm` applied to it, not at a later one.
        stop: raise `StopForward` when all places have been recorded.

    Attributes:
        seen: the recorded tensors, by name of the place.
        calls: number of calls of each module.
        start: name of a place that must be reached before any other is recorded; "" if none.
    """

    def __init__(self, places: list[Place], entered: object = None, stop: bool = False) -> None:
        self.places = places
        self.entered = entered
        self.stop = stop
        self.start = ""
        self.seen: dict[str, Tensor] = {}
        self.calls: dict[nn.Module, int] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> "Listener":
        self.seen, self.calls = {}, {p.module: 0 for p in self.places if p.module is not None}
        python = [m for m in self.calls if not isinstance(m, ScriptModule)]  # which takes no hooks
        self._handles = [module.register_forward_hook(self.record) for module in python]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def record(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Forward hook: record the output of a module if it is at one of the places."""
        self.calls[module] = self.calls.get(module, 0) + 1
        new: list[str] = []
        for place in self.places:
            if place.module is module and place.call == self.calls[module] and place.name not in self.seen:
                if place.name == "input" and self.entered is not None and not (args and args[0] is self.entered):
                    continue  # a later `norm`, such as the last layer of a transformer
                if self.start:
                    raise InputError(f"{place.name!r} comes before {self.start!r}", wanted="a place after the start")
                self.seen[place.name] = place.tensor(output)
                new.append(place.name)
        if self.stop and len(self.seen) == len(self.places):
            raise StopForward
        for name in new:  # the rest of the network may change it in place
            self.seen[name] = self.seen[name].clone()
