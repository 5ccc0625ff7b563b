"""Data type of matrix products: bfloat16 where the device supports it natively, float32 elsewhere."""

from functools import cache
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def product_dtype(precision: str, device: torch.device | str = "cpu") -> torch.dtype:
    """Data type of matrix products on this device for a requested precision.

    "bfloat16" permits lower precision, like `torch.set_float32_matmul_precision("medium")`.  A device without native
    instructions for it would be many times slower than with float32, and uses float32.

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

    A CPU needs AVX-512 BF16 or AMX (x86) or the BF16 extension (ARM), and a torch built with oneDNN, which uses
    them; otherwise torch multiplies bfloat16 numbers one by one (github pytorch/pytorch, issue 118499).
    """
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu":
        return True
    with_onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return with_onednn and _cpu_has_bfloat16()


def _cpu_has_bfloat16() -> bool:
    """True if the CPU has bfloat16 instructions."""
    ask = getattr(torch.cpu, "get_capabilities", None)
    if ask is None:  # an older torch
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    able = ask()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))
