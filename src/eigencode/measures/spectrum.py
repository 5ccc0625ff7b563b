"""Covariance spectrum of a representation over test images or noise, and the power law fitted to it."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.files import sha256
from eigencode.base.record import Estimate, Record
from eigencode.base.seeding import stream
from eigencode.base.types import Space
from eigencode.data.noise import gaussian_noise
from eigencode.measures._reweighted import DRAWS
from eigencode.measures.protocol import Count, Reading, Subject, Window
from eigencode.measures.sharded import Sharded, share
from eigencode.models.layers import UnitNorm
from eigencode.representation.at import Code, between
from eigencode.representation.reduce import reducer
from eigencode.spectra._covariance import Scale
from eigencode.spectra._responses import Responses, responses
from eigencode.spectra._shards import SpectrumShard, joined_spectrum
from eigencode.spectra.power_law import PowerLaw, ranks
from eigencode.spectra.shape import third_rows
from eigencode.spectra.spectrum import Spectrum, spectrum
from eigencode.spectra.windows import placed

NOISE = 10_000
"""Default number of noise images."""

FITTED = {
    "plain": ("plain", "fit to the measured eigenvalues, with the bias of finite sampling"),
    "standard error": ("standard_error", "of α, over samples"),
    "r²": ("r2", "of the fit of log λ"),
}
"""Further numbers of a fit: name, (field of `PowerLaw`, definition)."""

SHAPE = {
    "slope range": ("slope_range", "largest minus smallest slope of the thirds; 0 for a power law"),
    "slope change": ("slope_change", "slope of the last third minus that of the first"),
    "window range": ("window_range", "largest minus smallest α over windows with ends within a factor of 2"),
    "straight": ("straight", "decades of rank in which the local slope stays within ± 0.1"),
}
"""Numbers of the shape: name, (field of `Shape`, definition)."""


@dataclass(frozen=True)
class SpectrumMeasure(Sharded):
    """Covariance spectrum of a representation, and the exponent α of a power law over a window of ranks.

    Args:
        source: "images": test images as pixels; without a network, scaled to unit L3 norm.  "noise": N(0, 1) images
            that enter at `start`; by default after the network's `norm`, if it has one, as in arXiv 2405.00679.
        samples: number of images; by default all test images, or 10 000 noise images.
        window, weights: ranks and weights of the fit.
        space: space of the test images, "unit" (after the network's `norm`, if it has one) or "pixel".
        start: place whose output the noise replaces, such as "norm1"; by default that of `space`.
        reduce: conversion of maps and tokens to rows, see `representation.reducer`.
        rounding: also fit windows that include eigenvalues below the rounding floor; by default α is then NaN.
        interval: measure the sampling error too, which takes most of the time.  Without it α has no interval and is not
            corrected for finite sampling: enough for the course of a training at many snapshots.
        scale: "zscore" divides every unit by its standard deviation, see `ec.spectrum`.
    """

    source: Literal["images", "noise"] = "images"
    samples: Count | None = None
    window: Window = (11, 500)
    weights: Literal["uniform", "1/n"] = "uniform"
    space: Space = "unit"
    start: str = ""
    reduce: str = "flatten"
    rounding: bool = False
    interval: bool = True
    scale: Scale = "none"
    kind: ClassVar[str] = "spectrum"
    record: ClassVar[type[Record]] = Spectrum
    shard_record: ClassVar[type[Record] | None] = SpectrumShard

    @property
    def needs_norm(self) -> bool:
        """False: a network without `norm` is measured as a function of the images themselves."""
        return False

    reading_only: ClassVar[tuple[str, ...]] = ("window", "weights", "rounding")
    default_place: ClassVar[str] = "latent"
    of_data: ClassVar[bool] = True
    before_pruning: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.start and self.source != "noise":
            raise InputError("only noise starts at a place", got=f"start={self.start!r}", wanted="source='noise'")
        if self.scale not in ("none", "zscore"):
            raise InputError("unknown scale of the units", got=self.scale, wanted="'none' or 'zscore'")
        reducer(self.reduce)  # an unknown name is refused before anything runs

    def label(self) -> str:
        return f"α {self.source}"

    def names(self) -> tuple[str, ...]:
        return "", *FITTED, "power law", *SHAPE, "participation ratio", "RankMe"

    def check(self, units: int, images: int) -> None:
        ranks(self.window, self.available(units, images))

    def available(self, units: int, images: int) -> int:
        """The number of eigenvalues of a place."""
        return min(units, self.used(images) - 1)

    def used(self, images: int) -> int:
        return self.samples or NOISE if self.source == "noise" else min(self.samples or images, images)

    def measure(self, subject: Subject) -> Record:
        code, points = self.source_of(subject)
        how: dict[str, Any] = {"interval": self.interval, "scale": self.scale, "seed": subject.seed}
        how["groups"] = self.groups_of(subject)
        if code is None:
            return spectrum(points.flatten(1), **how)
        return spectrum(code, points, points=True, batch_size=subject.batch_size, **how)

    def shard(self, subject: Subject, number: int, of: int) -> Record:
        code, points = self.source_of(subject)
        return SpectrumShard.of(self._responses(subject, code, points[share(len(points), number, of)]))

    def joined(self, subject: Subject, shards: Iterable[SpectrumShard]) -> Record:
        given = self._responses(subject, *self.source_of(subject), self.groups_of(subject))
        return joined_spectrum(shards, given, interval=self.interval, scale=self.scale, seed=subject.seed)

    @staticmethod
    def _responses(subject: Subject, code: Code | None, points: Tensor, groups: Tensor | None = None) -> Responses:
        if code is None:
            return responses(points.flatten(1), groups=groups)
        return responses(code, points, subject.batch_size, points=True, groups=groups)

    def groups_of(self, subject: Subject) -> Tensor | None:
        """Groups of the images; noise has none."""
        return subject.some(self.samples).groups if self.source == "images" else None

    def source_of(self, subject: Subject) -> tuple[Code | None, torch.Tensor]:
        """Return (representation, its inputs); the representation is None if the images themselves are measured."""
        noise, images = self.source == "noise", subject.some(self.samples).x
        if subject.net is None:
            drawn = gaussian_noise(self.samples or NOISE, subject.test.shape, seed=subject.seed) if noise else images
            return None, drawn if noise else UnitNorm()(drawn)
        start = self.start or ("unit" if subject.normed and self.space == "unit" else "pixel")
        code = between(subject.net, start, subject.place, self.reduce)
        if not noise:
            return code, code.points(images)
        shape = code.points(images[:2]).shape[1:]
        drawn = gaussian_noise(self.samples or NOISE, (1, 1, shape.numel()), seed=subject.seed)
        return code, drawn.reshape(-1, *shape)

    def readings(self, record: Spectrum) -> Iterator[Reading]:
        law, fit = self.law(record, self.window), self._fit(self.window)
        yield self.alpha("", law, self.window)
        for what, (field, said) in FITTED.items():
            value = math.nan if isinstance(law, str) else getattr(law, field)
            yield Reading(what, value, convention=f"{said}, {fit}")
        said = f"1: a power law over {fit}, 0: not; the test allows for the sampling error over images"
        yield Reading.of("power law", self._test(record), said)
        try:
            shape = record.shape(self.window, self.weights)
        except InputError:  # too few ranks, or rounding
            shape = None
        for what, (field, said) in SHAPE.items():
            found = Estimate(math.nan) if shape is None else getattr(shape, field)
            yield Reading.of(what, found, f"{said}, {fit}")
        varies = bool((record.eigenvalues != 0).any())
        said = f"(Σλ)² / Σλ² of {record.n_samples} samples x {record.n_units} units"
        yield Reading("participation ratio", record.participation_ratio if varies else math.nan, convention=said)
        said = "exp of the entropy of the shares of √λ"
        yield Reading("RankMe", record.rankme if bool((record.eigenvalues > 0).any()) else math.nan, convention=said)

    def alpha(self, what: str, law: PowerLaw | str, window: tuple[int, int]) -> Reading:
        """Reading of the exponent over a window; if there is no fit, NaN with the reason as a warning."""
        if isinstance(law, str):
            return Reading(what, math.nan, convention=self._fit(window), warnings=(f"{{name}}: {law}",))
        return Reading(what, law.alpha, *law.interval, self._fit(window), law.warnings, law.notes)

    def law(self, record: Spectrum, window: tuple[int, int]) -> PowerLaw | str:
        """Fit the power law; returns the reason as text if the window does not fit or includes rounding errors."""
        usable = len(record.logs.values)
        if not self.rounding and usable < window[1] <= len(record.eigenvalues):
            return f"the eigenvalues beyond rank {usable} are rounding, and the window ends at {window[1]}"
        try:
            return record.power_law(window=window, weights=self.weights)
        except InputError as error:
            return "; ".join(" ".join(line.split()) for line in str(error).splitlines())

    def draws(self, record: Any, what: str) -> Tensor | None:
        if what in ("slope range", "slope change"):
            rows = third_rows(self.window, self.weights, len(record.logs.values))
            found = self.slope_draws(record, self.window, rows)
            if found is None:
                return None
            return found.amax(1) - found.amin(1) if what == "slope range" else found[:, 2] - found[:, 0]
        return None if what else self.alpha_draws(record, self.window)

    def alpha_draws(self, record: Spectrum, window: tuple[int, int]) -> Tensor | None:
        """α for random reweightings of groups of images."""
        found = self.slope_draws(record, window, placed(window, self.weights, len(record.logs.values))[None])
        return None if found is None else found[:, 0]

    def slope_draws(self, record: Spectrum, window: tuple[int, int], rows: Tensor) -> Tensor | None:
        """Slopes over ranks of `window` for random reweightings of groups of images, draws x slopes.

        The error of the correction has draws of its own.
        """
        law = self.law(record, window)
        if isinstance(law, str) or not all(map(math.isfinite, law.interval)):
            return None
        effects = record.logs.effects @ rows.T
        images, correction = effects[:, :-1], effects[:, -1]
        shared = torch.randn(DRAWS, *images.shape[:2], dtype=torch.float64, generator=stream(0, "groups of images"))
        own = torch.randn(DRAWS, 1, dtype=torch.float64, generator=stream(0, sha256(record.eigenvalues)))
        sampled = torch.einsum("dwg,wgk->dk", shared, images) / math.sqrt(len(images))
        return record.logs.linear(rows) + sampled + own * correction.square().mean(0).sqrt()

    def _fit(self, window: tuple[int, int]) -> str:
        plain = "" if self.interval else ", not corrected for finite sampling"
        how = "" if self.reduce == "flatten" else f", {self.reduce} of maps"
        how += ", units z-scored" if self.scale == "zscore" else ""
        return f"ranks {window[0]}..{window[1]}, weights {self.weights}{how}{plain}"

    def _test(self, record: Spectrum) -> Estimate:
        """Whether the spectrum passes as a power law; NaN if it cannot be tested over this window."""
        try:
            found = record.compare(self.window, self.weights).is_power_law
            yes = math.nan if record.logs.window(*self.window).bent else float(found)
        except InputError:
            yes = math.nan
        return Estimate(yes, yes, yes)
