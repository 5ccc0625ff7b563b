"""Anybody's function of images: it gets a copy of them in its own type, and is examined once per measurement."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from eigencode.base.errors import BatchWarning, InputError, warn
from eigencode.representation._blaming import blaming
from eigencode.representation._modes import dtype_of, kinds_of


class SecondAxis(InputError):
    """The images are the second axis of a representation, as in the sequences of torch by default."""


TWO_CLASSES = "models.TwoClasses(net), which returns torch.stack([0 * z, z], 1) for its single logit z"


def entering(net: object, x: Tensor) -> Tensor:
    """A copy of `x` for a network, which may change its input in place, in the floating-point type of its weights.

    The type is not changed if the weights have several types; differentiable.

    >>> from torch import nn
    >>> entering(nn.Linear(2, 2).double(), torch.zeros(3, 2)).dtype
    torch.float64
    """
    if not isinstance(x, Tensor):
        raise InputError("a network was called without a tensor", got=type(x).__name__, wanted="a torch.Tensor")
    if not x.is_floating_point() or next(kinds_of(net), x.dtype) == x.dtype:
        return x.clone()
    kind = dtype_of(net)
    return x.clone() if kind is None else x.to(kind)


class Foreign:
    """A function of images that was not made by `at`: it gets copies of the images, see `entering`."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        self.function = function

    def __call__(self, x: Tensor) -> Any:
        with blaming(self.function, x):
            return self.function(entering(self.function, x))


def numbers(z: Any) -> Any:
    """Real numbers of a representation: quantised ones become floats, integers and truth values float64.

    Anything that is not a tensor is returned as it is.

    Raises:
        InputError: complex numbers, whose imaginary part no measurement here would use.

    >>> numbers(torch.tensor([[1, 2]])).dtype
    torch.float64
    """
    if not isinstance(z, Tensor):
        return z
    if z.is_complex():
        raise InputError(
            "the representation is complex",
            got=str(z.dtype).removeprefix("torch."),
            wanted="real numbers",
            fix="return torch.view_as_real(z).flatten(1), or z.abs()",
        )
    if z.is_quantized:
        return z.dequantize()
    return z if z.is_floating_point() else z.double()


def slope(z: Tensor, x: Tensor, v: Tensor, create_graph: bool = False) -> Tensor:
    """The product Jᵀv of a leaf `x` with gradients on; zero if `z` does not depend on it.

    The graph is kept, for further products and because a network with reentrant checkpoints allows `backward` only.
    """
    try:
        found: Tensor | None = torch.autograd.grad(
            z, x, v, retain_graph=True, create_graph=create_graph, allow_unused=True
        )[0]
    except RuntimeError as error:
        if "checkpoint" not in str(error).lower():
            raise
        before, x.grad = x.grad, None
        z.backward(v, retain_graph=True, create_graph=create_graph)  # type: ignore[no-untyped-call]
        found, x.grad = x.grad, before
    return torch.zeros_like(x) if found is None else found


def as_logits(z: object, images: int) -> Tensor:
    """Check logits, `images x classes`; half precision becomes float32.

    Raises:
        InputError: not one row of at least two finite floating-point numbers per image.
    """
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != images or z.shape[1] < 2 or not z.is_floating_point():
        single = isinstance(z, Tensor) and z.is_floating_point() and z.shape in ((images,), (images, 1))
        kind = (
            f"{tuple(z.shape)} of {str(z.dtype).removeprefix('torch.')}" if isinstance(z, Tensor) else type(z).__name__
        )
        raise InputError(
            "the network does not return logits",
            got=kind,
            wanted=f"({images}, classes) of floats with at least two classes",
            fix=TWO_CLASSES if single else "pass a module or function from images to one number per class",
        )
    if z.is_meta:
        raise InputError("the network has no values (device meta)", wanted="a network with weights on a device")
    if not bool(torch.isfinite(z.detach()).all()):
        raise InputError("the logits hold NaN or Inf", wanted="finite numbers", fix="check the network's weights")
    return z.float() if z.dtype in (torch.float16, torch.bfloat16) else z


