"""Save and load networks as safetensors files; the header holds the constructor and its arguments as JSON."""

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eigencode.base.border import admit
from eigencode.base.durable import replacing
from eigencode.base.errors import InputError, warn
from eigencode.base.files import write_tensors
from eigencode.base.types import Images
from eigencode.models.stack import Stack


def save(
    net: nn.Module, path: Path | str, *, where: str | None = None, settings: Mapping[str, Any] | None = None
) -> None:
    """Write a network to a .safetensors file: its weights and buffers and, in the header, how to rebuild it.

    The header also keeps a rule that a local layer got after it was built (`initialise`, `train_local`), if it is of
    this package.

    Args:
        net: a network of a function of `models`, such as `models.perceptron`, which records its arguments; or any
            other module, with `where`.
        path: the file; replaced if it exists.
        where: `package.module:callable`, the class or function that returns such a network; see `models.build`.
        settings: keyword arguments of that callable; must be representable in JSON.

    Raises:
        InputError: `where` is missing for a network of other code, or a network was changed after it was built, so that
            its builder or `where` builds a different one; no file is written.

    >>> import tempfile
    >>> net, path = nn.Linear(2, 3), Path(tempfile.mkdtemp()) / "net.safetensors"
    >>> save(net, path, where="torch.nn:Linear", settings={"in_features": 2, "out_features": 3})
    >>> bool((load(path, where="torch.nn:Linear").weight == net.weight).all())
    True
    """
    admit(save, locals())
    spec = getattr(net, "spec", None)
    if where is not None:
        spec = {"where": where, "settings": dict(settings or {})}
        _check_json(spec)
    elif not isinstance(net, Stack) or spec is None:
        raise InputError(
            f"this {type(net).__name__} does not record how it was built",
            got="a network that was put together by hand, or by code of your own",
            wanted="where='package.module:callable', a class or function that returns such a network",
            fix="put the lines that build it into a function of a module you can import, say build() in mynets.py: "
            "models.save(net, path, where='mynets:build', settings={...})",
        )
    if not Path(path).name:
        raise InputError("a file without a name", got=repr(str(path)), wanted="the path of a .safetensors file")
    again = _built(spec)
    _check_rebuilt(net, again, where or f"models.{spec['kind']}")
    if rules := _changed_rules(net, again):
        spec = {**spec, "rules": rules}
    state = {k: v.detach().cpu().clone().contiguous() for k, v in net.state_dict().items()}
    with replacing(Path(path)) as part:
        write_tensors(part, state, {"eigencode": json.dumps(spec)})


def load(path: Path | str, *, where: str | None = None) -> nn.Module:
    """Load a network written by `save`.

    Args:
        path: the file.
        where: for a network of code outside this package, the `package.module:callable` it was saved with.  It must
            be given again, so that a file cannot choose which code is run.

    Raises:
        InputError: no such file, not a safetensors file, not written by `save`, or a `where` that does not match.

    Warns if a local layer had a rule of other code, which the file does not hold.
    """
    admit(load, locals())
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError("no such file of weights", got=path, wanted="a .safetensors file written by models.save")
    try:
        with safe_open(str(path), "pt") as file:
            header = (file.metadata() or {}).get("eigencode")
            state = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path.name} is not a readable safetensors file", got=error) from None
    if header is None:
        raise InputError(
            f"{path.name} has no header of models.save",
            wanted="a file written by models.save",
            fix="for somebody else's weights build the module yourself and use load_state_dict",
        )
    try:
        spec = json.loads(header)
        named = spec.get("where")
    except (ValueError, AttributeError) as error:
        raise _not_ours(path, error) from error
    if named != where:
        ours = f"{path.name} holds a network of this package" if named is None else f"{path.name} needs other code"
        trust = "a file does not choose the code that is run; if you trust this code, pass it as `where`"
        fix = "leave `where` out" if named is None else trust
        raise InputError(ours, got=f"where={where!r}", wanted=f"where={named!r}", fix=fix)
    try:
        net = _built(spec)
        net.load_state_dict(state)
        for name, rule in spec.get("rules", {}).items():
            _give_rule(net, name, rule)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise _not_ours(path, error) from error
    return net


def _not_ours(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path.name}: its header does not describe its weights",
        got=f"{type(error).__name__}: {error}",
        wanted="a file written by models.save of this version",
    )


