"""`at(net, "encoder")`, `between(net, "norm", "latent")`: a representation as a function, of any module."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.types import Space
from eigencode.representation.modes import evaluating
from eigencode.representation.place import Found, Listener, Place, resolve
from eigencode.representation.reduce import Reduce, reducer

PIXEL = "pixel"
"""The place before the network: its images."""

UNIT = "unit"
"""The place behind a `norm` that comes before anything else."""

F = TypeVar("F", bound=Callable[..., Any])


class Reader(nn.Module):
    """Several places of a network as one differentiable function of the tensor at an earlier place.

    Runs in evaluation mode whatever mode the network is in, and leaves the network's modes and hooks as they were.
    Its argument is the tensor at `start`, which `points(images)` computes; from there on the network runs as it is.

    Attributes:
        module: the network.
        start: the place it starts from, or `"pixel"`.
        space: the same in the caller's word: `"unit"` stands for a `norm` that comes before anything else.
        targets: the places.
        reduce: how maps and tokens become rows.
    """

    def __init__(self, module: nn.Module, start: str, places: Sequence[str], reduce: Reduce = "flatten") -> None:
        super().__init__()
        self.module = module
        self.space = start
        self.start = "norm" if start == UNIT else start
        self.reduce = reduce
        self.targets = [resolve(module, place) for place in dict.fromkeys(places)]
        self._from = None if start == PIXEL else _begin(module, start)
        self._rows = reducer(reduce)
        self._image: Tensor | None = None
        self._alone = self._from is None or _follow(module, self._from) is not None

    def points(self, images: Tensor) -> Tensor:
        """The tensor at `start` for these images; the images themselves if it starts at the pixels."""
        if self._from is None:
            return images
        if self.space == UNIT:
            return unit_points(self.module, images)
        self._image = images[:1].detach()
        with evaluating(self.module):
            return run(self.module, None, [self._from], images)[self._from.name]

    def tensors(self, x: Tensor) -> dict[str, Tensor]:
        """What the network computes at every place, before it is reduced to rows."""
        with evaluating(self.module):
            if not self._alone and not _transformed(x):
                self._refuse_other_ways(x)
                self._alone = True
            return run(self.module, self._from, self.targets, x, self._carrier(x))

    def forward(self, x: Tensor) -> Any:
        return {name: self.rows(name, z, len(x)) for name, z in self.tensors(x).items()}

    def rows(self, name: str, z: Tensor, count: int) -> Tensor:
        """Rows of numbers from the tensor at a place, checked."""
        found = self._rows(z) if z.ndim >= 2 and len(z) == count else z
        if z.ndim < 2 or len(z) != count or found.ndim != 2:
            raise InputError(
                f"{type(self.module).__name__}: {name!r} does not give one row of numbers per image",
                got=tuple(found.shape),
                wanted=f"({count}, units)",
            )
        return found

    def _carrier(self, x: Tensor) -> Tensor | None:
        """What enters the network while its start is replaced: images that nothing behind the start may depend on."""
        if self._from is None or self._image is None or _follow(self.module, self._from) is not None:
            return None
        image = self._image.to(x.device, x.dtype if x.is_floating_point() else None)
        return image.expand(len(x), *image.shape[1:])

    def _refuse_other_ways(self, x: Tensor) -> None:
        """A function of the start alone gives the same for other images; a shortcut around the start does not."""
        assert self._from is not None
        point = x[:1].detach()
        given = self._carrier(point)
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
        said = f"places={[t.name for t in self.targets]}, space={self.space!r}"
        return said if self.reduce == "flatten" else f"{said}, reduce={self.reduce!r}"


class Code(Reader):
    """The representation at one place of a network, `N units`, as a differentiable function.  Made by `at`."""

    def __init__(self, module: nn.Module, start: str, place: str, reduce: Reduce = "flatten") -> None:
        super().__init__(module, start, [place], reduce)
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        return self.rows(self.place, self.tensors(x)[self.place], len(x))

    def extra_repr(self) -> str:
        return super().extra_repr().replace(f"places={[self.place]}", f"place={self.place!r}")


def at(module: nn.Module, place: str, space: Space = "pixel", reduce: Reduce = "flatten") -> Code:
    """The representation at a place of a network as a function of its images.

    Args:
        module: any `nn.Module`.
        place: `"logits"` (the output), `"input"` (what enters the first trained layer: the images after the
            module's own `norm` child, if it has one that comes first), a name in the module's `places` dictionary (the
            networks of this package know `"encoder"` and `"latent"`), or any dotted submodule name such as
            `"layer2.0.conv1"`; `"relu:2"` is the second call of `relu`, `"lstm[0]"` the first element of a tuple,
            `"block[hidden]"` one of a mapping.
        space: `"pixel"`: a function of images in [0, 1] (default).  `"unit"`: `between(module, "norm", place)`, the
            space of arXiv 2405.00679; needs a child called `norm`.
        reduce: how maps and tokens become rows, see `representation.reducer`.

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
    if space not in ("pixel", "unit"):
        fix = f"ec.between(net, {space!r}, {place!r})"
        raise InputError("unknown space", got=space, wanted="'pixel' or 'unit'", fix=fix)
    return between(module, space, place, reduce)


def between(module: nn.Module, start: str, end: str, reduce: Reduce = "flatten") -> Code:
    """The representation at `end` as a function of the one at `start`.

    Everything before `start` is skipped: the function takes the tensor that `start` gives, `code.points(images)`.

    Args:
        module: any `nn.Module`.
        start: `"pixel"`, or a place as in `at`; `"unit"` is `"norm"`, and refuses one that does not see the images.
        end: a place as in `at`, reached after `start`.
        reduce: as in `at`.

    Raises:
        InputError: no such place; when it is called, an `end` that comes before `start` or is reached on a way that
            does not pass `start` (the shortcut of a residual block, say).

    >>> import torch
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> code, x = between(net, "1", "logits"), torch.rand(5, 1, 2, 2)
    >>> code.points(x).shape, bool((code(code.points(x)) == net(x)).all())
    (torch.Size([5, 3]), True)
    """
    return Code(module, start, end, reduce)


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


def _begin(module: nn.Module, start: str) -> Place:
    if start in (UNIT, "norm"):
        _norm_of(module)
    place = resolve(module, "norm" if start == UNIT else start)
    if place.module is None or place.module is module or place.path:
        raise InputError(
            f"nothing starts at {start!r}", wanted="'pixel', or a submodule that gives a tensor before the end"
        )
    return place


def in_order(forward: F) -> F:
    """Mark a `forward` that applies the children of its module one after the other, in the order of their names.

    What starts in the middle of such a module then runs from there, as in an `nn.Sequential`.
    """
    forward.in_order = True  # type: ignore[attr-defined]
    return forward


def _follow(net: nn.Module, start: Place) -> list[nn.Module] | None:
    """The children that run after `start`, one on the output of the other; None where that is not known."""
    forward = type(net).forward
    plain = forward is nn.Sequential.forward or getattr(forward, "in_order", False)
    children = list(net.children())
    hooked = net._forward_hooks or net._forward_pre_hooks
    if not plain or hooked or start.call != 1 or sum(c is start.module for c in children) != 1:
        return None
    return children[next(i for i, c in enumerate(children) if c is start.module) + 1 :]


def run(
    net: nn.Module, start: Place | None, places: list[Place], x: Tensor, carrier: Tensor | None = None
) -> dict[str, Tensor]:
    """The tensors at `places`, by name; the network stops at the last of them.

    Args:
        net: in the mode in which it shall run.
        start: whose output `x` is; None if `x` are the images.
        places: read in one pass.
        x: images, or the output of `start`.
        carrier: images that enter the network when it starts later; `x` itself if left out, which is right where
            `start` comes first.

    Raises:
        InputError: a place that is not reached, comes before `start`, or gives no tensor.
    """
    listener = Listener(places, entered=x, stop=True)
    rest = None if start is None else _follow(net, start)
    with ExitStack() as until:
        until.enter_context(listener)
        try:
            if start is None:
                net(x)
            elif rest is None:
                listener.early = start.name
                until.enter_context(_replaced(start, x, carrier, listener))
                net(x if carrier is None else carrier)
            else:
                assert start.module is not None
                listener.hear(start.module, (), x)
                out = x
                for child in rest:
                    out = child(out)
                listener.hear(net, (), out)
        except Found:
            pass
        except (RuntimeError, ValueError, TypeError) as error:
            if listener.early and carrier is None:
                raise _not_first(listener.early) from error
            raise
    found = listener.seen
    for place in places:
        if place.name == "input" and (start is not None or place.name not in found):
            found[place.name] = x
        if place.name not in found:
            calls = listener.calls.get(place.module, 0) if place.module is not None else 0
            raise InputError(
                f"{type(net).__name__}: the submodule at {place.name!r} was "
                + (f"called {calls} times only" if calls else "never called"),
                wanted="a place on the way from images to logits" + (f", after {start.name!r}" if start else ""),
            )
    return {place.name: found[place.name] for place in places}


@contextmanager
def _replaced(start: Place, x: Tensor, carrier: Tensor | None, listener: Listener) -> Iterator[None]:
    """`x` in place of what the module computes, inside: a hook could only replace it after it has been computed."""
    module, calls = start.module, 0
    assert module is not None
    before, original = vars(module).get("forward"), module.forward

    def given(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != start.call:
            return original(*args, **kwargs)
        if carrier is None and not (args and args[0] is x):
            raise _not_first(start.name)
        listener.early = ""
        return x

    vars(module)["forward"] = given
    try:
        yield
    finally:
        if before is None:
            del vars(module)["forward"]
        else:
            vars(module)["forward"] = before


def _not_first(start: str) -> InputError:
    return InputError(
        "the network has no unit space" if start == "norm" else f"{start!r} does not come first",
        got=f"{start!r} does not see the images themselves",
        wanted="a module that comes before anything else, or a start whose points `code.points(images)` made",
        fix=f"ec.between(net, {start!r}, ...), and code.points(images) before it is called",
    )


def _transformed(x: Tensor) -> bool:
    """Inside `torch.func.vmap` and the like, where no value can be looked at."""
    wrapped: bool = torch._C._functorch.is_functorch_wrapped_tensor(x)  # type: ignore[attr-defined]
    return wrapped


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
