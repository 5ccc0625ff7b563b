"""Check that a network returns usable logits for the images, and that its input is scaled as in training."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.progress import progress
from eigencode.base.types import Images
from eigencode.measures.accuracy import Accuracy
from eigencode.models._wrapped import unwrapped
from eigencode.models.standardised import FIXED, Standardised, channel_moments
from eigencode.representation._foreign import TWO_CLASSES, entering, mixing, probabilities, random
from eigencode.representation._modes import borrowed, device_of
from eigencode.representation.at import function_of
from eigencode.robustness.survival import share

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet, used by most networks trained on colour photographs."""

TRIED = 500
"""Number of images on which other input scalings are tried."""


@dataclass(frozen=True)
class Examined:
    """Result of `examine`: accuracy on all images (95 % Wilson interval) and warnings."""

    accuracy: Accuracy
    doubts: tuple[str, ...]


def examine(net: nn.Module, test: Images, batch_size: int = 250, trained: bool = True) -> Examined:
    """Evaluate the network on all images; raise if its outputs are unusable, collect warnings if they look wrong.

    Args:
        net: takes pixels in [0, 1].
        test: images with labels.
        batch_size: images per forward pass.
        trained: False: do not check accuracy and input scaling.

    Raises:
        InputError: the network fails on the images, or returns something that is not one logit per image and class:
            a tuple or dictionary, another shape, NaN, probabilities, fewer classes than there are labels.
    """
    with borrowed(net), torch.no_grad():
        starts = range(0, len(test), batch_size)
        logits = torch.cat([_logits(net, test, i, batch_size) for i in progress(starts, "accuracy")])
        _logits(net, test, 0, 1)  # a network may squeeze a single image
        _refuse_probabilities(net, logits)
        right = Accuracy.of(logits.argmax(1) == test.y.cpu(), test.groups)
        doubts = _about_outputs(logits, test)
        some = test[:2].x.to(device_of(net))
        doubts += [said for said in [random(function_of(net), some) or mixing(function_of(net), some)] if said]
        if trained:
            doubts += _about_scaling(net, test, right, batch_size)
    return Examined(right, tuple(doubts))


def _logits(net: nn.Module, test: Images, first: int, size: int) -> Tensor:
    x = test[first : first + size].x.to(device_of(net))
    try:
        out = net(entering(net, x))
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # foreign code may raise any type, and call sys.exit
        raise _does_not_fit(net, test, x, error) from error
    logits = _one_row_each(net, out, x, len(test.class_names))
    if logits.shape[1] <= int(test.y.max()):
        raise InputError(
            f"{name_of(net)} has fewer classes than the labels of {test.name}",
            got=f"{logits.shape[1]} logits per image",
            wanted=f"at least {int(test.y.max()) + 1}",
            fix="measure on the data it was trained on, or build it with as many classes (--arg name=value)"
            + "; do labels begin at 1?  ec.Images(x, y - 1)" * (int(test.y.min()) == 1),
        )
    if not bool(torch.isfinite(logits).all()):
        broken = [k for k, v in net.state_dict().items() if v.is_floating_point() and not bool(torch.isfinite(v).all())]
        rows = int((~torch.isfinite(logits).all(1)).sum())
        raise InputError(
            f"{name_of(net)} returns NaN or Inf",
            got=f"for {rows} of {len(x)} images"
            + (f"; the weights {', '.join(broken[:4])} hold NaN or Inf" if broken else ""),
            wanted="finite numbers",
            fix="load other weights" if broken else "scale the input as in training: --expects, or --mean and --std",
        )
    return logits.float().cpu()


def _one_row_each(net: nn.Module, out: Any, x: Tensor, classes: int) -> Tensor:
    if not isinstance(out, Tensor):
        parts = (
            list(out.items())
            if isinstance(out, dict)
            else list(enumerate(out))
            if isinstance(out, list | tuple)
            else []
        )
        shapes = [f"{k!r}: {tuple(v.shape)}" for k, v in parts if isinstance(v, Tensor)]
        like = [k for k, v in parts if isinstance(v, Tensor) and v.ndim == 2 and len(v) == len(x) and v.shape[1] > 1]
        raise InputError(
            f"{name_of(net)} does not return logits",
            got=f"a {type(out).__name__}" + (f" of {', '.join(shapes[:6])}" if shapes else ""),
            wanted=f"a tensor, {len(x)} images x {classes} classes",
            fix=f"wrap it in a module whose forward returns net(x)[{like[0] if like else 0!r}] alone",
        )
    if out.is_meta:
        raise InputError("the network has no values (device meta)", wanted="a network with weights on a device")
    if out.ndim != 2 or len(out) != len(x) or out.shape[1] < 2 or not out.is_floating_point():
        flat = out.ndim > 2 and out.flatten(1).shape == (len(x), classes)
        single = out.is_floating_point() and out.numel() == len(x)
        raise InputError(
            f"{name_of(net)} does not return one logit per image and class",
            got=f"{tuple(out.shape)} of {str(out.dtype).removeprefix('torch.')}",
            wanted=f"({len(x)}, {classes}) of floats",
            fix="wrap it in nn.Sequential(net, nn.Flatten())"
            if flat
            else TWO_CLASSES
            if single
            else "return the numbers before argmax, one per class",
        )
    return out


