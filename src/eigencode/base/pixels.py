"""Checks of pixels: their type, range and order of axes."""

import torch
from torch import Tensor

from eigencode.base.errors import InputError, warn

DROP_BROKEN = "drop them: good = torch.as_tensor(x).isfinite().flatten(1).all(1); x[good]"


ROUNDING = 1e-6
"""How far pixels may leave [0, 1] by rounding; they are clipped."""


SPECKS = 0.01
"""Share of pixels that are 1 in images of 0 and 1 that are not nearly black."""


def floats(pixels: Tensor) -> Tensor:
    """Pixels in [0, 1]: uint8 divided by 255, anything else as it is."""
    return pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels


def check_floats(x: Tensor, name: str) -> None:
    """Raise `InputError` unless the pixels are finite floats in [0, 1]."""
    if not x.is_floating_point():
        raise wrong_pixels(x, name)
    bad = (~torch.isfinite(x.flatten(1)).all(1)).nonzero().flatten()
    if len(bad):
        raise InputError(
            f"{name}: {len(bad)} images hold NaN or Inf",
            got=f"images number {bad[:5].tolist()}",
            wanted="finite pixels in [0, 1]",
            fix=f"{DROP_BROKEN}, y[good]",
        )
    if x.min() < -ROUNDING or x.max() > 1 + ROUNDING:
        raise InputError(
            f"{name}: pixels are out of range",
            got=f"{float(x.min()):.7g} .. {float(x.max()):.7g}",
            wanted="0 .. 1",
            fix="x / 255"
            if x.min() >= 0 and 2 < x.max() <= 255
            else "undo the normalisation, x * std + mean; the network gets it: models.Standardised(net, mean, std)",
        )


def warn_of_black(x: Tensor, name: str) -> None:
    """Warn of pixels of uint8 that are only 0 and 1: of 255, these are black."""
    if x.dtype == torch.uint8 and x.numel() and int(x.max()) == 1 and float(x.float().mean()) > SPECKS:
        warn(f"{name}: pixels of uint8 that are 0 and 1 become 0 and 1/255; where 1 is white, give x.float()")


def refuse_channels_last(x: Tensor, name: str) -> None:
    """Raise `InputError` for images `N H W C`: a last axis of at most 4, shorter than both before it."""
    _, rows, columns, last = x.shape
    if last <= 4 and last < min(rows, columns) and rows > 4:
        raise InputError(
            f"{name}: the channels are the last axis",
            got=f"{tuple(x.shape)}, that is N H W C",
            wanted="N C H W",
            fix="torch.as_tensor(x).permute(0, 3, 1, 2), or xarray.DataArray(x, dims=['n', 'h', 'w', 'c'])",
        )


def reshaped(shape: tuple[int, ...], labels: int) -> str:
    """How images of another number of axes become N C H W."""
    if len(shape) == 3 and shape[0] == labels:
        return "x[:, None] for grey images"
    if len(shape) == 3:
        last = shape[2] <= 4 < shape[0]
        return "one image alone is x.permute(2, 0, 1)[None]" if last else "one image alone is x[None]"
    if len(shape) == 2:
        return "rows of pixels become x.reshape(len(x), C, H, W) with the channels, height and width of an image"
    return "reshape it to images x channels x height x width"


def wrong_pixels(x: Tensor, name: str) -> InputError:
    low, high = (int(v) for v in x.aminmax()) if x.numel() and not x.is_complex() else (0, 0)
    fix = "torch.as_tensor(x).to(torch.uint8)"
    if x.dtype == torch.bool or 0 <= low <= high <= 1:
        fix = "torch.as_tensor(x).float()"
    elif low < 0 or high > 255:
        fix = f"(torch.as_tensor(x).double() - {low}) / {high - low}" if low < 0 else "x / 65535 for pixels of 16 bits"
    return InputError(f"{name}: wrong type of pixel", got=x.dtype, wanted="uint8, or floats in [0, 1]", fix=fix)
