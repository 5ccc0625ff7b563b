"""`at(net, "encoder")`, `between(net, "norm", "latent")`: a representation of any module as a function."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.inputs import inputs
from eigencode.base.types import Space
from eigencode.representation._blaming import blaming, in_functorch
from eigencode.representation._foreign import TWO_CLASSES, Foreign, SecondAxis, entering
from eigencode.representation._modes import evaluating
from eigencode.representation._place import Place, resolve
from eigencode.representation._run import children_after, children_in_turn, not_first, run
from eigencode.representation.reduce import Reduce, reducer

PIXEL = "pixel"
"""Start of functions of the images themselves."""

AXES = ("mean", "max", "positions", "token")
"""Reductions for which it matters which axis holds the units."""

ON_LINES = (nn.Conv1d, nn.ConvTranspose1d, nn.InstanceNorm1d)
"""Modules whose outputs are maps with one position axis, `N C L`."""

UNIT = "unit"
"""Alias of a start at `norm`, if it is the first module."""


class Reader(nn.Module):
    """Representations at several places of a network as one differentiable function of the tensor at an earlier place.

    Runs in evaluation mode and leaves the modes and hooks of the network unchanged.  The argument is the tensor at
    `start`, see `points`.

    Attributes:
        start: the place of the argument, or `"pixel"`.
        space: `start` as given by the caller; `"unit"` stands for a `norm` that is the first module.
        reduce: conversion of maps and tokens to rows, see `reducer`.
    """

    def __init__(self, module: nn.Module, start: str, places: Sequence[str], reduce: Reduce = "flatten") -> None:
        super().__init__()
        if not places:
            raise InputError("no places to read", got=repr(places), wanted="a list of places, such as ['1', 'logits']")
        self.module = module
        self.space = start
        self.start = "norm" if start == UNIT else start
        self.reduce = reduce
        self.targets = [resolve(module, place) for place in dict.fromkeys(places)]
        self._from = None if start == PIXEL else _resolve_start(module, start)
        self._rows = reducer(reduce)
        self._maps_of_lines = any(isinstance(m, ON_LINES) for m in module.modules())
        self._image: Tensor | None = None
        self._no_bypass = self._from is None or children_after(module, self._from) is not None

    def points(self, images: Tensor) -> Tensor:
        """Compute the tensor at `start` for these images (the images themselves for `"pixel"`)."""
        images = inputs(images, "images")
        if self._from is None:
            return images
        if self.space == UNIT:
            return unit_points(self.module, images)
        self._image = images[:1].detach()
        with evaluating(self.module):
            return run(self.module, None, [self._from], images)[self._from.name]

    def tensors(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the tensors at all places, before the reduction to rows."""
        with evaluating(self.module):
            if not self._no_bypass and not in_functorch(x):
                self._refuse_bypass(x)
                self._no_bypass = True
            return run(self.module, self._from, self.targets, x, self._placeholder(x))

    def forward(self, x: Tensor) -> Any:
        return {name: self.rows(name, z, len(x)) for name, z in self.tensors(x).items()}

    def rows(self, name: str, z: Tensor, count: int) -> Tensor:
        """Reduce the tensor at a place to `count` rows; `InputError` if that is impossible."""
        if z.ndim >= 3 and len(z) != count and z.shape[1] == count:
            raise SecondAxis(
                f"{type(self.module).__name__}: the images are not the first axis at {name!r}",
                got=tuple(z.shape),
                wanted=f"({count}, ...)",
                fix="give a function of images that ends in .transpose(0, 1), or a place behind it",
            )
        if z.ndim == 3 and self._maps_of_lines and str(self.reduce).partition(":")[0] in AXES:
            raise InputError(
                f"{type(self.module).__name__}: three axes at {name!r} may be maps N C L or tokens N T C",
                got=f"{tuple(z.shape)}, of a network with one-dimensional convolutions, and reduce={self.reduce!r}",
                wanted="a function that says which axis holds the units",
                fix="reduce=lambda z: z if z.ndim == 2 else z.mean(2) for maps, z.mean(1) for tokens",
            )
        with blaming(self._rows, z):
            found = self._rows(z) if z.ndim >= 2 and len(z) == count else z
        rows = isinstance(found, Tensor) and found.ndim == 2 and (len(found) == count or self.reduce == "positions")
        if not rows or z.ndim < 2 or len(z) != count:
            raise InputError(
                f"{type(self.module).__name__}: {name!r} does not give one row of numbers per image",
                got=tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__,
                wanted=f"({count}, units)",
                fix=f"return z[:, None]; for the single logit of a network: {TWO_CLASSES}"
                if z.shape == (count,)
                else None,
            )
        return found

    def _placeholder(self, x: Tensor) -> Tensor | None:
        """Input of the network while the output at `start` is replaced; must not influence any place after `start`."""
        if self._from is None or self._image is None or children_after(self.module, self._from) is not None:
            return None
        image = self._image.to(x.device, x.dtype if x.is_floating_point() else None)
        return image.expand(len(x), *image.shape[1:])

    def _refuse_bypass(self, x: Tensor) -> None:
        """Raise `InputError` if a place also depends on the input of the network by a path around `start`."""
        assert self._from is not None
        point = x[:1].detach()
        given = self._placeholder(point)
        one = point if given is None else given
        if not one.is_floating_point():
            return
        with torch.no_grad():
            again = run(self.module, self._from, self.targets, point, given)
            a, b = (run(self.module, self._from, self.targets, point, image) for image in (one, 1 - one))
        for name in a:
            if torch.equal(a[name], again[name]) and not torch.equal(a[name], b[name]):
                raise InputError(
                    f"{name!r} is no function of {self.start!r} alone",
                    got=f"another way through {type(self.module).__name__} that does not pass {self.start!r}",
                    wanted="a start through which everything flows",
                    fix="start at the end of the block, or at the pixels",
                )

    def extra_repr(self) -> str:
        text = f"places={[t.name for t in self.targets]}, space={self.space!r}"
        return text if self.reduce == "flatten" else f"{text}, reduce={self.reduce!r}"


