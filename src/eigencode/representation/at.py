"""`at(net, "encoder")`: any place of any module as a function of its images."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from eigencode.base.errors import InputError, nearest
from eigencode.base.types import Space
from eigencode.representation.modes import evaluating


class Code(nn.Module):
    """A place of a network as a differentiable function: points `N C H W` in, representation `N units` out.

    Made by `at`.  Runs in evaluation mode whatever mode the network is in, and leaves the network's mode and
    hooks as they were.  In unit space its argument is a point of that space, `code.points(images)`.
    """

    def __init__(self, module: nn.Module, place: str, space: Space) -> None:
        super().__init__()
        self.module = module
        self.place = place
        self.space = space

    def points(self, images: Tensor) -> Tensor:
        """The points this function is evaluated at: the images themselves, or `net.norm(images)` in unit space."""
        return unit_points(self.module, images) if self.space == "unit" else images

    def forward(self, x: Tensor) -> Tensor:
        with evaluating(self.module):
            found = _run(self.module, self.place, self.space, x)
        if found.ndim < 2:
            raise InputError(
                f"{type(self.module).__name__}: {self.place!r} does not give one row of numbers per image",
                got=tuple(found.shape),
                wanted=f"({len(x)}, units)",
            )
        return found.flatten(1)

    def extra_repr(self) -> str:
        return f"place={self.place!r}, space={self.space!r}"


def at(module: nn.Module, place: str, space: Space = "pixel") -> Code:
    """The representation at `place` as a function of the images.

    Args:
        module: any `nn.Module`.
        place: `"logits"` (the output), `"input"` (what enters the first trained layer: the images after the
            module's own `norm` child, if it has one that comes first), a name in the module's `places` dictionary (the
            networks of this package know `"encoder"` and `"latent"`), or any dotted submodule name such as
            `"layer2.0.conv1"`.
            A submodule that runs more than once is read at its first call.
        space: `"pixel"`: a function of images in [0, 1] (default).  `"unit"`: the same as a function of
            `net.norm(x)`, the space of arXiv 2405.00679; needs a child called `norm`, which is then skipped.

    Returns:
        A `Code`: call it with `N C H W` points, get `N units` (convolutional maps are flattened).

    Raises:
        InputError: the module has no such place, or no `norm` for unit space.

    >>> import torch
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> x = torch.rand(5, 1, 2, 2)
    >>> at(net, "2")(x).shape, at(net, "logits")(x).shape
    (torch.Size([5, 3]), torch.Size([5, 2]))
    """
    if space not in ("pixel", "unit"):
        raise InputError("unknown space", got=space, wanted="'pixel' or 'unit'")
    if space == "unit":
        _norm_of(module)
    _resolve(module, place)
    return Code(module, place, space)


def unit_points(module: nn.Module, images: Tensor) -> Tensor:
    """`module.norm(images)`: images as points of unit space."""
    with evaluating(module):
        points: Tensor = _norm_of(module)(images)
    return points


def _norm_of(module: nn.Module) -> nn.Module:
    norm = getattr(module, "norm", None)
    if not isinstance(norm, nn.Module):
        raise InputError(
            f"{type(module).__name__} has no unit space",
            got="no child called 'norm'",
            wanted="a module whose child `norm` scales images to unit norm before anything else",
            fix="measure in pixel space, or put models.UnitNorm(p=3) first and call it `norm`",
        )
    return norm


def _resolve(module: nn.Module, place: str) -> nn.Module | None:
    """The submodule whose output is `place`; None for the two ends."""
    if place in ("input", "logits"):
        return None
    aliases: dict[str, str] = getattr(module, "places", {})
    modules: dict[str, nn.Module] = dict(module.named_modules(remove_duplicate=False))  # a shared layer has two names
    name = aliases.get(place, place)
    if not place or name not in modules:
        known = ["input", "logits", *aliases, *(n for n in modules if n)]
        raise InputError(
            f"{type(module).__name__} has no place {place!r}",
            got=place,
            wanted="input, logits, or the dotted name of a submodule",
            fix=nearest(place, known),
        )
    return modules[name]


class _Found(Exception):
    def __init__(self, value: Tensor) -> None:
        self.value = value


def _run(module: nn.Module, place: str, space: Space, x: Tensor) -> Tensor:
    """Run the module up to `place`, skipping `norm` in unit space."""
    target = _resolve(module, place)
    norm = getattr(module, "norm", None)
    if place == "input" and (space == "unit" or not isinstance(norm, nn.Module)):
        return x

    def skipped(seen: object, *args: Any, **kwargs: Any) -> Tensor:
        if seen is not x:
            raise InputError(
                f"{type(module).__name__} has no unit space",
                got="a child called 'norm' that does not see the images themselves",
                wanted="a module whose child `norm` scales images to unit norm before anything else",
                fix="measure in pixel space",
            )
        return x

    def stop_if_first(norm: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if args[0] is x:
            raise _Found(_tensor(output))

    with ExitStack() as until:
        if space == "unit":
            until.enter_context(_replaced(_norm_of(module), skipped))
        elif place == "input":
            assert isinstance(norm, nn.Module)
            until.callback(norm.register_forward_hook(stop_if_first).remove)
        if target is not None:
            until.callback(target.register_forward_hook(_stop).remove)
        try:
            output = module(x)
        except _Found as found:
            return found.value
    if target is not None:
        raise InputError(
            f"{type(module).__name__}: the submodule at {place!r} was never called",
            wanted="a place on the way from images to logits",
        )
    return x if place == "input" else _tensor(output)  # a `norm` later on, the last layer of a transformer say


@contextmanager
def _replaced(module: nn.Module, forward: Callable[..., Tensor]) -> Iterator[None]:
    """Another `forward` inside: a hook could only replace the output, after it has been computed."""
    before = vars(module).get("forward")
    vars(module)["forward"] = forward
    try:
        yield
    finally:
        if before is None:
            del vars(module)["forward"]
        else:
            vars(module)["forward"] = before


def _stop(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
    raise _Found(_tensor(output))


def _tensor(output: Any) -> Tensor:
    if not isinstance(output, Tensor):
        raise InputError(
            "the output of this place is not a tensor",
            got=type(output).__name__,
            fix="name a submodule inside it",
        )
    return output


Logits = Callable[[Tensor], Tensor]
"""A function from points `N C H W` to logits `N classes`, differentiable in the points."""


def logits_of(net: object, space: Space) -> tuple[Logits, Callable[[Tensor], Tensor]]:
    """(logits as a function of points of `space`, the map from images to such points) of a module or callable."""
    if isinstance(net, Code):
        return net, net.points
    if isinstance(net, nn.Module):
        code = at(net, "logits", space)
        return code, code.points
    if not callable(net):
        raise InputError("not a network", got=type(net).__name__, wanted="an nn.Module or a callable")
    if space != "pixel":
        raise InputError("a plain function has no unit space", got=space, wanted="an nn.Module with a `norm` child")
    return net, lambda images: images
