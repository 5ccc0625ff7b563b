"""The local layers of a network: found by name, given initial weights, checked against a rule."""

import math

import torch
from torch import nn

from eigencode.base.border import admit
from eigencode.base.errors import InputError, nearest
from eigencode.base.seeding import stream
from eigencode.models.local import LocalLayer
from eigencode.rules.convergence import Convergence, joined
from eigencode.rules.protocol import Rule


def local_layers(net: nn.Module) -> dict[str, LocalLayer]:
    """All `LocalLayer` submodules of a network by dotted name, in the order they were registered."""
    admit(local_layers, locals())
    return {name: layer for name, layer in net.named_modules() if isinstance(layer, LocalLayer)}


def local_layer(net: nn.Module, at: str | None = None) -> LocalLayer:
    """Return the local layer with dotted name `at`, or the only one if `at` is None.

    Raises:
        InputError: no local layer has this name, or `at` is None and the network has none or several.
    """
    admit(local_layer, locals())
    found = local_layers(net)
    if at is None and len(found) == 1:
        return next(iter(found.values()))
    if at not in found:
        _refuse_plain(net, at)
        raise InputError(
            f"{type(net).__name__}: " + ("this network has no local layer" if not found else "which local layer?"),
            got=f"at={at!r}",
            wanted=", ".join(found) or "a LocalDense or LocalConv2d, such as models.LocalConv2d.like(net.conv, rule)",
            fix=nearest(at, list(found)) if at is not None else (f"at={next(iter(found))!r}" if found else None),
        )
    return found[at]


def _refuse_plain(net: nn.Module, at: str | None) -> None:
    """Say how a layer that learns by gradient becomes a local one."""
    plain = dict(net.named_modules()).get(at or "")
    if isinstance(plain, nn.Conv2d | nn.Linear):
        kind = "LocalConv2d" if isinstance(plain, nn.Conv2d) else "LocalDense"
        raise InputError(
            f"the layer {at!r} learns by gradient and not by a local rule",
            got=type(plain).__name__,
            wanted=f"a {kind}",
            fix=f"net.set_submodule({at!r}, ec.models.{kind}.like(net.get_submodule({at!r}), rule))",
        )


def convergence(net: nn.Module, at: str | None = None) -> Convergence:
    """Convergence of the local layer `at` by the criterion of its rule, `Rule.health`; None: of all local layers.

    Raises:
        InputError: no such layer, or several whose rules have different criteria.
    """
    layers = local_layers(net)
    if at is not None or len(layers) < 2:
        return local_layer(net, at).health()
    return joined({name: layer.health() for name, layer in layers.items()})


def initialise(net: nn.Module, rule: Rule, seed: int = 0, at: str | None = None) -> None:
    """Draw the initial weights of the local layer called `at`, or of the only one, from `rule`, in place.

    The layer forgets any training, and `rule` becomes its rule.  The weights depend on the seed, the rule and the
    name of the layer.

    Raises:
        InputError: no such layer, a rule that does not fit it, or initial weights of the wrong shape.

    >>> from eigencode import models
    >>> from eigencode.rules import KrotovHopfield
    >>> net = nn.Sequential(models.LocalDense(torch.ones(500, 20), KrotovHopfield()))
    >>> initialise(net, KrotovHopfield(spread=0.1))
    >>> round(float(net[0].weight.std()), 2)
    0.1
    """
    admit(initialise, locals())
    layer = local_layer(net, at)
    name = next(n for n, found in local_layers(net).items() if found is layer)
    check_rule(name, layer, rule)
    weight = rule.init(len(layer.weight), layer.weight.shape[1], stream(seed, name))
    if weight.shape != layer.weight.shape or not bool(torch.isfinite(weight).all()):
        raise InputError(
            f"{type(rule).__name__}.init does not return initial weights for the layer {name!r}",
            got=f"{tuple(weight.shape)}, {int((~torch.isfinite(weight)).sum())} not finite",
            wanted=f"{tuple(layer.weight.shape)}, all finite",
        )
    with torch.no_grad():
        layer.weight.copy_(weight)
    layer.wins.fill_(-1)
    layer.rule = rule


def check_start(name: str, layer: LocalLayer, rule: Rule) -> None:
    """Refuse to train an untrained layer that does not start as the rule says.

    That is, by a rule that starts from other weights than the rule of the layer, where both draw from the same
    generator, or from weights of another size, as those of an ordinary layer have.  A layer that has been trained may
    go on with any rule.
    """
    if bool((layer.wins >= 0).any()):
        return
    mine, its = (r.init(len(layer.weight), layer.weight.shape[1], stream(0)) for r in (layer.rule, rule))
    size, wanted = (float(w.detach().double().square().mean().sqrt()) for w in (layer.weight, its))
    far = 2 + 10 / math.sqrt(its.numel())  # the size of few weights varies by chance
    same = rule == layer.rule or torch.equal(mine, its)
    if not same or not wanted / far <= size <= wanted * far:
        raise InputError(
            f"the layer {name!r} does not start as the rule says",
            got=f"weights of size {size:.3g}" if same else f"initial weights of {layer.rule!r}",
            wanted=f"weights of size {wanted:.3g}, {rule!r}" if same else f"those of {rule!r}",
            fix=f"before training, models.initialise(net, rule, at={name!r})",
        )


def own_weight(name: str, layer: LocalLayer) -> nn.Parameter:
    """The weights of a local layer; refused if they are computed from other tensors, and changes of them lost."""
    if "weight" not in layer._parameters:
        raise InputError(
            f"the weights of the local layer {name!r} are computed from other tensors",
            got="a weight that is not a parameter of the layer, as after weight_norm or torch.nn.utils.prune",
            wanted="weights that can be set; take such a reparametrisation off the layer first",
        )
    return layer.weight


def check_rule(name: str, layer: LocalLayer, rule: Rule) -> None:
    """Refuse a rule whose settings or synapses are not those of the layer, and a layer whose weights cannot be set."""
    own_weight(name, layer)
    mine, its = layer.rule.layer_settings, rule.layer_settings
    for setting in {**mine, **its}:
        if mine.get(setting) != its.get(setting):
            raise InputError(
                f"rule and layer {name!r} disagree on {setting}",
                got=f"rule {its.get(setting)}, layer {mine.get(setting)}",
                wanted="the same value",
                fix=f"build the network with {setting}={its.get(setting)}",
            )
    expected, found = layer.synapses().detach().float(), rule.derive(layer.weight.detach()).float()
    if not torch.allclose(found, expected, rtol=2**-7, atol=1e-30, equal_nan=True):
        raise InputError(
            f"the layer {name!r} multiplies its input by another matrix than the rule",
            got=f"layer of {type(layer.rule).__name__}, rule {type(rule).__name__}",
            wanted="the same `derive`",
            fix=f"build the layer with this rule: models.{type(layer).__name__}(weight, rule)",
        )
