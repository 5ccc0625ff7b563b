"""Load networks from files of any origin."""

import json
import math
from pathlib import Path
from typing import Any

from torch import nn

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.reading import reading
from eigencode.models import files
from eigencode.models.softhebb import code_size


def load(path: Path | str, *, where: str | None = None) -> nn.Module:
    """Load a network written by `save`.

    Args:
        path: the file.
        where: for a network of code outside this package, the `package.module:callable` it was saved with.  It must
            be given again, so that a file cannot choose which code is run.

    Raises:
        InputError: no such file, not a safetensors file, not written by `save`, or a `where` that does not match.
    """
    admit(load, locals())
    path = Path(path)
    with reading(f"{path.name} is not a readable network", wanted="a file written by models.save", error=InputError):
        if path.is_file():
            _refuse_other_sizes(path)
        return files.load(path, where=where)


def _refuse_other_sizes(path: Path) -> None:
    """Refuse a header that makes a network of other sizes than the weights have, before it is built."""
    from safetensors import safe_open

    with safe_open(str(path), "pt") as file:
        header = json.loads((file.metadata() or {}).get("eigencode", "{}"))
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    if isinstance(header, dict) and header.get("kind") is not None:
        code, wanted = header.get("units"), dict[str, Any]()
        if header["kind"] == "softhebb":
            code = code_size(header)
        else:
            wanted["encoder.weight"] = (code, math.prod(header["shape"]))
        wanted["readout.weight"] = (header["classes"], code)
        wrong = {name: shapes.get(name) for name, shape in wanted.items() if shapes.get(name) != shape}
        if wrong:
            raise InputError(
                f"{path.name}: its header does not describe its weights",
                got=", ".join(f"{name} {shape}" for name, shape in wrong.items()),
                wanted=", ".join(f"{name} {wanted[name]}" for name in wrong),
            )
