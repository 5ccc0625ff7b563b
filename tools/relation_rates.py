"""`python -m tools.relation_rates [--replicates N]`: what relations say of simulated studies with a known truth.

Four worlds, each of 129 networks: 43 models of 13 unequal families, three seeds.  α and accuracy correlate with 0.9; of
the critical sizes none, 20 % or 40 % are censored.  Judged by the code that judges studies.  Writes
published/relation_rates/:

    worlds.json     share of studies in which each claim is reproduced or reversed
    holm.json       share of studies with a false verdict, before and after Holm's correction
    coverage.json   95 % intervals that hold the true coefficient, of four kinds

and makes the tables of docs/appendix/relation_rates.md anew.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from scipy.stats import t as student

from eigencode.study._claims import verdicts
from eigencode.study.config import Study
from eigencode.study.read import study
from eigencode.study.relations import Table, analyse, fits
from eigencode.study.results import Row
from tools.verdict_rates import _counted, main

SIZES = (1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6)
"""Models of each family."""

SEEDS = 3
CENSORED = (0.0, 0.2, 0.4)
FAMILY = np.repeat(np.arange(len(SIZES)), SIZES)
"""Family of each model."""

R = 0.9
"""Correlation of α and accuracy."""

SIZE, ALPHA, ACCURACY = "critical size, PGD", "α images", "test accuracy"

CLAIMS: dict[str, tuple[str, str, str, float | None]] = {
    "α": ("alone", "pooled", ">", None),
    "α within families": ("alone", "within", ">", None),
    "α between families": ("alone", "between", ">", None),
    "α between minus within": ("alone", "between minus within", ">", None),
    "α given accuracy": ("given accuracy", "pooled", ">", None),
    "α given accuracy, within": ("given accuracy", "within", ">", None),
    "α given accuracy: partial R² < 0.02": ("given accuracy", "partial R2", "<", 0.02),
    "α adds to accuracy in new families": ("given accuracy", "prediction gain", ">", None),
}
"""Claims: relation, effect, comparison, value."""

WORLDS = {
    "α causes robustness": dict.fromkeys([*CLAIMS][:3], "reproduced")
    | dict.fromkeys([*CLAIMS][4:6], "reproduced")
    | {"α given accuracy: partial R² < 0.02": "reversed", "α adds to accuracy in new families": "reproduced"},
    "accuracy causes both": dict.fromkeys([*CLAIMS][:3], "reproduced")
    | {"α given accuracy: partial R² < 0.02": "reproduced"},
    "family causes both": {
        "α": "reproduced",
        "α within families": "reversed",
        "α between families": "reproduced",
        "α between minus within": "reproduced",
        "α given accuracy, within": "reversed",
    },
    "nothing causes anything": {"α given accuracy: partial R² < 0.02": "reproduced"},
}
"""The verdict that a perfect study would give on each claim; of those not named here, none."""

ANY = "any claim"

UNCERTAIN = {("family causes both", claim) for claim in [*CLAIMS][4:] if "within" not in claim}
"""Claims without a simple truth."""


def drawn(world: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """α, accuracy and log size of all networks, models x seeds, each of variance about 1."""
    models = len(FAMILY)

    def three(family: float = 1.0, model: float = 0.7, seed: float = 0.3) -> np.ndarray:
        parts = family * rng.standard_normal(len(SIZES))[FAMILY, None], model * rng.standard_normal((models, 1))
        total: np.ndarray = sum(parts) + seed * rng.standard_normal((models, SEEDS))
        return total / np.sqrt(family**2 + model**2 + seed**2)

    one, two, error = three(), three(), three()
    mixed = R * one + np.sqrt(1 - R**2) * two
    if world == "α causes robustness":
        return {ALPHA: one, ACCURACY: mixed, SIZE: 0.8 * one + 0.6 * error}
    if world == "accuracy causes both":
        return {ALPHA: mixed, ACCURACY: one, SIZE: 0.8 * one + 0.6 * error}
    if world == "family causes both":
        family, inside = rng.standard_normal(len(SIZES))[FAMILY, None], three(family=0.0)
        alpha = 0.8 * family + 0.6 * inside
        return {
            ALPHA: alpha,
            ACCURACY: R * alpha + np.sqrt(1 - R**2) * two,
            SIZE: 0.8 * family - 0.4 * inside + 0.4 * three(family=0.5),
        }
    return {ALPHA: one, ACCURACY: mixed, SIZE: error}


def rows(found: dict[str, np.ndarray], censored: float) -> list[Row]:
    """The rows of a study; a critical size beyond the largest is infinite, with the largest as its lower end."""
    most = float(np.exp(np.quantile(found[SIZE], 1 - censored))) if censored else np.inf
    made = []
    for quantity, values in found.items():
        for (model, seed), v in np.ndenumerate(np.exp(values) if quantity == SIZE else values):
            number = (np.inf, most, np.inf) if quantity == SIZE and v > most else (float(v), float(v), float(v))
            made.append(Row("digits", f"M{model}", seed, quantity, *number, "", ""))
    return made


@cache
def asked() -> Study:
    """The study with all claims."""
    relation = {"outcome": {"quantity": SIZE, "transform": "log"}, "predictors": [ALPHA]}
    names = (("alone", []), ("given accuracy", [ACCURACY]))
    claims: list[dict[str, Any]] = [
        {"statement": said, "relation": name, "effect": effect, "comparison": comparison}
        | ({} if value is None else {"value": value})
        for said, (name, effect, comparison, value) in CLAIMS.items()
    ]
    return study(
        {
            "name": "simulated",
            "data": "digits",
            "seeds": list(range(SEEDS)),
            "models": {f"M{i}": {"recipe": "Init", "units": 5, "family": f"F{f}"} for i, f in enumerate(FAMILY)},
            "spectra": [{"name": ALPHA}],
            "critical": [{"name": SIZE, "attack": {"name": "PGD"}}],
            "relations": [{"name": name, "controls": controls, **relation} for name, controls in names],
            "claims": claims,
        }
    )


def words(world: str, censored: float, replicates: int, rng: np.random.Generator) -> dict[str, Counter[str]]:
    """How often each claim got each verdict; under ANY, how many studies have a false one, before and after Holm."""
    found: dict[str, Counter[str]] = {said: Counter() for said in (*CLAIMS, ANY)}
    for _ in range(replicates):
        judged = verdicts(asked(), rows(drawn(world, rng), censored))
        for v in judged:
            found[v.statement][v.verdict] += 1
        wrong = [v for v in judged if v.verdict in mistakes(world, v.statement)]
        found[ANY].update({"false": bool(wrong), "false after Holm": any(v.p_holm < 0.05 for v in wrong)})
    return found


def mistakes(world: str, claim: str) -> set[str]:
    """The verdicts on a claim that are false in this world.

    A predictor that means nothing makes predictions worse, so that a gain is rightly "reversed".
    """
    if (world, claim) in UNCERTAIN:
        return set()
    right = {WORLDS[world].get(claim, ""), "reversed" if "adds" in claim and claim not in WORLDS[world] else ""}
    return {"reproduced", "reversed"} - right


COEFFICIENTS = ("pooled", "within", "between")


def covered(world: str, censored: float, rng: np.random.Generator) -> Iterator[tuple[str, str, bool]]:
    """(coefficient, kind of interval, whether it holds the truth) of one simulated study, given accuracy."""
    found = drawn(world, rng)
    y, alpha, accuracy = (found[name].ravel() for name in (SIZE, ALPHA, ACCURACY))
    most = np.quantile(y, 1 - censored) if censored else np.inf
    group = np.repeat(FAMILY, SEEDS)
    table = Table(np.minimum(y, most), y > most, alpha[:, None], accuracy[:, None], group, np.empty((len(y), 0)))
    truth = (0.8 if world == "α causes robustness" else 0.0) * float(alpha.std())
    for e in (e for e in analyse(table).effects if e.kind in COEFFICIENTS):
        yield e.kind, "jackknife, effective number of families", abs(e.estimate - truth) <= e.error * _t(e.df)
        yield e.kind, "jackknife, number of families", abs(e.estimate - truth) <= e.error * _t(table.groups - 1)
        low, high, sandwich = _others(table, e.kind, rng)
        yield e.kind, "bootstrap over families", low <= truth <= high
        yield e.kind, "sandwich", abs(e.estimate - truth) <= sandwich * _t(table.groups - 1)


def _others(table: Table, kind: str, rng: np.random.Generator, draws: int = 199) -> tuple[float, float, float]:
    """Percentiles of the bootstrap over families, and the sandwich standard error from infinitesimal weights."""
    both = np.concatenate([table.x, table.controls], 1)
    means = table.means(both)
    parts = [both] if kind == "pooled" else [both - means, means] if kind == "within" else [means, both - means]
    columns, groups, unit = np.concatenate([np.ones((len(both), 1)), *parts], 1), table.groups, float(table.x.std())
    counts = rng.multinomial(groups, np.full(groups, 1 / groups), draws)[:, table.group].astype(float)
    small = 1 + 1e-3 * np.concatenate([np.zeros((1, len(both))), table.group[None] == np.arange(groups)[:, None]])
    beta = unit * fits(columns, table.y, table.censored, np.concatenate([small, counts])).beta[:, 1]
    influence = (beta[1 : groups + 1] - beta[0]) / 1e-3
    low, high = np.nanquantile(beta[groups + 1 :], [0.025, 0.975])
    return float(low), float(high), float(np.sqrt(groups / (groups - 1) * (influence**2).sum()))


def _t(df: float) -> float:
    return float(student.ppf(0.975, df))


def simulated(replicates: int, said: Callable[[str], object] = print) -> dict[str, list[Row]]:
    """The rows of every file."""
    rng = np.random.default_rng(0)
    made: dict[str, list[Row]] = {"worlds": [], "holm": [], "coverage": []}
    for world in WORLDS:
        counts: dict[str, dict[str, int]] = {claim: {} for claim in (*CLAIMS, ANY)}
        for censored in CENSORED:
            said(f"{world}, {100 * censored:g} % censored")
            for claim, found in words(world, censored, replicates, rng).items():
                for word in ("false", "false after Holm") if claim == ANY else ("reproduced", "reversed"):
                    counts[claim][f"{word}, {100 * censored:g} % censored"] = found[word]
        made["holm"] += _table("false verdicts", {world: counts.pop(ANY)}, replicates)
        made["worlds"] += _table(world, counts, replicates)
    for world in ("α causes robustness", "nothing causes anything"):
        for censored in CENSORED:
            said(f"coverage: {world}, {100 * censored:g} % censored")
            about: dict[str, Counter[str]] = {f"{c}, {100 * censored:g} % censored": Counter() for c in COEFFICIENTS}
            for coefficient, kind, hit in (x for _ in range(replicates) for x in covered(world, censored, rng)):
                about[f"{coefficient}, {100 * censored:g} % censored"][kind] += hit
            made["coverage"] += _table(world, about, replicates)
    return made


def _table(data: str, counts: Mapping[str, dict[str, int]], replicates: int) -> Iterator[Row]:
    for about, columns in counts.items():
        for row in _counted(0, about, columns, replicates):
            yield Row(**{**vars(row), "data": data})


if __name__ == "__main__":
    main(__doc__, "relation_rates", 400, simulated)
