"""The measurements of a study: each measure at each matching place of its networks, and the names of their numbers.

The names are known before anything has run, so that claims can be checked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import product

from eigencode.base.errors import StudyError, nearest
from eigencode.measures.protocol import Measure
from eigencode.study._architecture import fits, places
from eigencode.study._catalogue import make
from eigencode.study._choice import Choice
from eigencode.study._course import COURSE, about
from eigencode.study._extensions import variants
from eigencode.study._planted import Planted
from eigencode.study.config import SHORTHAND, Measurement, Model, Study
from eigencode.study.steps.calibration import Coverage

DATA_ITSELF = "data"
"""Label, in place of a model, of what is measured on the images themselves."""

RAW = "raw"
"""Suffix of the names of measurements made before pruning: "α images, raw"."""

PRUNED_PLACES = ("encoder", "latent")
"""Places whose activations pruning changes, and that exist before the read-out is trained."""


@dataclass(frozen=True)
class Planned:
    """One measure at one place of the networks, with its variants.

    Attributes:
        name: the name of its numbers in tables and claims.
        measure: an instance of `used`, which reads the record.
        chosen: name and settings of the measure in the study.
        used: the same after the variants in `published`; it makes the record.
        shards: steps that share its images.
        when: the snapshots of the training at which it is made, too: "snapshots" for all, or some by their epochs.
    """

    name: str
    place: str
    measure: Measure
    chosen: Choice
    used: Choice
    published: tuple[str, ...] = ()
    when: str | tuple[float, ...] = ()
    shards: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all its numbers."""
        return tuple(self.measure.quantity(self.name, what) for what in self.measure.names())

    @property
    def raw(self) -> tuple[str, ...]:
        """The names of the numbers measured before pruning; empty if it is not measured then."""
        if not self.measure.before_pruning or self.place not in PRUNED_PLACES:
            return ()
        return tuple(self.measure.quantity(f"{self.name}, {RAW}", what) for what in self.measure.names())

    @property
    def in_time(self) -> tuple[str, ...]:
        """The names of the numbers about the course of its numbers in training; empty if it is not measured then."""
        return tuple(about(name, what) for name in self.names for what in COURSE) if self.when else ()

    @property
    def in_table(self) -> bool:
        """True if its first number has the name of the measurement; the table always shows this number."""
        return "" in self.measure.names()

    def fits(self, model: Model) -> bool:
        """True if a network has the place, and the measure is defined for it."""
        return self.place in ("", *places(model)) and fits(model, self.measure)


def measurements(study: Study) -> list[Planned]:
    """List all measurements of the networks of a study, in the order of its tables.

    Raises:
        StudyError: an unknown measure, setting, place or variant; the message names its key in the study file.
    """
    text = [study.model_dump_json(), *(m.model_dump_json() for m in study.networks[len(study.models) :])]
    return list(_measurements(_Content("\n".join(text), study)))


@dataclass(frozen=True)
class _Content:
    """A study as a cache key: equal to another if all of its keys and the models that `part` left out are equal."""

    text: str
    study: Study = field(compare=False)


@lru_cache(4)
def _measurements(content: _Content) -> tuple[Planned, ...]:
    study = content.study
    named = [(f"{t}.{i}", entry) for t in (*SHORTHAND, "measure") for i, entry in enumerate(getattr(study, t))]
    accuracy = [named.pop(i) for i, (_, e) in enumerate(named) if e.kind == "accuracy" and not e.name][:1]
    found = [*(accuracy or [("accuracy", Measurement(kind="accuracy"))]), *named]
    if any(m.local is not None for m in study.models.values()):
        found.append(("convergence", Measurement(kind="convergence", when="snapshots")))
    if any(m.prune for m in study.models.values()):
        found.append(("pruning", Measurement(kind="pruning")))
    return tuple(planned for where, entry in found for planned in _planned(study, entry, where))


