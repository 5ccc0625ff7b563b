"""What the numbers of a study are called: measurements by name, and what else is read off the same records."""

from collections.abc import Iterator

from eigencode.study.config import (
    CertifiedMeasure,
    CriticalMeasure,
    CurveMeasure,
    LandscapeMeasure,
    SpectrumMeasure,
    Study,
)

DATA_ITSELF = "data"
"""The row of the data's own spectrum in tables and figures."""

ACCURACY = "test accuracy"
"""The quantity every study measures."""

COVERAGE = "coverage"
"""The headline of a calibration."""

CALIBRATED = ("true α", "bias", "bias corrected", "standard deviation", "half width", COVERAGE, "warned")

CONVERGED, WINNING = "units converged", "units winning"
"""Shares of the units of a locally trained layer: at the radius, and winning an image in the last epoch."""

KEPT = "units kept"
"""Share of the units that pruning left."""

RAW = "raw"
"""Spectra of a pruned layer as it was before pruning: "α images, raw"."""

BROKEN_ONLY, ALL_IMAGES = "broken only", "all images"
"""Medians of critical sizes without the images that never broke (D8), and of all images, right or wrong (D9)."""

STRAIGHTNESS = ("power law", "bend", "decades")

READINGS: dict[str, tuple[str, ...]] = {
    "spectrum": STRAIGHTNESS,
    "critical": (ALL_IMAGES, BROKEN_ONLY, "broken", "zero gradients", "masking"),
    "certified": (ALL_IMAGES,),
    "landscape": ("Jacobian norm", "roughness", "boundary"),
}
"""What is read off a record besides its headline, by kind of measurement; defined in docs/conventions.md."""

RAW_READINGS = (RAW, *(f"{RAW}, {what}" for what in STRAIGHTNESS))
"""Of a spectrum before pruning."""

CODES = ("encoder", "latent")
"""Places whose spectrum pruning changes, and that exist before any read-out is trained."""


def reading(name: str, what: str) -> str:
    """The name of a further reading: measurement and what is read.

    >>> reading("α images", "bend")
    'α images, bend'
    """
    return f"{name}, {what}"


def of_width(units: int) -> str:
    """The reading of a spectrum of nested sets of units: "α images, 500 units"."""
    return f"{units} units"


def at_eps(eps: float) -> str:
    """The reading of a curve at one eps: "FGSM, at 0.01"."""
    return f"at {eps:g}"


def spectrum_name(measure: SpectrumMeasure) -> str:
    """What tables call this exponent."""
    return measure.name or f"α {measure.source}"


def critical_name(measure: CriticalMeasure) -> str:
    """What tables call this median."""
    return measure.name or f"critical size, {measure.attack.name}"


def certified_name(measure: CertifiedMeasure) -> str:
    """What tables call this median."""
    return measure.name or f"certified size, {measure.norm}"


def curve_name(measure: CurveMeasure) -> str:
    """What figures call this curve."""
    return measure.name or f"accuracy, {measure.attack.name}"


def landscape_name(measure: LandscapeMeasure) -> str:
    """What figures call these maps."""
    return measure.name or f"plane through image {measure.image}"


def measured(study: Study) -> list[str]:
    """The quantities that every model has and a table shows, in the order of the study."""
    sizes = [*map(critical_name, study.critical), *map(certified_name, study.certified)]
    return [ACCURACY, *map(spectrum_name, study.spectra), *sizes]


def details(study: Study) -> list[str]:
    """Every further number: a claim may name it, and it is then shown in the table."""
    return [*_units(study), *_readings(study)]


def names(study: Study) -> list[str]:
    """What every measurement and every number of the study is called."""
    shown = [*map(curve_name, study.curves), *map(landscape_name, study.landscapes)]
    return [*measured(study), *shown, *details(study)]


def headline(study: Study) -> list[str]:
    """The quantities of the table: what is measured, in the order of the study, then what its claims name besides."""
    if not study.models:
        return list(CALIBRATED)
    further = set(details(study))
    claimed = [c.quantity for c in study.claims if c.quantity in further]
    return [*measured(study), *dict.fromkeys(claimed), *(CALIBRATED if study.calibration else [])]


def _units(study: Study) -> Iterator[str]:
    if any(m.local is not None for m in study.models.values()):
        yield from (CONVERGED, WINNING)
    if any(m.prune for m in study.models.values()):
        yield KEPT
        yield from (reading(spectrum_name(s), what) for s in study.spectra if s.place in CODES for what in RAW_READINGS)


def _readings(study: Study) -> Iterator[str]:
    named = {
        "spectrum": [spectrum_name(s) for s in study.spectra],
        "critical": [critical_name(c) for c in study.critical],
        "certified": [certified_name(c) for c in study.certified],
        "landscape": [landscape_name(m) for m in study.landscapes],
    }
    for kind, several in named.items():
        yield from (reading(name, what) for name in several for what in READINGS[kind])
    yield from (reading(spectrum_name(s), of_width(units)) for s in study.spectra for units in s.widths)
    yield from (reading(curve_name(v), at_eps(eps)) for v in study.curves for eps in v.at)
