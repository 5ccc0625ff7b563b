"""Inputs of networks from whatever holds them: arrays of any library, `Images`, a DataLoader, a Dataset."""

import warnings

import torch
from torch import Tensor, nn

from eigencode.base.arrays import Array, gathered, iterates, tensor
from eigencode.base.border import LARGEST
from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.base.pixels import DROP_BROKEN, floats, refuse_channels_last, warn_of_black, wrong_pixels
from eigencode.base.types import Images


def inputs(given: Images | Array, name: str = "x") -> Tensor:
    """The inputs of a network or function as a tensor: an array of any library, `Images`, a DataLoader or a Dataset.

    uint8 images `N C H W` are scaled to [0, 1], and numbers in double precision that are not a tensor become float32,
    as networks have it.

    Raises:
        InputError: not an array, no images, NaN, infinite pixels, or numbers beyond single precision.
    """
    if isinstance(given, Images):
        return given.x
    x = gathered(given, name)[0] if iterates(given) else tensor(given, name, "nchw", empty=True)
    if x.numel() == 0 or x.ndim == 0:
        raise InputError(f"{name}: no images to measure", got=f"shape {tuple(x.shape)}", wanted="at least one image")
    if x.dtype == torch.float64 and not isinstance(given, Tensor):
        x = x.float()
    if x.is_floating_point() and not bool(torch.isfinite(x).all()):
        bad = (~torch.isfinite(x.flatten(1) if x.ndim > 1 else x[:, None]).all(1)).nonzero().flatten()
        raise InputError(
            f"{name}: {len(bad)} images hold NaN or Inf",
            got=f"images number {bad[:5].tolist()}",
            wanted="finite pixels",
            fix=DROP_BROKEN,
        )
    if x.dtype == torch.float64 and float(x.detach().abs().max()) > LARGEST:
        largest = f"up to {float(x.detach().abs().max()):.3g}"
        raise InputError(f"{name}: numbers too large for networks", got=largest, wanted=f"below {LARGEST:g}")
    if x.ndim == 4:
        warn_of_black(x, name)
        return floats(x)
    return x


def at_least(least: int, **settings: int) -> None:
    """Refuse whole numbers below `least`.

    >>> at_least(1, batch_size=0)
    Traceback (most recent call last):
    ...
    eigencode.base.errors.InputError: batch_size is too small
      got:    0
      wanted: >= 1
    """
    for name, value in settings.items():
        if value < least:
            raise InputError(f"{name} is too small", got=value, wanted=f">= {least}")


def images(given: Images | Array, name: str = "x") -> Tensor:
    """`inputs` that are meant to be images in [0, 1], for a network measured in pixel space.

    Only what has four axes is taken for images; anything else is some input of a network.

    Raises:
        InputError: as `inputs`; channels last, or whole numbers that are not uint8.

    Warns:
        EigencodeWarning: pixels outside [0, 1].
    """
    x = inputs(given, name)
    if x.ndim == 4:
        refuse_channels_last(x, name)
        if not x.is_floating_point():
            raise wrong_pixels(x, name)
        low, high = (float(v) for v in x.detach().aminmax())
        if low < -1e-6 or high > 1 + 1e-6:
            warnings.warn(
                f"{name}: pixels from {low:.4g} to {high:.4g}, not in [0, 1]: derivatives and distances are those of "
                "this scale.  Divide 0..255 by 255; put a normalisation in front of the network "
                "(models.Standardised); points=True says that they are points of another space",
                EigencodeWarning,
                stacklevel=4,
            )
    return x


def inputs_of(code: object, given: Images | Array, points: bool = False, name: str = "x") -> Tensor:
    """`images` for a network (an `nn.Module`), `inputs` for points of a space or a plain function.

    >>> inputs_of(torch.nn.Identity(), [[1.0, 2.0]]), inputs_of(abs, torch.tensor([[3, -4]]))
    (tensor([[1., 2.]]), tensor([[ 3, -4]]))
    """
    if points or not isinstance(code, nn.Module):
        return inputs(given, name)
    return images(given, name)
