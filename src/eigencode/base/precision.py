"""The data type of a matrix product: bfloat16 where the device multiplies it natively, float32 elsewhere."""

from functools import cache
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def product_dtype(precision: str, device: torch.device | str = "cpu") -> torch.dtype:
    """What products asked for in this precision are made in on this device.

    "bfloat16" is a permission to be fast, as `torch.set_float32_matmul_precision("medium")` is: a device without
    instructions for it would take many times as long as for float32, and gets float32.

    >>> product_dtype("float32")
    torch.float32
    >>> product_dtype("bfloat16") == (torch.bfloat16 if multiplies_bfloat16("cpu") else torch.float32)
    True
    """
    if precision == "bfloat16" and multiplies_bfloat16(torch.device(device).type):
        return torch.bfloat16
    return torch.float32


@cache
def multiplies_bfloat16(kind: str) -> bool:
    """True if devices of this kind ("cpu", "cuda", ...) multiply bfloat16 natively.

    On a processor it takes AVX-512 BF16 or AMX (x86), or the BF16 extension (ARM), and torch built with oneDNN, which
    uses them; without them torch multiplies bfloat16 number by number (github pytorch/pytorch, issue 118499).
    """
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu":
        return True
    with_onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return with_onednn and _processor_multiplies()


def _processor_multiplies() -> bool:
    ask = getattr(torch.cpu, "get_capabilities", None)
    if ask is None:  # an older torch
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    able = ask()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))