def _refuse_probabilities(net: nn.Module, logits: Tensor) -> None:
    if probabilities(logits):
        raise InputError(
            f"{name_of(net)} returns probabilities, not logits",
            got=f"rows that are >= 0 and sum to 1, the largest number {float(logits.max()):.4g}",
            wanted="the numbers before the softmax",
            fix="drop the last softmax: through it the gradients vanish, and every attack would look weaker than it is",
        )


def _about_outputs(logits: Tensor, test: Images) -> list[str]:
    found = []
    if bool(((logits >= 0) & (logits <= 1)).all()):
        found.append(
            "all outputs lie in [0, 1], like those of a sigmoid, whose gradients vanish: return the logits before it"
        )
    if logits.shape[1] > len(test.class_names):
        found.append(
            f"the network has {logits.shape[1]} outputs for {len(test.class_names)} classes: "
            "unless label k is output k, name them in order (--classes of a folder)"
        )
    return found


def _about_scaling(net: nn.Module, test: Images, whole: Accuracy, batch_size: int) -> list[str]:
    """Warn if accuracy is at chance, or significantly higher with another input scaling."""
    found = []
    constant = int(torch.bincount(test.y.cpu()).max()) / len(test)
    if whole.low <= constant:
        found.append(
            f"accuracy {whole} is no better than always answering the most frequent class ({constant:.3g}): is the "
            "input normalised as in training?  --mean and --std (models.Standardised), or --expects"
        )
    rows = torch.linspace(0, len(test) - 1, min(TRIED, len(test))).long()
    some = test[rows]
    inner = net.net if isinstance(net, Standardised) else net
    best = as_it_is = share(int(whole.correct[rows].sum()), len(rows), 0.999)
    words = ""
    for said, candidate in _scalings(inner, some):
        try:
            other = torch.cat([_logits(candidate, some, i, batch_size) for i in range(0, len(some), batch_size)])
        except InputError:  # NaN at this scale, say
            continue
        right = share(int((other.argmax(1) == some.y.cpu()).sum()), len(rows), 0.999)
        if right.low > as_it_is.high and right.value > best.value:
            best, words = right, f"with {said} it would be {right.value:.3g}"
    if words:
        found.append(
            f"the input does not seem to be scaled as in training: accuracy on {len(rows)} images is "
            f"{as_it_is.value:.3g}, {words}"
        )
    return found


def _scalings(net: nn.Module, images: Images) -> list[tuple[str, nn.Module]]:
    found: list[tuple[str, nn.Module]] = [
        (f"--expects {name}", Standardised(net, *pair)) for name, pair in FIXED.items()
    ]
    mean, std = channel_moments(images)
    found.append(("--expects standardised", Standardised(net, mean, std.clamp_min(1e-6))))
    if images.shape[0] == 3:
        flags = [",".join(map(str, numbers)) for numbers in IMAGENET]
        found.append((f"--mean {flags[0]} --std {flags[1]}", Standardised(net, *IMAGENET)))
    return found


def _does_not_fit(net: nn.Module, test: Images, x: Tensor, error: BaseException) -> InputError:
    inner = unwrapped(net)
    leaf = next((m for m in inner.modules() if isinstance(m, nn.Conv2d | nn.Linear)), None)
    wanted, fix = "a network for these images", "choose the data it was trained on (--data), or its settings (--arg)"
    if isinstance(leaf, nn.Conv2d) and leaf.in_channels != test.shape[0]:
        wanted = f"{leaf.in_channels} channels, by its first convolution"
    elif isinstance(leaf, nn.Linear) and leaf.in_features == test.inputs:
        wanted, fix = f"rows of {test.inputs} numbers, by its first layer", "wrap it: nn.Sequential(nn.Flatten(), net)"
    elif isinstance(leaf, nn.Linear):
        wanted = f"{leaf.in_features} numbers per image, by its first layer"
    said = str(error).split("\n")[0][:300]
    return InputError(
        f"{name_of(net)} fails on the images of {test.name}",
        got=f"images {tuple(x.shape)} (N C H W): {type(error).__name__}: {said}",
        wanted=wanted,
        fix=fix,
    )


def name_of(net: nn.Module) -> str:
    """Class name of the network, without a wrapper of this package."""
    return type(unwrapped(net)).__name__
