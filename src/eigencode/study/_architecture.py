"""Settings and places of the untrained network of a model, found without reading any data."""

import json
from functools import cache
from typing import Any

import torch
from torch import nn

from eigencode.base.types import Images
from eigencode.study.config import Model
from eigencode.study.steps.initial import untrained


def architecture(model: Model) -> dict[str, Any]:
    """The settings that build the untrained network, with the defaults of its kind filled in."""
    if model.network:
        return {"network": model.network, "settings": model.settings}
    common = {"kind": model.kind, "units": model.units, "norm_p": model.norm_p}
    if model.kind == "perceptron":
        return {**common, "n": 1.0 if model.n is None else model.n, "batch_norm": model.batch_norm}
    n = 4.5 if model.n is None else model.n
    return {**common, "p": model.p, "n": n, "radius": model.radius, "spread": model.spread}


def places(model: Model) -> tuple[str, ...]:
    """All places of the network, in order: the input, its modules by dotted name or alias, the logits."""
    settings = architecture(model)
    return _places(json.dumps({**settings, **({"units": 2} if "units" in settings else {})}))


@cache
def _places(settings: str) -> tuple[str, ...]:
    net = for_one_pixel(json.loads(settings))
    called = {module: place for place, module in getattr(net, "places", {}).items()}
    return ("input", *(called.get(n, n) for n, _ in net.named_modules() if n), "logits")


def for_one_pixel(settings: dict[str, Any]) -> nn.Module:
    """The untrained network for images of one pixel and one class, which costs nothing."""
    pixel = Images(torch.ones(1, 1, 1, 1), torch.zeros(1, dtype=torch.int64), ["0"])
    return untrained(settings, pixel, seed=0)
