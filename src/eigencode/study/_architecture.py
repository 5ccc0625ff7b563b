"""Settings and places of the untrained network of a model, found without reading any data."""

import json
from functools import cache
from typing import Any

import torch
from torch import nn

from eigencode.base.types import Images
from eigencode.representation.at import at
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


def for_one_pixel(settings: dict[str, Any], classes: int = 1) -> nn.Module:
    """The untrained network for images of one pixel, which costs nothing."""
    pixel = Images(torch.ones(1, 1, 1, 1), torch.zeros(1, dtype=torch.int64), [str(i) for i in range(classes)])
    return untrained(settings, pixel, seed=0)


def units_at(model: Model, place: str, images: Images) -> int | None:
    """Number of units at a place, before pruning; None if the network does not take these images."""
    if place in ("input", "norm") and not model.network:
        return images.inputs
    shape = images.shape if model.network else (1, 1, 1)
    return _units(json.dumps(architecture(model)), place, shape, len(images.class_names))


@cache
def _units(settings: str, place: str, shape: tuple[int, int, int], classes: int) -> int | None:
    try:
        z = at(for_one_pixel(json.loads(settings), classes), place)(torch.full((1, *shape), 0.5))
    except Exception:  # somebody's network may raise anything; the step that measures it says so
        return None
    return int(z[0].numel())
