"""The relations of a study, from the numbers of its networks."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eigencode.study.config import Study
from eigencode.study.relations._schema import BUILT_IN, FEWEST, Relation, Variable
from eigencode.study.relations.censored import varies
from eigencode.study.relations.effects import Analysis, Table, analyse
from eigencode.study.results import Row


@dataclass(frozen=True)
class Point:
    """The numbers of one network: outcome (a lower bound if `censored`), predictors and controls, all transformed."""

    model: str
    seed: int
    group: str
    outcome: float
    censored: bool
    values: tuple[float, ...]
    predicted: float = math.nan


@dataclass(frozen=True)
class Related:
    """A relation on one data set.

    Attributes:
        points: the networks that have all its numbers.
        analysis: its effects; None if there are too few networks or groups.
        warnings: what to know of its networks.
    """

    data: str
    relation: Relation
    points: tuple[Point, ...]
    analysis: Analysis | None
    warnings: tuple[str, ...]

    @property
    def groups(self) -> list[str]:
        """Names of the groups, in the order of the study."""
        return list(dict.fromkeys(p.group for p in self.points))

    def kept(self) -> dict[str, Any]:
        """The relation as kept in `results.json`."""
        chosen, effects = self.relation, self.analysis.effects if self.analysis else ()
        spread = np.array([p.values for p in self.points]).std(0).tolist() if self.points else []
        rows = []
        for e in effects:
            value, low, high = e.interval
            of = "" if e.of is None else chosen.predictors[e.of].label
            rows.append(
                {"effect": e.kind, "predictor": of, "value": value, "low": low, "high": high}
                | {"p": e.minus(0.0).p, "df": e.df}
            )
        labels = {k: [c.label for c in getattr(chosen, k)] for k in ("predictors", "controls")}
        return {
            **{"data": self.data, "name": chosen.name, "statement": chosen.statement, "outcome": chosen.outcome.label},
            **labels,
            **{"groups": list(chosen.groups), "spread": spread, "effects": rows, "warnings": list(self.warnings)},
            "points": [{**vars(p), "values": list(p.values)} for p in self.points],
        }


def related(study: Study, rows: Sequence[Row]) -> list[Related]:
    """All relations of a study on all of its data sets."""
    return [_related(study, relation, data, rows) for data in study.datasets for relation in study.relations]


def _related(study: Study, relation: Relation, data: str, rows: Sequence[Row]) -> Related:
    wanted = {v.quantity for v in relation.variables}
    numbers: dict[tuple[str, int], dict[str, Row]] = {}
    for r in rows:
        if r.data == data and r.epoch is None and r.quantity in wanted and r.model in study.models:
            numbers.setdefault((r.model, r.seed), {})[r.quantity] = r
    networks = [(model, seed) for model in study.models for seed in study.seeds]
    found = {network: _point(study, relation, *network, numbers.get(network, {})) for network in networks}
    points = tuple(p for p in found.values() if p is not None)
    warned = [n for n in networks if found[n] is not None and _warned(relation, numbers[n])]
    said = _told(found, warned)
    table = _table(relation, points)
    if table is None:
        return Related(data, relation, points, None, (*said, "too few networks or groups for a regression"))
    if not varies(table.y, np.ones((1, len(table.y)))).all():
        return Related(data, relation, points, None, (*said, "the outcome is the same for all networks"))
    analysis = analyse(table)
    pooled = [e for e in analysis.effects if e.kind == "pooled" and e.of is not None]
    lost = [relation.predictors[e.of or 0].label for e in pooled if math.isnan(e.estimate)]
    if table.censored.any() and lost:
        said = (*said, f"no effect, as the outcome is a lower bound wherever it is high, or low: {', '.join(lost)}")
    predicted = analysis.predicted.tolist()
    complete = tuple(Point(**{**vars(p), "predicted": v}) for p, v in zip(points, predicted, strict=True))
    return Related(data, relation, complete, analysis, said)


def _point(study: Study, relation: Relation, model: str, seed: int, numbers: dict[str, Row]) -> Point | None:
    """The numbers of one network; None if one of them is missing."""
    built_in = {"local": study.models[model].local is not None, "warned": _warned(relation, numbers)}

    def value(v: Variable) -> float:
        if v.quantity in BUILT_IN:
            return float(built_in[v.quantity])
        return transformed(v, numbers[v.quantity].value if v.quantity in numbers else math.nan)

    outcome, values = value(relation.outcome), tuple(value(v) for v in (*relation.predictors, *relation.controls))
    if censored := relation.outcome.quantity in numbers and _beyond(numbers[relation.outcome.quantity]):
        outcome = _bound(relation.outcome, numbers[relation.outcome.quantity])
    if not all(map(math.isfinite, (outcome, *values))):
        return None
    return Point(model, seed, relation.group_of(model, study.models[model].family), outcome, censored, values)


def _beyond(row: Row) -> bool:
    """True if the number is only known to be at least its bound."""
    return row.value == math.inf or row.value >= row.bound


def _bound(variable: Variable, row: Row) -> float:
    """The bound of such a number on the scale of a column; NaN if the number may lie on either side of an origin."""
    bound = row.low if math.isnan(row.bound) else row.bound  # results of before know the end of the interval alone
    if variable.transform == "distance" and bound < variable.origin:
        return math.nan
    return transformed(variable, bound)


def transformed(variable: Variable, value: float) -> float:
    """A number on the scale of a column; NaN for the logarithm of one below zero, −inf for that of zero."""
    if variable.transform == "log":
        return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan
    return abs(value - variable.origin) if variable.transform == "distance" else value


def _warned(relation: Relation, numbers: dict[str, Row]) -> bool:
    return any(numbers[v.quantity].warnings for v in relation.variables if v.quantity in numbers)


def _told(found: dict[tuple[str, int], Point | None], warned: list[tuple[str, int]]) -> tuple[str, ...]:
    """Which networks are left out, censored, or warned of."""
    lost = Counter(model for (model, _), point in found.items() if point is None)
    censored = sum(p.censored for p in found.values() if p is not None)
    lines = []
    if lost:
        told = ", ".join(f"{model} ({n})" for model, n in lost.items())
        lines.append(f"{lost.total()} of {len(found)} networks lack a number of the relation and are left out: {told}")
    if censored:
        lines.append(f"the outcome of {censored} of {len(found)} networks is a lower bound")
    if warned:
        lines.append(f"{len(warned)} of {len(found)} networks have a number with a warning")
    return tuple(lines)


def _table(relation: Relation, points: Sequence[Point]) -> Table | None:
    """The rows of the regression; None if there are too few."""
    names = {name: i for i, name in enumerate(dict.fromkeys(p.group for p in points))}
    seeds = sorted({p.seed for p in points})[1:] if "seed" in relation.groups else []
    if len(names) < FEWEST or len(points) < len(relation.variables) + len(seeds) + FEWEST:
        return None
    values = np.array([p.values for p in points])
    k = len(relation.predictors)
    return Table(
        y=np.array([p.outcome for p in points]),
        censored=np.array([p.censored for p in points]),
        x=values[:, :k],
        controls=values[:, k:],
        group=np.array([names[p.group] for p in points]),
        fixed=np.array([[float(p.seed == seed) for seed in seeds] for p in points]).reshape(len(points), len(seeds)),
    )