def probabilities(z: Tensor) -> bool:
    """True for rows that are not negative and sum to one, as after a softmax.

    >>> probabilities(torch.tensor([[0.25, 0.75]])), probabilities(torch.tensor([[0.25, 0.5]]))
    (True, False)
    """
    return bool((z >= 0).all()) and bool(((z.double().sum(1) - 1).abs() < 1e-3).all())


def watch(function: Callable[[Tensor], Any], x: Tensor, batch_size: int = 2, refuse: bool = False) -> None:
    """Warn if images of a batch influence one another, or if the function is random; costs sixteen images.

    Args:
        function: from images (or points) to one or several tensors.
        x: one of them at least.
        batch_size: of the measurement; images that are measured one by one cannot influence one another.
        refuse: raise an `InputError` if images influence one another: the derivative by an image is not defined.
    """
    said = random(function, x) or ("" if batch_size == 1 else mixing(function, x))
    if said and refuse and said.startswith(MIXED):
        raise InputError(
            "an image has no derivative of its own",
            got=said,
            wanted="one representation per image",
            fix="batch_size=1, which measures every image alone",
        )
    if said:
        warn(said, BatchWarning)


MIXED = "an image gives other numbers beside other images"


def random(function: Callable[[Tensor], Any], x: Tensor) -> str:
    """Warning text if the same image gives different outputs the second time; "" otherwise."""
    one = x.detach()[:1]
    if not _differ(function, [one, one], [one, one], slice(None)):
        return ""
    return (
        "the same images give other numbers the second time: the network is random in evaluation mode, or keeps a "
        "state, and attacks see another network than the one they are judged on"
    )


def mixing(function: Callable[[Tensor], Any], x: Tensor) -> str:
    """Warning text if the output for an image depends on the other images of its batch; "" otherwise.

    Three images are evaluated together, then the first and the last of them again beside others, in the same place of
    a batch of the same size, so that rounding is the same too.

    >>> mixing(lambda x: x - x.mean(0), torch.rand(2, 4)) != ""
    True
    """
    first, last = x.detach()[:1], x.detach()[:2][-1:]
    other, another = (_changed(image, k) for k, image in enumerate((first, last), 1))
    before = [first, other, last]
    if not _differ(function, before, [first, another, other], 0) and not _differ(
        function, before, [another, another, last], 2
    ):
        return ""
    return (
        f"{MIXED}: the network mixes the images of a batch, and no number here is that of a single image (batch_size=1 "
        "measures every image alone)"
    )


@torch.no_grad()
def _differ(function: Callable[[Tensor], Any], one: list[Tensor], two: list[Tensor], row: int | slice) -> bool:
    """True if the outputs in one row (or all) of two batches of images differ by more than rounding."""
    try:
        outputs = _outputs(function, one)
        before = [z.clone() for z in outputs]
        pairs = list(zip(before, _outputs(function, two), strict=True))
        allowed = [4 * torch.finfo(a.dtype).eps * float(a.abs().amax()) for a, _ in pairs]
    except SecondAxis:
        raise
    except Exception:  # a network may take other batches or images only; the measurement will tell
        return False
    if not all(torch.allclose(z, known, rtol=0, atol=0, equal_nan=True) for z, known in zip(outputs, before)):
        raise InputError(
            "the network writes every output into the same memory",
            got="an output that changed while the next images were evaluated",
            wanted="a new tensor for every call",
            fix="return z.clone()",
        )
    return any(bool(((a - b)[row].abs() > most).any()) for (a, b), most in zip(pairs, allowed, strict=True))


def _changed(image: Tensor, by: int) -> Tensor:
    """Another image of the same kind."""
    moved = image.roll(by, -1)
    return moved / (1 + by) if image.is_floating_point() else moved


def _outputs(function: Callable[[Tensor], Any], images: list[Tensor]) -> list[Tensor]:
    """The outputs for these images as one batch, a row of real numbers per image."""
    z = function(torch.cat(images))
    parts = [p.detach() for p in (z.values() if isinstance(z, dict) else [z])]
    real = [torch.view_as_real(p) if p.is_complex() else numbers(p) for p in parts]
    return [p.reshape(len(images), -1) for p in real]
