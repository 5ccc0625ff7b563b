"""Spectrum, shape, dimension and smoothness at every place of one or more networks, in one pass over the images."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import BatchWarning, InputError, nearest, warn
from eigencode.base.inputs import at_least
from eigencode.base.record import Estimate
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.geometry._plan import Method
from eigencode.geometry.jacobian import jacobian_norm
from eigencode.given._window import default_window
from eigencode.given.profiled import PlaceProfile, Profile
from eigencode.measures.spectrum import SpectrumMeasure
from eigencode.models._wrapped import Wrapped, unwrapped
from eigencode.models.standardised import Standardised, pretrained_scaling
from eigencode.representation._modes import device_of
from eigencode.representation.at import at
from eigencode.representation.reduce import Reduce, reducer
from eigencode.representation.trace import PlaceInfo, places as places_of
from eigencode.spectra._covariance import Scale
from eigencode.spectra.places import spectra_at
from eigencode.spectra.power_law import Weights, Window
from eigencode.spectra.spectrum import Spectrum

WIDEST = 8192
"""Largest number of units of a place whose spectrum is taken as it is; wider ones are projected to as many."""

CHANNELS_LAST = ("LayerNorm", "Linear")
"""Layers that act on the last axis: of maps, their channels."""

CHANNELS_FIRST = ("Conv2d", "BatchNorm2d", "GroupNorm", "InstanceNorm2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d")


def profile(
    net: nn.Module | Mapping[str, nn.Module],
    test: Images | Array,
    places: str | Sequence[str] = "all",
    *,
    reduce: Reduce = "mean",
    window: Window | None = None,
    weights: Weights = "uniform",
    interval: bool = True,
    scale: Scale = "none",
    jacobian: int = 0,
    method: Method = "auto",
    notes: Sequence[str] = (),
    batch_size: int = 100,
    seed: int = 0,
) -> Profile:
    """Measure spectrum, its shape and dimension at many places of a network, with one forward pass per batch.

    Args:
        net: any `nn.Module` of images `N C H W` in [0, 1], or several by name; wrap one that was trained on normalised
            images in `models.Standardised`.  It is measured in evaluation mode and not changed.
        test: images; labels are not used.  With `Images(groups=)`, intervals are over groups.
        places: "all", or names and patterns such as `"layer*"`, see `ec.places`.
        reduce: conversion of maps and tokens to rows, see `representation.reducer`.  With `"mean"`, over positions,
            every place has as many units as channels, few enough for intervals.  With `"flatten"`, places of more than
            8192 units are projected to as many (`"random:8192"`): exponents that are not comparable with the others.
        window: ranks of the power law; None: 11..500, or at places of K < 500 usable eigenvalues
            min(11, K/20)..K/2.  For comparisons between places give one.
        weights: of the fit.
        interval: also measure the sampling error; without it α is not corrected for finite sampling.
        scale: "zscore" divides every unit by its standard deviation, see `ec.spectrum`.
        jacobian: number of images, drawn at random, at which the Jacobian norm of every place is measured; 0: none.
        method: of the Jacobian norm, see `ec.jacobian_norm`.
        notes: sentences to show below the table, e.g. on how the network was trained.
        batch_size: images per forward pass.
        seed: of all random draws.

    Returns:
        A `Profile`: print it, or call `.to_frame()`, `.figure()`, `.save(folder)`.

    Raises:
        InputError: no such place, no place that gives numbers, or images that do not fit the network.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))
    >>> x = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> [(row.place, row.units, row.window) for row in profile(net, x, ["1", "2"], window=(1, 20))]
    [('1', 30, (1, 20)), ('2', 30, (1, 20))]
    """
    admit(profile, locals())
    at_least(1, batch_size=batch_size)
    at_least(0, jacobian=jacobian)
    images = Images.of(test, "test", labelled=False)
    nets = dict(net) if isinstance(net, Mapping) else {type(unwrapped(net)).__name__: net}
    if not nets:
        raise InputError("no network to profile", got="an empty mapping", wanted="networks by name")
    measure = SpectrumMeasure(space="pixel", weights=weights, rounding=True, interval=interval, scale=scale)
    drawn = torch.randperm(len(images), generator=stream(seed, "profile"))[:jacobian].sort().values
    rows, spectra, unscaled = [], {}, list[str]()
    for name, one in nets.items():
        here = images.x.to(device_of(one))
        found = _chosen(one, here, places)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always", BatchWarning)
            names, how = [p.name for p in found], _narrowed if reduce == "flatten" else reduce
            common = {"batch_size": batch_size, "seed": seed}
            sampled = {"interval": interval, "scale": scale, "groups": images.groups, **common}
            measured = spectra_at(one, here, names, reduce=how, **sampled)  # type: ignore[arg-type]
            for info in found:
                norm = Estimate(math.nan)
                if jacobian:
                    code = at(one, info.name, reduce=how)
                    points, labels = here[drawn.to(here.device)], images[drawn].groups
                    norm = jacobian_norm(code, points, method, groups=labels, **common).median  # type: ignore[arg-type]
                spectra[name, info.name] = measured[info.name]
                rows.append(_row(name, info, reduce, measured[info.name], measure, window, norm))
        mixed = dict.fromkeys(str(w.message) for w in heard if issubclass(w.category, BatchWarning))
        last = any(len(p.shape) == 3 and p.type in CHANNELS_LAST for p in places_of(one, here[:2]))
        rows = [
            replace(r, warnings=(*mixed, *r.warnings, *_axes(r, reduce, last))) if r.network == name else r
            for r in rows
        ]
        for w in heard:
            if not issubclass(w.category, BatchWarning):  # those are in the rows
                warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
        scaling = None if isinstance(one, Standardised) else pretrained_scaling(one)
        if scaling is not None:
            wrap = f"models.Standardised(net, mean={scaling[0]}, std={scaling[1]})"
            unscaled.append(f"{name} was trained on inputs scaled by its pretrained_cfg; measure {wrap}")
            warn(unscaled[-1])
    apart = len({row.window for row in rows}) > 1
    said = "the windows differ between places: compare exponents of equal windows, or give one (window, --window)"
    averaged = reduce == "mean" and any(len(row.shape) > 1 for row in rows)
    mean = (
        "maps and tokens are averaged over positions; with every position as a unit exponents differ (--reduce flatten)"
    )
    return Profile(tuple(rows), spectra, (*notes, *unscaled, *[mean] * averaged, *[said] * apart))


def _axes(row: PlaceProfile, reduce: Reduce, last: bool) -> tuple[str, ...]:
    """Warning of maps whose channels may be their last axis, as some layers of the network have them."""
    if not last or len(row.shape) != 3 or row.type in CHANNELS_FIRST or reduce not in ("mean", "max", "positions"):
        return ()
    fix = f"reduce=lambda z: z.{'amax' if reduce == 'max' else 'mean'}((1, 2)) if z.ndim == 4 else z"
    return (
        f"layers of this network have their channels last; if {' x '.join(map(str, row.shape))} is height x width x "
        f"channels, {row.units} is its height: {fix}, at this place",
    )


def _chosen(net: nn.Module, x: Tensor, asked: str | Sequence[str]) -> list[PlaceInfo]:
    """The places that match the names or patterns, in order of execution.

    Raises:
        InputError: a name or pattern that fits no place.
    """
    known = [p for p in places_of(net, x[:2]) if not (isinstance(net, Wrapped) and p.name == "net")]  # its logits
    patterns = [asked] if isinstance(asked, str) else list(asked)
    if patterns == ["all"]:
        return known
    for pattern in patterns:
        if not any(fnmatchcase(p.name, pattern) for p in known):
            raise InputError(
                f"{type(unwrapped(net)).__name__}: no such place",
                got=pattern,
                wanted=f"'all', or names and patterns of {len(known)} places: {', '.join(p.name for p in known[:30])}",
                fix=nearest(pattern, [p.name for p in known]),
            )
    return [p for p in known if any(fnmatchcase(p.name, pattern) for pattern in patterns)]


def _narrowed(z: Tensor) -> Tensor:
    """All numbers of an image in one row, projected to `WIDEST` numbers where there are more."""
    return reducer(f"random:{WIDEST}" if z[0].numel() > WIDEST else "flatten")(z)


def _row(
    network: str,
    info: PlaceInfo,
    reduce: Reduce,
    found: Spectrum,
    measure: SpectrumMeasure,
    window: Window | None,
    norm: Estimate,
) -> PlaceProfile:
    usable, said = found.n_above_floor, list[str]()
    fitted = window or default_window(usable)
    few = "the same for all images" if not usable else f"{usable} eigenvalues are too few for a power law"
    law = measure.law(found, fitted) if usable > 2 else few
    if isinstance(law, str):
        said.append(law)
        alpha, plain = Estimate(math.nan), math.nan
    else:
        said += law.warnings
        alpha, plain = Estimate(law.alpha, *law.interval, n=found.n_samples, method=law.interval_method), law.plain
    reduced = "function" if callable(reduce) else reduce
    if reduce == "flatten" and info.units > WIDEST:
        reduced = f"random:{WIDEST}"
        said.append(f"{info.units} numbers per image are projected to {WIDEST}: its exponent is not comparable")
    try:
        range_ = found.shape(fitted, measure.weights).slope_range
    except InputError:  # too few ranks, or rounding
        range_ = Estimate(math.nan)
    return PlaceProfile(
        *(network, info.name, info.type, info.shape, reduced, found.n_units, found.n_samples, fitted),
        alpha=alpha,
        plain=plain,
        slope_range=range_,
        participation_ratio=found.participation_ratio if usable else math.nan,
        rankme=found.rankme if usable else math.nan,
        jacobian=norm,
        warnings=tuple(said),
    )
