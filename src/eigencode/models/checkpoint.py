"""Weights that somebody else saved: read without running any code, unwrapped, and matched name by name."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from eigencode.base.errors import InputError, nearest

CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
"""Where training scripts keep the weights inside a checkpoint, in the order they are looked for."""

ALONE = "in the code it comes from, save the weights alone: torch.save(net.state_dict(), 'weights.pt')"
SHOWN = 4


def load_weights(net: nn.Module, path: Path | str) -> tuple[str, ...]:
    """Load the weights in a file into `net`, every one of them or none.

    Args:
        net: the network they belong to; changed.
        path: a safetensors file, or one written by `torch.save` that holds tensors only: a state-dict, or a checkpoint
            with one under `state_dict`, `model`, ...  A prefix that all names share, such as the `module.` of
            `DataParallel`, is dropped if the rest are names of the network.

    Returns:
        What was done to the file's content to fit it, in words.

    Raises:
        InputError: no such file, one that holds more than tensors, or weights of another network: says which names are
            missing or left over, the nearest ones, and both shapes where they differ.

    >>> import tempfile
    >>> net, path = nn.Linear(2, 2), Path(tempfile.mkdtemp()) / "weights.pt"
    >>> _ = path.write_bytes(b"not weights")
    >>> load_weights(net, path)
    Traceback (most recent call last):
    ...
    eigencode.base.errors.InputError: weights.pt is not a readable safetensors file
      got:    Error while deserializing header: header too large
      wanted: a safetensors file, or a state-dict written by torch.save
    """
    path = Path(path)
    state, notes = read_weights(path)
    wanted = net.state_dict()
    state, removed = _without_prefix(state, set(wanted))
    if removed:
        notes = (*notes, f"{path.name}: dropped the prefix {removed!r} of all names")
    _refuse_mismatch(net, wanted, state, path.name)
    net.load_state_dict(state, strict=False)
    return notes


def read_weights(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """(tensors by name, what was unwrapped in words) of a file; nothing in it is executed."""
    if not path.is_file():
        there = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
        raise InputError(
            "no such file of weights",
            got=path,
            wanted="a .safetensors file, or a state-dict written by torch.save",
            fix=nearest(path.name, there) if len(there) in range(1, 50) else None,
        )
    with path.open("rb") as file:
        start = file.read(2)
    if start != b"PK" and start[:1] != b"\x80":
        return _safetensors(path), ()
    return _unwrapped(_torch(path), path.name)


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path.name} is not a readable safetensors file",
            got=error,
            wanted="a safetensors file, or a state-dict written by torch.save",
        ) from None
    return found


def _torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken file makes of the reader
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        got = f"an object of {foreign[1]}" if foreign else str(error).split("\n")[0][:200]
        raise InputError(
            f"{path.name} cannot be read as weights alone", got=got, wanted="a state-dict: tensors by name", fix=ALONE
        ) from None


def _unwrapped(found: Any, name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    notes: list[str] = []
    while isinstance(found, Mapping):
        inside = next((k for k in CONTAINERS if isinstance(found.get(k), Mapping)), None)
        tensors = {str(k): v for k, v in found.items() if isinstance(v, Tensor)}
        if inside is None and tensors:
            left = [str(k) for k in found if str(k) not in tensors]
            return tensors, (*notes, *([f"{name}: left out {_listed(left)}, which is no tensor"] if left else []))
        if inside is None:
            break
        others = [str(k) for k in found if k != inside]
        notes.append(f"{name}: took {inside!r}" + (f", not {_listed(others)}" if others else ""))
        found = found[inside]
    got = f"a dictionary of {_listed([str(k) for k in found])}" if isinstance(found, Mapping) else type(found).__name__
    raise InputError(f"{name} holds no weights", got=got, wanted="a state-dict: tensors by name", fix=ALONE)


def _without_prefix(state: dict[str, Tensor], wanted: set[str]) -> tuple[dict[str, Tensor], str]:
    """The same without the prefix all names share, as far as this gives the most names of the network."""
    best, removed, prefix, shorter = state, "", "", state
    while len({k.partition(".")[0] for k in shorter}) == 1 and all("." in k for k in shorter):
        prefix += next(iter(shorter)).partition(".")[0] + "."
        shorter = {k.partition(".")[2]: v for k, v in shorter.items()}
        if len(wanted & set(shorter)) > len(wanted & set(best)):
            best, removed = shorter, prefix
    return best, removed


def _refuse_mismatch(net: nn.Module, wanted: Mapping[str, Any], state: Mapping[str, Tensor], name: str) -> None:
    given = {_place(v) for k, v in wanted.items() if k in state}
    missing = [k for k, v in wanted.items() if k not in state and isinstance(v, Tensor) and not _filled_in(k, v, given)]
    left = [k for k in state if k not in wanted]
    shapes = [
        f"{k} {tuple(v.shape)}, the network has {tuple(wanted[k].shape)}"
        for k, v in state.items()
        if k in wanted and isinstance(wanted[k], Tensor) and not is_lazy(wanted[k]) and v.shape != wanted[k].shape
    ]
    if not (missing or left or shapes):
        return
    got = [f"the file has {_listed(shapes, '; ')}"] if shapes else []
    got += [f"the network has no {_listed(left)}"] if left else []
    near = {k: difflib.get_close_matches(k, left, n=1, cutoff=0.5) for k in missing}
    named = [
        f"{k} {tuple(wanted[k].shape)}" + (f" (nearest in the file: {n[0]})" if n else "") for k, n in near.items()
    ]
    raise InputError(
        f"{name} does not fit {type(net).__name__}",
        got="; ".join(got) or None,
        wanted=f"{'also ' if got else ''}{_listed(named, '; ')}" if named else "the shapes of the network",
        fix="build the network with the settings it was trained with (--arg name=value)"
        + (", or rename the tensors" if left else ""),
    )


def _filled_in(name: str, value: Tensor, given: set[tuple[int, torch.Size]]) -> bool:
    """Absent for good reason: a counter old files lack, or a tensor tied to one that is there."""
    return name.rpartition(".")[2] == "num_batches_tracked" or _place(value) in given


def _place(value: Any) -> tuple[int, torch.Size]:
    alive = isinstance(value, Tensor) and not is_lazy(value) and value.numel()
    return (value.data_ptr(), value.shape) if alive else (id(value), torch.Size())


def _listed(names: list[str], separator: str = ", ") -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return separator.join(names[:SHOWN]) + more
