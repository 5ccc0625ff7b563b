"""Settings and places of the untrained network of a model, found without reading any data."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eigencode.base.files import file_sha256
from eigencode.base.types import Images
from eigencode.measures.protocol import Measure
from eigencode.representation._place import aliases_of, place_of
from eigencode.representation.at import at
from eigencode.study.config import Model
from eigencode.study.steps.initial import untrained

ARGUMENTS = ("softhebb", "softhebb_dense")
"""Kinds of networks whose `settings` are the arguments of the function that builds them."""

SMALLEST: dict[str, dict[str, Any]] = {
    **{kind: {"units": 2} for kind in ("krotov_hopfield", "perceptron", "softhebb_dense")},
    "softhebb": {"width": 2, "growth": 1},
}
"""Settings that give a network of the same places fewest weights, by its kind."""

SMALL = (1, 64, 64)
"""Shape of an image that is large enough for every kind of network, since the blocks of softhebb halve it."""


def architecture(model: Model) -> dict[str, Any]:
    """The settings that build the untrained network, with the defaults of its kind filled in."""
    if model.factory:
        weights = {"weights": file_sha256(Path(model.weights).expanduser())} if model.weights else {}
        return {"factory": model.factory, "settings": model.settings, **weights}
    if model.kind in ARGUMENTS:
        return {"kind": model.kind, **model.settings}
    common = {"kind": model.kind, "units": model.units, "norm_p": model.norm_p}
    if model.kind == "perceptron":
        further = {"activation": model.activation, "dropout": model.dropout}
        other = {k: v for k, v in further.items() if v != Model.model_fields[k].default}
        return {**common, "n": 1.0 if model.n is None else model.n, "batch_norm": model.batch_norm, **other}
    n = 4.5 if model.n is None else model.n
    return {**common, "p": model.p, "n": n, "radius": model.radius, "spread": model.spread}


def places(model: Model) -> tuple[str, ...]:
    """All places of the network, in order: the input, its modules by dotted name or alias, the logits."""
    net = smallest(model)
    called = {module: place for place, module in aliases_of(net).items()}
    return ("input", *(called.get(n, place_of(n)) for n, _ in net.named_modules() if n), "logits")


def fits(model: Model, measure: Measure) -> bool:
    """True if the measure is defined for the network of a model; its weights and the images do not matter."""
    try:
        return measure.fits(smallest(model))
    except Exception:  # a network that cannot be built: the check of its model, or its first step, says why
        return True


def smallest(model: Model) -> nn.Module:
    """An untrained network with the same places and local layers as the model, and as few units as possible."""
    settings = architecture(model)
    return _smallest(json.dumps({**settings, **({} if model.factory else SMALLEST[model.kind])}))


@cache
def _smallest(settings: str) -> nn.Module:
    return built(json.loads(settings), SMALL)


def built(settings: dict[str, Any], shape: tuple[int, int, int] = SMALL, classes: int = 1) -> nn.Module:
    """The untrained network of these settings, for images of this shape."""
    one = Images(torch.ones(1, *shape), torch.zeros(1, dtype=torch.int64), [str(i) for i in range(classes)])
    return untrained(settings, one, seed=0)


def units_at(model: Model, place: str, images: Images, reduce: str = "flatten") -> int | None:
    """Number of units at a place, before pruning; None if the network does not take these images."""
    if place in ("input", "norm") and not model.factory and reduce == "flatten":
        return images.inputs
    dense = not model.factory and model.kind != "softhebb"  # then only the input depends on the shape of the images
    shape = (1, 1, 1) if dense else images.shape
    return _units(json.dumps(architecture(model)), place, shape, len(images.class_names), reduce)


@cache
def _units(settings: str, place: str, shape: tuple[int, int, int], classes: int, reduce: str) -> int | None:
    try:
        z = at(built(json.loads(settings), shape, classes), place, reduce=reduce)(torch.full((1, *shape), 0.5))
    except Exception:  # somebody's network may raise anything; the step that measures it says so
        return None
    return int(z[0].numel())
