"""Put the input normalisation of a network in front of it, so that it takes pixels in [0, 1]."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.border import Admitted, admit
from eigencode.base.errors import InputError, nearest
from eigencode.base.moments import Moments
from eigencode.base.types import Images
from eigencode.models._wrapped import Wrapped
from eigencode.representation._modes import device_of, dtype_of

Channels = float | Sequence[float] | Tensor

FIXED: dict[str, tuple[float, float]] = {"0-1": (0.0, 1.0), "-1-1": (0.5, 0.5), "0-255": (0.0, 1 / 255)}
"""(mean, std) of the scalings that do not depend on the images, by the resulting input range of the network."""

EXPECTS = (*FIXED, "standardised")
"""Input scalings to choose from; `standardised`: each channel has mean 0 and variance 1 over a data set."""


class Standardised(Admitted, Wrapped):
    """Wrap `net` so that each channel of its input is normalised first, x ↦ (x − mean) / std; takes pixels in [0, 1].

    With the normalisation inside the network, perturbations, distances and derivatives are measured in pixels, with
    the box [0, 1] and the usual ε such as 8/255.  The places of `net` keep their names.

    Args:
        net: any `nn.Module` that takes normalised images; shared, not copied.
        mean, std: one number, or one per channel, in units of pixels in [0, 1].

    Raises:
        InputError: mean and std of different lengths, not finite, or std <= 0; in `forward`, images with another number
            of channels.

    >>> net = Standardised(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), mean=0.5, std=0.25)
    >>> x = torch.rand(3, 1, 2, 2)
    >>> bool((net(x) == net.net((x - 0.5) / 0.25)).all())
    True
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, mean: Channels, std: Channels) -> None:
        super().__init__(net)
        given = [torch.as_tensor(v, dtype=torch.float64).flatten() for v in (mean, std)]
        m, s = (v.expand(max(len(v) for v in given)) if len(v) == 1 else v for v in given)
        fits = len(m) == len(s) and len(m) > 0
        if not fits or not bool((torch.isfinite(m) & torch.isfinite(s)).all()) or not bool((s > 0).all()):
            raise InputError(
                "mean and std of the channels are invalid",
                got=f"mean {given[0].tolist()}, std {given[1].tolist()}",
                wanted="as many of one as of the other, finite, std > 0, for pixels in [0, 1]",
                fix="e.g. mean 0.49,0.48,0.45 and std 0.25,0.24,0.26; divide by 255 if they are for pixels up to 255",
            )
        device = device_of(net)
        self.register_buffer("mean", m.float().reshape(-1, 1, 1).to(device), persistent=False)
        self.register_buffer("std", s.float().reshape(-1, 1, 1).to(device), persistent=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Any:
        if len(self.mean) not in (1, x.shape[1]):
            raise InputError(
                "mean and std have another number of channels than the images",
                got=f"{len(self.mean)} numbers for {x.shape[1]} channels",
                wanted=f"one number, or {x.shape[1]}",
            )
        scaled = (x - self.mean) / self.std
        return self.net(scaled.to(dtype_of(self.net) or scaled.dtype))

    def extra_repr(self) -> str:
        return f"mean={_short(self.mean)}, std={_short(self.std)}"


def as_expected(
    net: nn.Module, expects: str, images: Images, mean: Channels | None = None, std: Channels | None = None
) -> nn.Module:
    """Wrap `net` so that it takes pixels in [0, 1]; returns `net` itself if it already does.

    Args:
        net: a network whose input is scaled as `expects` says.
        expects: `"0-1"`, `"-1-1"` and `"0-255"` are ranges; `"standardised"` subtracts the mean and divides by the
            standard deviation, channel by channel: those given, or those of `images`.
        images: training images; used only for `"standardised"` without `mean` and `std`.
        mean, std: of the channels; both or neither, and only with `"standardised"`.

    >>> images = Images(torch.tensor([0.2, 0.4]).reshape(2, 1, 1, 1), torch.tensor([0, 1]))
    >>> as_expected(nn.Flatten(), "standardised", images)(images.x).flatten()
    tensor([-1.0000,  1.0000])
    """
    admit(as_expected, locals())
    if expects not in EXPECTS:
        raise InputError(
            "unknown scaling of images", got=expects, wanted=", ".join(EXPECTS), fix=nearest(expects, EXPECTS)
        )
    if (mean is None) != (std is None):
        raise InputError(
            "mean without std, or std without mean", got=f"mean {mean}, std {std}", wanted="both or neither"
        )
    if mean is not None and std is not None:
        if expects != "standardised":
            raise InputError("mean and std contradict the scaling", got=expects, wanted="standardised")
        return Standardised(net, mean, std)
    if expects == "0-1":
        return net
    return Standardised(net, *(channel_moments(images) if expects == "standardised" else FIXED[expects]))


def pretrained_scaling(net: nn.Module) -> tuple[list[float], list[float]] | None:
    """Mean and std of the channels in the `pretrained_cfg` (or `default_cfg`) of a network of timm; None without one.

    >>> net = nn.Flatten()
    >>> net.pretrained_cfg = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2)}
    >>> pretrained_scaling(net)
    ([0.5, 0.4, 0.3], [0.2, 0.2, 0.2])
    """
    for name in ("pretrained_cfg", "default_cfg"):
        cfg: Any = getattr(net, name, None)
        found: list[Any] = [cfg.get(k) if isinstance(cfg, Mapping) else getattr(cfg, k, None) for k in ("mean", "std")]
        try:
            mean, std = ([float(v) for v in part] for part in found)
        except (TypeError, ValueError):
            continue
        if len(mean) == len(std) > 0 and all(math.isfinite(m) for m in mean) and all(0 < s < math.inf for s in std):
            return mean, std
    return None


def channel_moments(images: Images) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (divisor N) of each channel over all images and pixels in [0, 1], float64.

    >>> channel_moments(Images(torch.tensor([0.2, 0.4]).reshape(2, 1, 1, 1), torch.tensor([0, 1])))[0]
    tensor([0.3000], dtype=torch.float64)
    """
    parts = (images.pixels[i : i + 1000].cpu().double() for i in range(0, len(images), 1000))
    found = Moments.over(part.movedim(1, -1).flatten(0, -2) for part in parts)
    scale = 255.0 if images.pixels.dtype == torch.uint8 else 1.0
    return found.mean / scale, (found.scatter.diagonal() / found.n).sqrt() / scale


def _short(x: Tensor) -> str:
    return ", ".join(f"{v:.4g}" for v in x.flatten().tolist())
