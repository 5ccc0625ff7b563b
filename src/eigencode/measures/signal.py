"""Power laws of the signal spectrum, by unbiased moments of noisy repeats or of a code with few images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch

from eigencode.base.errors import InputError
from eigencode.base.groups import groups_of
from eigencode.base.record import Record
from eigencode.measures.protocol import Count, Measure, Reading, Subject
from eigencode.representation._modes import borrowed
from eigencode.representation.at import between
from eigencode.representation.reduce import reducer
from eigencode.spectra._repeats import FEWEST
from eigencode.spectra._responses import of_rows
from eigencode.spectra.signal import SignalSpectrum, signal_spectrum


@dataclass(frozen=True)
class SignalMeasure(Measure):
    """Power law and broken power law of the population, fitted to unbiased moments, see `spectra.signal_spectrum`.

    A network gives the same response to the same image, so its code is one repeat without noise.  There is no window:
    the laws are those of all ranks, and the moments see the first ones best.

    Args:
        samples: number of test images; by default all.  The code of all of them is held in memory.
        reduce: conversion of maps and tokens to rows, see `representation.reducer`.
    """

    samples: Count | None = None
    reduce: str = "flatten"
    kind: ClassVar[str] = "signal"
    record: ClassVar[type[Record]] = SignalSpectrum
    default_place: ClassVar[str] = "latent"

    def __post_init__(self) -> None:
        reducer(self.reduce)  # an unknown name is refused before anything runs

    def label(self) -> str:
        return "signal α"

    def names(self) -> tuple[str, ...]:
        return "", "α₁", "break", "α₂", "identified rank", "p", "p of the broken law", "participation ratio"

    def check(self, units: int, images: int) -> None:
        if min(self.samples or images, images) < FEWEST:
            raise InputError("signal: too few images", got=min(self.samples or images, images), wanted=f">= {FEWEST}")

    def measure(self, subject: Subject) -> SignalSpectrum:
        code, images = between(subject.network, "pixel", subject.place, self.reduce), subject.some(self.samples)
        with borrowed(code), torch.no_grad():
            rows = torch.cat([code(part).flatten(1).cpu() for part in torch.split(images.x, subject.batch_size)])
        groups = of_rows(groups_of(images, None, len(images)), len(images), len(rows) // len(images))
        return signal_spectrum(rows, seed=subject.seed, groups=groups)

    def readings(self, record: SignalSpectrum) -> Iterator[Reading]:
        of = f"moments of {record.n_samples} stimuli x {record.n_units} units"
        of += f", {record.n_repeats} repeats" * (record.n_repeats > 1)
        of += f", {record.n_groups} groups" * (record.n_groups > 0)
        said = "s: α of all ranks is a mean slope: the broken law, α₁ up to the break and α₂ beyond, fits better"
        notes = (said,) if record.law == "broken power law" else ()
        yield Reading.of("", record.alpha, f"λₙ ∝ n^(−α), {of}", record.warnings, notes)
        broken = f"λₙ ∝ n^(−α₁) up to the break, n^(−α₂) beyond, {of}"
        for what, found in (("α₁", record.alpha_1), ("break", record.break_rank), ("α₂", record.alpha_2)):
            yield Reading.of(what, found, broken, record.warnings)
        said = "largest rank that matters to the moments; what is said of later ones is the law"
        yield Reading("identified rank", float(record.identified_rank), convention=said)
        said = "probability of a larger residual under the law"
        yield Reading("p", record.p, convention=said)
        yield Reading("p of the broken law", record.p_broken, convention=said)
        said = "(Σλ)² / Σλ² of the signal; assumes no law"
        yield Reading.of("participation ratio", record.participation_ratio, said)
