"""Checkpoint files that are written atomically and can only be resumed by the run that wrote them."""

import contextlib
import glob
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eigencode.base import strict_json
from eigencode.base.durable import replacing
from eigencode.base.errors import InputError
from eigencode.base.files import sha256, write_tensors

ABANDONED_S = 600.0
"""A part file not modified for this many seconds counts as left behind by a killed process."""


def fingerprint(settings: dict[str, Any]) -> str:
    """Hash of the settings, data and initial weights that determine the result of a run.

    >>> fingerprint({"lr": 0.1, "seed": 0}) == fingerprint({"seed": 0, "lr": 0.1})
    True
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def described(net: nn.Module) -> str:
    """The text of a network, with the settings of modules that are neither of PyTorch nor of this package."""
    text = repr(net)
    for name, module in net.named_modules():
        if not type(module).__module__.startswith(("torch.", "eigencode.")):
            own = {k: v for k, v in vars(module).items() if isinstance(v, int | float | str) and k != "training"}
            text += f"\n{name}: {own}" if own else ""
    return text


@dataclass(frozen=True)
class Checkpoint:
    """One file with the whole state of a run; written to a temporary file, flushed to disk, and renamed into place.

    A process killed at any time leaves either the previous checkpoint or the new one.  The strides of the tensors are
    stored too, because a product with a transposed matrix rounds differently.  `identity` (see `fingerprint`) is
    stored as well: `load` refuses a checkpoint of other settings, data or seed.
    """

    path: Path
    identity: str

    def save(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Write this state in place of the previous checkpoint."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._sweep()
        state = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        layout = {k: torch.empty_like(v, device="meta").stride() for k, v in tensors.items() if not v.is_contiguous()}
        header = {
            "identity": self.identity,
            "values": strict_json.dumps(values, compact=True),
            "layout": json.dumps(layout),
        }
        header["sha256"] = _digest(state, header)
        with replacing(self.path) as part:  # two processes may run the same step
            write_tensors(part, state, header)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Load the saved state (tensors, values); None if there is none yet.

        Raises:
            InputError: the path is a folder, or the file is damaged or belongs to a run with other settings.
        """
        from safetensors import SafetensorError, safe_open

        if self.path.is_dir():
            raise InputError("the checkpoint is a folder", got=self.path, wanted="the name of a file")
        if not self.path.is_file():
            return None
        try:
            with safe_open(str(self.path), "pt") as file:
                header = file.metadata() or {}
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise InputError(
                f"the checkpoint {self.path.name} is damaged", got=error, fix=f"delete {self.path} to start again"
            ) from None
        if header.get("sha256", whole := _digest(tensors, header)) != whole:
            raise InputError(
                f"the checkpoint {self.path.name} is damaged",
                got="other content than was written",
                fix=f"delete {self.path} to start again",
            )
        if header.get("identity") != self.identity:
            raise InputError(
                f"the checkpoint {self.path.name} belongs to another run",
                got="other settings, data or seed than now",
                wanted="exactly the run that wrote it",
                fix=f"use another path, or delete {self.path} to start again",
            )
        for name, stride in json.loads(header["layout"]).items():
            value = tensors[name]
            tensors[name] = torch.empty_strided(value.shape, stride, dtype=value.dtype).copy_(value)
        values = json.loads(header["values"])
        return tensors, {k: strict_json.number(v) if v is None or isinstance(v, str) else v for k, v in values.items()}

    def remove(self) -> None:
        """Delete the checkpoint, if any, once the result of the run is stored elsewhere."""
        self.path.unlink(missing_ok=True)
        self._sweep()

    def _sweep(self) -> None:
        """Delete old temporary files of processes that were killed while writing."""
        for part in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.part"):
            with contextlib.suppress(FileNotFoundError):  # another process deleted it first
                if time.time() - part.stat().st_mtime > ABANDONED_S:
                    part.unlink()


def _digest(tensors: dict[str, Tensor], header: dict[str, str]) -> str:
    """Hash of all that a checkpoint holds, but who may resume it."""
    shapes = str([(k, str(v.dtype), tuple(v.shape)) for k, v in sorted(tensors.items())])
    values = (v.reshape(-1).view(torch.uint8) for _, v in sorted(tensors.items()))
    return sha256(shapes, *values, header.get("values", ""), header.get("layout", ""))