def _built(spec: dict[str, Any]) -> nn.Module:
    """The untrained network that a header describes."""
    from eigencode.models.factory import build

    return _build(spec) if spec.get("where") is None else build(spec["where"], spec["settings"])


def _check_json(spec: dict[str, Any]) -> None:
    try:
        same = json.loads(json.dumps(spec)) == spec
    except (TypeError, ValueError):
        same = False
    if not same:
        raise InputError("settings that JSON cannot hold", got=spec["settings"], wanted="numbers, texts, lists, dicts")


def _check_rebuilt(net: nn.Module, again: nn.Module, builder: str) -> None:
    """Raise if the network that was built again has other layers, shapes or types than this one."""
    mine, theirs = ({k: _kind(v) for k, v in m.state_dict().items()} for m in (net, again))
    differ = sorted(f"{k} {mine.get(k)} and {theirs.get(k)}" for k in mine | theirs if mine.get(k) != theirs.get(k))
    if differ or repr(again) != repr(net):
        lines = [
            f"{a.strip()} and {b.strip()}" for a, b in zip(repr(net).split("\n"), repr(again).split("\n")) if a != b
        ]
        raise InputError(
            f"{builder} with these settings builds another network",
            got="this network and that one: " + "; ".join((differ or lines or ["more layers in one of them"])[:3]),
            wanted="the same layers, and weights of the same names, shapes and types",
            fix="give a where='package.module:callable' that builds such a network, and the settings={...} it needs",
        )


def _kind(x: torch.Tensor) -> str:
    return f"{tuple(x.shape)}" + (f" of {x.dtype}" if x.dtype != torch.float32 else "")


def _changed_rules(net: nn.Module, again: nn.Module) -> dict[str, dict[str, Any]]:
    """The rules that local layers got after they were built; of rules of other code, only their text."""
    from eigencode.models.local_network import local_layers

    built, found = local_layers(again), {}
    for name, layer in local_layers(net).items():
        kind, before = type(layer.rule), built[name].rule
        if kind is type(before) and vars(layer.rule) == vars(before):
            continue
        ours = _rule(kind.__name__) is kind
        found[name] = {"rule": kind.__name__, "settings": vars(layer.rule)} if ours else {"text": repr(layer.rule)}
    return found


def _rule(name: str) -> type[Any] | None:
    """The rule of this package with this name, the only ones that a file may name; None if there is none.

    Imported only now, so that the keys of steps do not contain the code of all rules.
    """
    from eigencode.rules.protocol import Rule

    found = getattr(importlib.import_module("eigencode.rules"), name, None)
    return found if isinstance(found, type) and issubclass(found, Rule) else None


def _give_rule(net: nn.Module, name: str, kept: dict[str, Any]) -> None:
    """Give a local layer the rule that `_changed_rules` found."""
    from eigencode.models.local_network import local_layer

    layer = local_layer(net, name)
    if "text" in kept:
        warn(
            f"the local layer {name!r} was saved with a rule of other code, {kept['text']}, which the file does not "
            f"hold; it has {layer.rule!r} now, whose criterion of convergence may be another: set its `rule`"
        )
    elif rule := _rule(kept["rule"]):
        layer.rule = rule(**kept["settings"])
    else:
        raise ValueError(f"unknown rule {kept['rule']!r}")


KINDS = {
    "krotov_hopfield": "eigencode.models.builders",
    "perceptron": "eigencode.models.builders",
    "softhebb": "eigencode.models.softhebb",
    "softhebb_dense": "eigencode.models.softhebb",
}
"""The kinds of networks of this package, named as the function that builds them -> the module of this function."""


def builder(kind: str) -> Callable[..., Stack]:
    """The function that builds the networks of a kind.

    Its module is imported only now, so that the keys of steps do not contain the code of other kinds.
    """
    found: Callable[..., Stack] = getattr(importlib.import_module(KINDS[kind]), kind)
    return found


def _build(spec: dict[str, Any]) -> Stack:
    if spec.get("kind") not in KINDS:
        raise ValueError(f"unknown kind of network {spec.get('kind')!r}")
    classes = [str(i) for i in range(spec["classes"])]
    like = Images(torch.ones(1, *spec["shape"]), torch.zeros(1, dtype=torch.int64), classes)
    settings = {k: v for k, v in spec.items() if k not in ("kind", "shape", "classes", "rules")}
    if spec["kind"] == "krotov_hopfield":
        settings.pop("batch_norm")
    return builder(spec["kind"])(like, **settings)