def _planned(study: Study, entry: Measurement, where: str) -> Iterator[Planned]:
    settings = entry.settings()
    if entry.kind == "spectrum" and "widths" in settings:  # abbreviates two measurements
        plain = entry.model_dump()
        widths = plain.pop("widths")
        yield from _planned(study, Measurement(**plain), where)
        if widths:
            nested = {**plain, "kind": "widths", "widths": widths, "shards": 1}
            yield from _planned(study, Measurement(**nested), where)
        return
    chosen = Choice(name=entry.kind, **settings)
    measure: Measure = make("measures", chosen, where=where)
    used = chosen
    for name in entry.published:
        variant = variants().get(name)
        if variant is None or variant.measure is None:
            known = [n for n, v in variants().items() if v.measure is not None]
            raise StudyError(f"{where}.published: not a variant of a measure", got=name, wanted=", ".join(known))
        used = variant.measure(used, make("measures", used, where=where))
    reads = make("measures", used, where=where)
    if entry.shards > 1 and getattr(reads, "shard_record", None) is None:
        fix = f"leave out `shards`: {entry.kind} is measured in one step"
        raise StudyError(f"{where}.shards: the images of this measure cannot be split", got=entry.shards, fix=fix)
    name, seen = entry.name or measure.label(), _matched(study, entry, measure, where)
    when = entry.when if any(model.has_snapshots for model in study.networks) else ()
    for place in seen:
        called = f"{name}, {place}" if len(seen) > 1 else name
        yield Planned(called, place, reads, chosen, used, entry.published, when, entry.shards)


def _matched(study: Study, entry: Measurement, measure: Measure, where: str) -> list[str]:
    """The places that match an entry's patterns, each once; one empty place for a measure of the whole network."""
    if study.models and not any(fits(model, measure) for model in study.networks):
        wanted = "a network that the measure is defined for"
        raise StudyError(f"{where}: this measure is defined for no network here", got=entry.kind, wanted=wanted)
    if not measure.default_place:
        if entry.at:
            fix = f"leave out `at`: {entry.kind} measures the network as a whole"
            raise StudyError(f"{where}.at: this measure takes no place", got=", ".join(entry.at), fix=fix)
        return [""]
    known = list(dict.fromkeys(place for model in study.networks for place in places(model)))
    found: list[str] = []
    for pattern in entry.at or (measure.default_place,):
        new = [place for place in known if fnmatchcase(place, pattern)]
        if not new and (entry.at or known):
            word = "place" if where.startswith(("spectra", "landscapes")) else "at"
            raise StudyError(f"{where}.{word}: no network has it", got=pattern, fix=nearest(pattern, known))
        found += [place for place in new if place not in found]
    return found


def measured(study: Study) -> list[str]:
    """The quantities that the table always shows, in the order of the study."""
    return [p.name for p in measurements(study) if p.in_table]


def details(study: Study) -> list[str]:
    """The names of all other numbers; the table shows one only if a claim names it."""
    pruned = any(m.prune for m in study.models.values())
    return [
        name for p in measurements(study) for name in (*p.names[p.in_table :], *(p.raw if pruned else ()), *p.in_time)
    ]


def names(study: Study) -> list[str]:
    """The names of all measurements and all their numbers."""
    titles = [t for p in measurements(study) if (t := p.measure.title(p.name)) not in p.names]
    return [*measured(study), *titles, *details(study)]


def headline(study: Study) -> list[str]:
    """The quantities of the table: those always shown, then others named in claims, then those of the calibration.

    Left out is what no network here has, in a part of a study.
    """
    coverage = [reads.quantity(reads.name, what) for reads in calibrated(study.calibration) for what in reads.shown]
    if not study.models:
        return coverage
    further = set(details(study))
    claimed = [q for c in study.claims for q in (c.quantity, c.chooses, c.other_quantity) if q in further]
    networks = study.models.values()
    shown = [p.name for p in measurements(study) if p.in_table and any(p.fits(model) for model in networks)]
    return [*shown, *dict.fromkeys(claimed), *coverage]


def calibrated(planted: Planted | None) -> list[Coverage]:
    """The readers of a calibration: one per estimator and number of repeats."""
    if planted is None or planted.noise is None:
        return [Coverage()] if planted else []
    return [Coverage(*each) for each in product(planted.noise.estimators, planted.noise.repeats)]