class Code(Reader):
    """Representation at one place of a network, `N units`, as a differentiable function; made by `at`."""

    def __init__(self, module: nn.Module, start: str, place: str, reduce: Reduce = "flatten") -> None:
        super().__init__(module, start, [place], reduce)
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        return self.rows(self.place, self.tensors(x)[self.place], len(x))

    def extra_repr(self) -> str:
        return super().extra_repr().replace(f"places={[self.place]}", f"place={self.place!r}")


def at(module: nn.Module, place: str, space: Space = "pixel", reduce: Reduce = "flatten") -> Code:
    """Representation at a place of a network as a function of images.

    Args:
        place: `"logits"` (the output), `"input"` (the input of the first trained layer: the images after the
            module's own `norm` child, if that is the first module), a name in the module's `places` dictionary (the
            networks of this package have `"encoder"` and `"latent"`), or any dotted submodule name such as
            `"layer2.0.conv1"`; `"relu:2"` is the second call of `relu`, `"lstm[0]"` the first element of a tuple,
            `"block[hidden]"` one of a mapping, `".logits"` a submodule that is called `logits`.
        space: `"pixel"`: a function of images in [0, 1] (default).  `"unit"`: `between(module, "norm", place)`, the
            space of arXiv 2405.00679; needs a child called `norm`.
        reduce: conversion of maps and tokens to rows, see `representation.reducer`.

    Returns:
        A `Code`: call it with `N C H W` points, get `N units`.

    Raises:
        InputError: the module has no such place, or no `norm` for unit space.

    >>> import torch
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> x = torch.rand(5, 1, 2, 2)
    >>> at(net, "2")(x).shape, at(net, "logits")(x).shape
    (torch.Size([5, 3]), torch.Size([5, 2]))
    """
    admit(at, locals())
    if space not in ("pixel", "unit"):
        fix = f"ec.between(net, {space!r}, {place!r})"
        raise InputError("unknown space", got=space, wanted="'pixel' or 'unit'", fix=fix)
    return between(module, space, place, reduce)


