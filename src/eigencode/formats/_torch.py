"""Files written by `torch.save`: tensors, alone or in dictionaries; nothing else is unpickled."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigencode.base.errors import DataError
from eigencode.base.reading import affordable
from eigencode.base.torch_files import refuse_growth
from eigencode.formats.stored import Stored, in_memory

TENSORS = "tensors by name, and lists of numbers or names"
SAVE_TENSORS = "save tensors alone: torch.save({'responses': torch.as_tensor(x)}, 'responses.pt')"


def torch_file(path: Path) -> dict[str, Stored]:
    """The tensors of a file; one in a dictionary in a dictionary is called `outer.inner`, a single one `array`."""
    refuse_growth(path, TENSORS, SAVE_TENSORS)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many types for a damaged file
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        got = f"an object of {foreign[1]}" if foreign else str(error).split("\n")[0][:200]
        what = f"{path} holds more than tensors, or is damaged"
        raise DataError(what, got=got, wanted=TENSORS, fix=SAVE_TENSORS) from None
    return {name or "array": in_memory(values) for name, values in _arrays(path, "", found)}


def _arrays(path: Path, name: str, found: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Arrays in nested dictionaries, by name."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _arrays(path, f"{name}.{key}" if name else str(key), value)
    elif isinstance(found, Tensor):
        affordable(f"{path}: {name}", found.numel() * found.element_size(), path.stat().st_size, SAVE_TENSORS)
        plain = found.detach().to_dense()
        yield name, (plain.float() if plain.dtype == torch.bfloat16 else plain).resolve_conj().resolve_neg().numpy()
    elif isinstance(found, list | tuple) and found and all(isinstance(one, str | int | float) for one in found):
        yield name, np.array(found)
