"""Load weight files from other code bases, without unpickling objects; parameter names must match the network's."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.reading import reading, similar
from eigencode.base.torch_files import refuse_growth

CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
"""Keys under which training scripts store the state-dict inside a checkpoint, in order of preference."""

SAVE_STATE_DICT = "in the code it comes from, save the weights alone: torch.save(net.state_dict(), 'weights.pt')"
STATE_DICT = "a state-dict: tensors by name"

MAX_LISTED = 4
"""An error message lists at most this many names."""


def load_weights(net: nn.Module, path: Path | str) -> tuple[str, ...]:
    """Load a weight file into `net`; if any name or shape does not match, raise and leave `net` unchanged.

    Args:
        net: the network; its weights are replaced.
        path: a safetensors file, or one written by `torch.save` that holds tensors only: a state-dict, or a checkpoint
            with one under `state_dict`, `model`, ...  A prefix that all names share, such as the `module.` of
            `DataParallel`, is removed if more names then match the network's.

    Returns:
        Notes on how the file was adapted: the key the state-dict was found under, entries ignored, prefix removed.

    Raises:
        InputError: no such file, a pickled object that is not a tensor, or names and shapes that do not match.  The
            message lists missing and unexpected names, the nearest matches, and both shapes where they differ.

    >>> import tempfile
    >>> net, path = nn.Linear(2, 2), Path(tempfile.mkdtemp()) / "weights.pt"
    >>> _ = path.write_bytes(b"not weights")
    >>> load_weights(net, path)
    Traceback (most recent call last):
    ...
    eigencode.base.errors.InputError: weights.pt is not a readable safetensors file
      got:    SafetensorError: Error while deserializing header: header too large
      wanted: a safetensors file, or a state-dict written by torch.save
    """
    admit(load_weights, locals())
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
    """Read a weight file without executing code in it; returns (tensors by name, notes on how it was unpacked)."""
    if not path.is_file():
        raise InputError(
            "no such file of weights",
            got=path,
            wanted="a .safetensors file, or a state-dict written by torch.save",
            fix=similar(path),
        )
    with path.open("rb") as file:
        start = file.read(2)
    if start != b"PK" and start[:1] != b"\x80":
        return _safetensors(path), ()
    return _unwrapped(_torch(path), path.name)


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    wanted = "a safetensors file, or a state-dict written by torch.save"
    with reading(f"{path.name} is not a readable safetensors file", wanted=wanted, error=InputError):
        found: dict[str, Tensor] = load_file(str(path))
    return found


def _torch(path: Path) -> Any:
    try:
        refuse_growth(path, STATE_DICT, SAVE_STATE_DICT)
        return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch.load raises many types for a damaged file
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        got = f"an object of {foreign[1]}" if foreign else str(error).split("\n")[0][:200]
        raise InputError(
            f"{path.name} holds more than tensors, or is damaged",
            got=got,
            wanted=STATE_DICT,
            fix=SAVE_STATE_DICT,
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
    raise InputError(f"{name} holds no weights", got=got, wanted=STATE_DICT, fix=SAVE_STATE_DICT)


def _without_prefix(state: dict[str, Tensor], wanted: set[str]) -> tuple[dict[str, Tensor], str]:
    """Remove the common prefix that maximises the number of names matching the network's; returns it as well."""
    best, removed, prefix, shorter = state, "", "", state
    while len({k.partition(".")[0] for k in shorter}) == 1 and all("." in k for k in shorter):
        prefix += next(iter(shorter)).partition(".")[0] + "."
        shorter = {k.partition(".")[2]: v for k, v in shorter.items()}
        if len(wanted & set(shorter)) > len(wanted & set(best)):
            best, removed = shorter, prefix
    return best, removed


def _refuse_mismatch(net: nn.Module, wanted: Mapping[str, Any], state: Mapping[str, Tensor], name: str) -> None:
    given = {_memory(v) for k, v in wanted.items() if k in state}
    missing = [k for k, v in wanted.items() if k not in state and isinstance(v, Tensor) and not _optional(k, v, given)]
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


def _optional(name: str, value: Tensor, given: set[tuple[int, torch.Size]]) -> bool:
    """True if a file may lack this tensor: BatchNorm's batch counter, or a tensor tied to one that is loaded."""
    return name.rpartition(".")[2] == "num_batches_tracked" or _memory(value) in given


def _memory(value: Any) -> tuple[int, torch.Size]:
    """Address and shape, equal for tensors that share their memory."""
    alive = isinstance(value, Tensor) and not is_lazy(value) and value.numel()
    return (value.data_ptr(), value.shape) if alive else (id(value), torch.Size())


def _listed(names: list[str], separator: str = ", ") -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return separator.join(names[:MAX_LISTED]) + more
