"""The measurements of a study: measures at the places its networks have, and the names of their numbers.

The names are known before anything has run, so that claims can be checked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache

from eigencode.base.errors import StudyError, nearest
from eigencode.measures.protocol import Measure
from eigencode.study._architecture import places
from eigencode.study._catalogue import make
from eigencode.study._choice import Choice
from eigencode.study._extensions import variants
from eigencode.study.config import SHORTHAND, Measurement, Study
from eigencode.study.steps.calibration import Coverage

DATA_ITSELF = "data"
"""The row of the data's own spectrum in tables and figures."""

RAW = "raw"
"""Measurements of a layer as it was before pruning: "α images, raw"."""

CODES = ("encoder", "latent")
"""Places that pruning changes, and that exist before any read-out is trained."""

COVERAGE = Coverage()
"""The numbers of a calibration."""


@dataclass(frozen=True)
class Planned:
    """One measurement at one place.

    Attributes:
        name: of its numbers in tables and claims.
        measure: with the settings of the study; it reads the record.
        chosen: the measure by name, as the study says.
        used: the same after the variants it asks for: this one makes the record.
    """

    name: str
    place: str
    measure: Measure
    chosen: Choice
    used: Choice
    published: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All its numbers."""
        return tuple(self.measure.quantity(self.name, what) for what in self.measure.names())

    @property
    def raw(self) -> tuple[str, ...]:
        """The numbers of the layer as it was before pruning, if this is measured there too."""
        if not self.measure.before_pruning or self.place not in CODES:
            return ()
        return tuple(self.measure.quantity(f"{self.name}, {RAW}", what) for what in self.measure.names())

    @property
    def headed(self) -> bool:
        """The first number is that of the table, under the name of the measurement."""
        return "" in self.measure.names()


def measurements(study: Study) -> list[Planned]:
    """Everything measured of the networks of a study, in the order of its tables.

    Raises:
        StudyError: no such measure, setting, place or variant; names the key.
    """
    return list(_measurements(_Content(study.model_dump_json(), study)))


@dataclass(frozen=True)
class _Content:
    """A study that is equal to another of the same content."""

    text: str
    study: Study = field(compare=False)


@lru_cache(4)
def _measurements(content: _Content) -> tuple[Planned, ...]:
    study = content.study
    found = [*_planned(study, Measurement(kind="accuracy"), "accuracy")]
    for table in (*SHORTHAND, "measure"):
        for i, entry in enumerate(getattr(study, table)):
            found += _planned(study, entry, f"{table}.{i}")
    if any(m.local is not None for m in study.models.values()):
        found += _planned(study, Measurement(kind="convergence"), "convergence")
    if any(m.prune for m in study.models.values()):
        found += _planned(study, Measurement(kind="pruning"), "pruning")
    return tuple(found)


def _planned(study: Study, entry: Measurement, where: str) -> Iterator[Planned]:
    settings = entry.settings()
    if entry.kind == "spectrum" and "widths" in settings:  # short for two measurements
        plain = entry.model_dump()
        widths = plain.pop("widths")
        yield from _planned(study, Measurement(**plain), where)
        if widths:
            nested = {**plain, "kind": "widths", "widths": widths}
            yield from _planned(study, Measurement(**nested), where)
        return
    chosen = Choice(name=entry.kind, **settings)
    measure: Measure = make("measures", chosen, where=where)
    used = chosen
    for name in entry.published:
        variant = variants().get(name)
        if variant is None or variant.measure is None:
            known = [n for n, v in variants().items() if v.measure is not None]
            raise StudyError(f"{where}.published: no variant of a measure", got=name, wanted=", ".join(known))
        used = variant.measure(used, make("measures", used, where=where))
    reads = make("measures", used, where=where)
    name, seen = entry.name or measure.label(), _matched(study, entry, measure, where)
    for place in seen:
        called = f"{name}, {place}" if len(seen) > 1 else name
        yield Planned(called, place, reads, chosen, used, entry.published)


def _matched(study: Study, entry: Measurement, measure: Measure, where: str) -> list[str]:
    """The places an entry means, each once, in the order of the networks."""
    if not measure.default_place:
        if entry.at:
            fix = f"leave out `at`: {entry.kind} measures the network as a whole"
            raise StudyError(f"{where}.at: no place here", got=", ".join(entry.at), fix=fix)
        return [""]
    known = list(dict.fromkeys(place for model in study.models.values() for place in places(model)))
    found: list[str] = []
    for pattern in entry.at or (measure.default_place,):
        new = [place for place in known if fnmatchcase(place, pattern)]
        if not new and (entry.at or known):
            word = "place" if where.startswith(("spectra", "landscapes")) else "at"
            raise StudyError(f"{where}.{word}: no network has it", got=pattern, fix=nearest(pattern, known))
        found += [place for place in new if place not in found]
    return found


def measured(study: Study) -> list[str]:
    """The quantities that every model has and a table shows, in the order of the study."""
    return [p.name for p in measurements(study) if p.headed]


def details(study: Study) -> list[str]:
    """Every further number: a claim may name it, and it is then shown in the table."""
    pruned = any(m.prune for m in study.models.values())
    return [name for p in measurements(study) for name in (*p.names[p.headed :], *(p.raw if pruned else ()))]


def names(study: Study) -> list[str]:
    """The names of all measurements and all their numbers."""
    titles = [t for p in measurements(study) if (t := p.measure.title(p.name)) not in p.names]
    return [*measured(study), *titles, *details(study)]


def headline(study: Study) -> list[str]:
    """The quantities of the table: what is measured, in the order of the study, then what its claims name besides."""
    calibrated = COVERAGE.names() if study.calibration else ()
    if not study.models:
        return list(calibrated)
    further = set(details(study))
    claimed = [c.quantity for c in study.claims if c.quantity in further]
    return [*measured(study), *dict.fromkeys(claimed), *calibrated]