def between(module: nn.Module, start: str, end: str, reduce: Reduce = "flatten") -> Code:
    """Representation at `end` as a function of the tensor at `start`.

    Everything before `start` is skipped: the argument is the output of `start`, `code.points(images)`.

    Args:
        start: `"pixel"`, or a place as in `at`; `"unit"` is `"norm"`, which must then be the first module.
        end: a place as in `at`, reached after `start`.
        reduce: as in `at`.

    Raises:
        InputError: no such place.  Calling the code raises it if `end` comes before `start`, or also depends on a path
            around `start`, such as the shortcut of a residual block.

    >>> import torch
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> code, x = between(net, "1", "logits"), torch.rand(5, 1, 2, 2)
    >>> code.points(x).shape, bool((code(code.points(x)) == net(x)).all())
    (torch.Size([5, 3]), True)
    """
    admit(between, locals())
    return Code(module, start, end, reduce)


def unit_points(module: nn.Module, images: Tensor) -> Tensor:
    """Convert images to points of unit space, `module.norm(images)`."""
    with blaming(module, images), evaluating(module):
        points: Tensor = _first_norm(module)(entering(module, images))
    return points


def _norm_of(module: nn.Module) -> nn.Module:
    """The child `norm` of a module; `InputError` if there is none."""
    norm = getattr(module, "norm", None)
    if not isinstance(norm, nn.Module):
        raise InputError(
            f"{type(module).__name__} has no unit space",
            got="no child called 'norm'",
            wanted="a module whose child `norm` scales images to unit norm before anything else",
            fix="measure in pixel space, or put models.UnitNorm(p=3) first and call it `norm`",
        )
    return norm


def _first_norm(module: nn.Module) -> nn.Module:
    """The child `norm` of a module; `InputError` if there is none, or if another child comes before it."""
    norm = _norm_of(module)
    if (children := children_in_turn(module)) and children[0] is not norm:
        raise not_first("norm")
    return norm


def _resolve_start(module: nn.Module, start: str) -> Place:
    """Resolve the start of a code; `InputError` unless it is the tensor output of a submodule."""
    if start == UNIT:
        _first_norm(module)
    elif start == "norm":
        _norm_of(module)
    place = resolve(module, "norm" if start == UNIT else start)
    if place.module is None or place.module is module or place.path:
        raise InputError(
            f"nothing starts at {start!r}", wanted="'pixel', or a submodule that gives a tensor before the end"
        )
    return place


Logits = Callable[[Tensor], Tensor]
"""Function from points `N C H W` to logits `N classes`, differentiable in the points."""


def function_of(code: object) -> Callable[[Tensor], Any]:
    """Any function of images (or points) as one that leaves them alone: see `Foreign`.

    >>> x = torch.ones(1)
    >>> function_of(lambda images: images.mul_(2))(x), x
    (tensor([2.]), tensor([1.]))
    """
    if isinstance(code, Reader | Foreign):
        return code
    if not callable(code):
        raise InputError("not a network", got=type(code).__name__, wanted="an nn.Module or a callable")
    return Foreign(code)


def representation_of(code: nn.Module | Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """`function_of`, with the logits of a module that is no code."""
    return function_of(at(code, "logits") if isinstance(code, nn.Module) and not isinstance(code, Reader) else code)


def logits_of(net: object, space: Space) -> tuple[Logits, Callable[[Tensor], Tensor]]:
    """Logits of a module or callable as a function of points of `space`, and the map from images to points."""
    if isinstance(net, Code):
        return net, net.points
    if isinstance(net, nn.Module):
        code = at(net, "logits", space)
        return code, code.points
    if callable(net) and space != "pixel":
        raise InputError("a plain function has no unit space", got=space, wanted="an nn.Module with a `norm` child")
    return function_of(net), lambda images: images
