"""Arrays as bytes between two processes: a line of JSON with type and shape, then the values."""

import json
from typing import IO, Any

import numpy as np

PLAIN = "biufcSUmM"
"""Kinds of types that are sent as they are; objects are sent one by one, and structs as text."""


def send(pipe: IO[bytes], **header: Any) -> None:
    """Send a line."""
    pipe.write(json.dumps(header).encode() + b"\n")


def send_array(pipe: IO[bytes], values: Any) -> None:
    """Send an array; cells are arrays of objects, of which each is an array or text."""
    values = values if isinstance(values, np.ndarray) else np.asarray(values if np.isscalar(values) else str(values))
    if values.dtype.kind not in PLAIN:
        send(pipe, cells=values.shape)
        for one in values.ravel():
            send_array(pipe, str(one) if values.dtype.kind == "V" else one)
        return
    turned = values.flags.f_contiguous and not values.flags.c_contiguous
    flat = np.ascontiguousarray(values.T if turned else values, values.dtype.newbyteorder("=")).reshape(-1)
    send(pipe, type=flat.dtype.str, shape=values.shape, turned=turned)
    if flat.nbytes:
        pipe.write(flat.view(np.uint8).data)


def receive(pipe: IO[bytes]) -> dict[str, Any]:
    """Receive a line; `EOFError` if the other side has ended."""
    line = pipe.readline()
    if not line.endswith(b"\n"):
        raise EOFError("the other process has ended")
    found: dict[str, Any] = json.loads(line)
    return found


def receive_array(pipe: IO[bytes], header: dict[str, Any]) -> np.ndarray:
    """Receive the array that a line announced."""
    if "cells" in header:
        cells = np.empty(header["cells"], object)
        for place in np.ndindex(cells.shape):
            cells[place] = receive_array(pipe, receive(pipe))
        return cells
    kind, shape = np.dtype(header["type"]), tuple(header["shape"])
    flat = np.empty(shape, kind).reshape(-1)
    left = memoryview(flat.view(np.uint8).data) if flat.nbytes else memoryview(b"")
    while left:
        n = pipe.readinto(left)  # type: ignore[attr-defined]
        if not n:
            raise EOFError("the other process has ended")
        left = left[n:]
    return flat.reshape(shape[::-1]).T if header["turned"] else flat.reshape(shape)
