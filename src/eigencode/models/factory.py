"""Build a network by calling a function or class named as `package.module:callable`."""

import contextlib
import importlib
import inspect
import pkgutil
import sys
import tomllib
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from eigencode.base.border import admit
from eigencode.base.errors import InputError, nearest
from eigencode.robustness.adapters._isolation import isolated

FORM = "package.module:callable, e.g. mypackage.models:SmallCNN"


def build(where: str, settings: Mapping[str, Any] | None = None, seed: int = 0) -> nn.Module:
    """Import `package.module:callable`, call it with `settings`, and return the network.

    Args:
        where: `package.module:callable`, importable (the command line adds the working directory to the path); it may
            also name an `nn.Module` instance, which is returned as it is.
        settings: keyword arguments of the callable.
        seed: seed of the global random generators during the call, so that initial weights are reproducible; the
            generators' states are restored afterwards.

    Returns:
        The module, unwrapped if it is an `nn.DataParallel`.  Output that the code prints goes to standard error.

    Raises:
        InputError: the import or the call fails, the name does not exist, the callable does not take these settings,
            or the result is not an `nn.Module`.

    >>> build("torch.nn:Linear", {"in_features": 2, "out_features": 3})
    Linear(in_features=2, out_features=3, bias=True)
    """
    admit(build, locals())
    settings = dict(settings or {})
    with contextlib.redirect_stdout(sys.stderr):
        with isolated(seed):
            factory = import_object(where)
            if not callable(factory):
                kind = type(factory).__name__
                raise InputError(f"{where} cannot be called", got=kind, wanted="a function or class")
        with isolated(seed):  # seed again: only the first import runs module code, which may draw random numbers
            net = factory if isinstance(factory, nn.Module) else _called(where, factory, settings)
    if isinstance(factory, nn.Module) and settings:
        raise InputError(f"{where} is a network already", got=f"settings {', '.join(settings)}", wanted="none")
    if not isinstance(net, nn.Module):
        raise InputError(
            f"{where} does not return a network",
            got=type(net).__name__,
            wanted="an nn.Module",
            fix="name the module class, or a function that returns the module alone",
        )
    while isinstance(net, nn.DataParallel):
        net = net.module
    return net


def settings_of(words: Sequence[str]) -> dict[str, Any]:
    """Parse `["depth=3", "norm=batch"]` into keyword arguments; a value that is not valid TOML is kept as text.

    >>> settings_of(["depth=3", "widths=[8, 16]", "norm=batch"])
    {'depth': 3, 'widths': [8, 16], 'norm': 'batch'}
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip().isidentifier():
            raise InputError("not a setting of the network", got=word, wanted="name=value", fix="--arg depth=3")
        try:
            found[name.strip()] = tomllib.loads(f"value = {value}")["value"]
        except (tomllib.TOMLDecodeError, RecursionError):
            found[name.strip()] = value.strip()
    return found


def import_object(where: str) -> Any:
    """Import the object named by `package.module:name`.

    Raises:
        InputError: the text has another form, the module cannot be imported, or it does not define the name.
    """
    module_name, colon, path = where.partition(":")
    named = all(part.isidentifier() for part in module_name.split(".")) and not module_name.endswith(".py")
    if not colon or not path or not named:
        stem = module_name.removesuffix(".py").strip("./").replace("/", ".")
        fix = f"write {stem}:{path or 'NAME'}" if "/" in module_name or module_name.endswith(".py") else None
        raise InputError("not the name of a function or class to import", got=where, wanted=FORM, fix=fix)
    inside: Any = _imported(module_name)
    for part in path.split("."):
        if not hasattr(inside, part):
            known = [n for n in dir(inside) if not n.startswith("_")]
            raise InputError(
                f"{module_name} has no {path}", got=where, wanted="something it defines", fix=nearest(part, known)
            )
        inside = getattr(inside, part)
    return inside


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise InputError(
                f"{name} needs a module that is not installed",
                got=missing,
                wanted=f"everything {name} imports",
                fix="use the environment in which the network was trained",
            ) from error
        parent = sys.modules.get(missing.rpartition(".")[0])
        inside = list(getattr(parent, "__path__", sys.path[:1]))
        near = [f"{parent.__name__}.{m.name}" if parent else m.name for m in pkgutil.iter_modules(inside)]
        raise InputError(
            f"there is no module {missing}",
            got=name,
            wanted=FORM,
            fix=_found_nearby(missing, near),
        ) from error
    except (Exception, SystemExit) as error:  # foreign code may raise any type, and may call sys.exit
        raise _failed(f"{name} cannot be imported", error) from error


def _found_nearby(missing: str, near: list[str]) -> str:
    """The advice for a module that is not there: another name, or another folder."""
    suggested = nearest(missing, near)
    if suggested.startswith("did you mean") or "." in missing:
        return suggested
    return f"start the command in the folder that holds the code, or install {missing}"


def _called(where: str, factory: Any, settings: dict[str, Any]) -> Any:
    signature = _signature(factory)
    if signature is not None:
        try:
            signature.bind(**settings)
        except TypeError as error:
            unknown = [k for k in settings if k not in signature.parameters]
            raise InputError(
                f"{where} does not take these settings",
                got=error,
                wanted=f"{where.rpartition(':')[2]}{signature}",
                fix=nearest(unknown[0], list(signature.parameters)) if unknown else "--arg name=value",
            ) from None
    try:
        return factory(**settings)
    except (Exception, SystemExit) as error:
        raise _failed(f"{where} fails", error) from error


def _signature(factory: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(factory)
    except (TypeError, ValueError):  # written in C
        return None


def _failed(what: str, error: BaseException) -> InputError:
    if isinstance(error, SyntaxError):
        at = f"{error.filename}, line {error.lineno}"
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        at = f"{frame.filename}, line {frame.lineno}"
    return InputError(what, got=f"{type(error).__name__}: {error} ({at})", wanted="code that runs by itself")
