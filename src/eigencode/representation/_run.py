"""Run a network from a start to the last of several places, with the output at the start given."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.jit import ScriptModule

from eigencode.base.errors import InputError
from eigencode.representation._blaming import blaming
from eigencode.representation._foreign import entering
from eigencode.representation._place import Listener, Place, StopForward

F = TypeVar("F", bound=Callable[..., Any])


def sequential(forward: F) -> F:
    """Mark a `forward` that applies the children of its module one after the other, in registration order.

    A code that starts inside such a module then runs only the children after the start, as in an `nn.Sequential`.
    """
    forward.sequential = True  # type: ignore[attr-defined]
    return forward


def children_in_turn(net: nn.Module) -> list[nn.Module] | None:
    """The children of a network that run one after the other, a shared one several times; None if unknown."""
    forward = type(net).forward
    plain = forward is nn.Sequential.forward or getattr(forward, "sequential", False)
    if not plain or "forward" in vars(net) or net._forward_hooks or net._forward_pre_hooks:
        return None
    return [child for child in net._modules.values() if child is not None]


def children_after(net: nn.Module, start: Place) -> list[nn.Module] | None:
    """The children that run after `start`, each on the output of the one before; None if unknown."""
    children = children_in_turn(net)
    if children is None or start.call != 1 or sum(c is start.module for c in children) != 1:
        return None
    return children[next(i for i, c in enumerate(children) if c is start.module) + 1 :]


def run(
    net: nn.Module, start: Place | None, places: list[Place], x: Tensor, placeholder: Tensor | None = None
) -> dict[str, Tensor]:
    """Run a network up to the last of `places` and return the tensors there, by name.

    Args:
        start: the place whose output is `x`; None if `x` are the images.
        x: images, or the output of `start`; the network gets a copy (`entering`).
        placeholder: input of the network while the output of `start` is replaced by `x`; by default `x`, which is
            right if `start` is the first module.

    Raises:
        InputError: a place that is not reached, comes before `start`, or gives no tensor.
    """
    given, x = x, entering(net, x)
    placeholder = None if placeholder is None else placeholder.clone()
    whole = any(place.shared for place in places)
    listener = Listener(places, entered=x, stop=not whole)
    rest = None if start is None else children_after(net, start)
    with ExitStack() as until:
        until.enter_context(blaming(net, given))
        until.enter_context(listener)
        try:
            if start is None:
                out = net(x)
                if isinstance(net, ScriptModule):
                    listener.record(net, (x,), out)
            elif rest is None:
                listener.start = start.name
                until.enter_context(_output_replaced(start, x, placeholder, listener))
                net(x if placeholder is None else placeholder)
            else:
                assert start.module is not None
                listener.record(start.module, (), x)
                out = x
                for child in rest:
                    out = child(out)
                listener.record(net, (), out)
        except StopForward:
            pass
        except (RuntimeError, ValueError, TypeError) as error:
            if listener.start and placeholder is None:
                raise not_first(listener.start) from error
            raise
    found = listener.seen
    for place in places:
        if place.shared and _calls(net, place.module, listener) > 1:
            place.refuse_second_name()
        if place.name == "input" and (start is not None or place.name not in found):
            found[place.name] = given
        if place.name not in found:
            calls = listener.calls.get(place.module, 0) if place.module is not None else 0
            raise InputError(
                f"{type(net).__name__}: the submodule at {place.name!r} was "
                + (f"called {calls} times only" if calls else "never called"),
                wanted="a place on the way from images to logits" + (f", after {start.name!r}" if start else ""),
            )
    return {place.name: found[place.name] for place in places}


def _calls(net: nn.Module, module: nn.Module | None, listener: Listener) -> int:
    """How often a whole pass calls a module, of which the pass may have been a part."""
    children = children_in_turn(net) or ()
    return max(listener.calls.get(module, 0) if module is not None else 0, sum(c is module for c in children))


@contextmanager
def _output_replaced(start: Place, x: Tensor, placeholder: Tensor | None, listener: Listener) -> Iterator[None]:
    """Let the module at `start` return `x` inside the block, without running it as a forward hook would."""
    module, calls = start.module, 0
    assert module is not None
    before, original = vars(module).get("forward"), module.forward

    def replacement(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != start.call:
            return original(*args, **kwargs)
        if placeholder is None and not (args and args[0] is x):
            raise not_first(start.name)
        listener.start = ""
        return x

    vars(module)["forward"] = replacement
    try:
        yield
    finally:
        if before is None:
            del vars(module)["forward"]
        else:
            vars(module)["forward"] = before


def not_first(start: str) -> InputError:
    """The error for a start that something else comes before."""
    return InputError(
        "the network has no unit space" if start == "norm" else f"{start!r} does not come first",
        got=f"{start!r} does not see the images themselves",
        wanted="a module that comes before anything else, or a start whose points `code.points(images)` made",
        fix=f"ec.between(net, {start!r}, ...), and code.points(images) before it is called",
    )
