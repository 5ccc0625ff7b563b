"""`python -m tools.verdict_rates [--replicates N]`: error rate and power of every verdict, coverage of the intervals.

Simulated studies with a known truth are judged by the code that judges studies.  Writes published/verdict_rates/:

    words.json      share of every verdict on every kind of claim, without an effect and with effects of stated size
    many.json       studies of 50 claims about nothing, before and after Holm's correction
    coverage.json   95 % intervals of one model's number, for new seeds and new images

and makes the tables of docs/verdicts.md anew.
"""

import argparse
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import norm

from eigencode.base.strict_json import dumps
from eigencode.robustness.survival import quantile, share
from eigencode.study._claims import Verdict, verdicts
from eigencode.study._mean import Mean, Z
from eigencode.study._provenance import provenance
from eigencode.study.config import Study
from eigencode.study.read import study
from eigencode.study.results import Row, content

SEEDS = (2, 3, 5)
QUANTITY = "test accuracy"
WORDS = {
    "reproduced": ("reproduced",),
    "undecided, same sign or inside": ("undecided, same sign", "undecided, inside"),
    "undecided, opposite sign or outside": ("undecided, opposite sign", "undecided, outside"),
    "reversed or outside": ("reversed", "outside"),
}
"""Columns of the first table, and the verdicts they count."""


@dataclass(frozen=True)
class Case:
    """A claim about models with known numbers.

    Attributes:
        about: words for the table.
        claim: as in a study.
        truth: true number of each model, in units of the standard deviation over seeds of the difference of two models
            (of the number itself where one model is compared with a constant).
        images: standard error of one model's number over images, in the same unit.
        correct: the verdict a perfect study would give; "" if there is nothing to find.
    """

    about: str
    claim: dict[str, Any]
    truth: tuple[float, ...]
    images: float = 5.0
    correct: str = ""
    study: Study = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "study", _study([self.claim], len(self.truth)))

    def judged(self, seeds: int, rng: np.random.Generator) -> Verdict:
        """The verdict of one simulated study."""
        one = 1.0 if len(self.truth) == 1 else 1 / math.sqrt(2)  # so that a difference has standard deviation 1
        values = np.array(self.truth) + one * rng.standard_normal((seeds, len(self.truth)))
        (found,) = verdicts(self.study, _rows(values + self.images * rng.standard_normal(), self.images))
        return found


def cases() -> Iterator[Case]:
    """All rows of the first table."""
    for d in (0, 1, 2, 4, 8):
        yield Case(
            f"A > B, true difference {d}", _claim(model="M0", other="M1"), (d, 0), correct="reproduced" if d else ""
        )
    for models, steps in ((3, (2, 4, 8)), (5, (4, 8))):
        order = _claim(order=[f"M{i}" for i in range(models)])
        name = " > ".join("ABCDE"[:models])
        yield Case(f"{name}, all equal", order, (0,) * models)
        for d in steps:
            truth = tuple(d * (models - i) for i in range(models))
            yield Case(f"{name}, true steps {d}", order, truth, correct="reproduced")
            exchanged = (*truth[:-2], truth[-1], truth[-2])
            yield Case(f"{name}, true steps {d}, the last two exchanged", order, exchanged, correct="reversed")
    for d in (0, 2, 4, 8):
        claim = _claim(model="M0", value=0.0)
        yield Case(f"A > constant, true distance {d}", claim, (d,), 1.0, "reproduced" if d else "")
    for d in (8, 4, 0, -4, -8):
        where = f"{abs(d)} {'inside' if d > 0 else 'outside'}" if d else "at the end"
        claim = _claim(model="M0", comparison="within", value=0.0, tolerance=8.0)
        correct = "reproduced" if d > 0 else "outside" if d else ""
        yield Case(f"A within ± 8, truly {where}", claim, (8.0 - d,), 1.0, correct)


def words(case: Case, seeds: int, replicates: int, rng: np.random.Generator) -> Counter[str]:
    """How often each verdict was given."""
    return Counter(case.judged(seeds, rng).verdict for _ in range(replicates))


def many(seeds: int, replicates: int, rng: np.random.Generator, claims: int = 50) -> dict[str, int]:
    """Studies of many independent claims about nothing, with at least one false verdict of each kind."""
    chosen = _study([_claim(f"{i}", model=f"M{2 * i}", other=f"M{2 * i + 1}") for i in range(claims)], 2 * claims)
    found: Counter[str] = Counter()
    for _ in range(replicates):
        judged = verdicts(chosen, _rows(rng.standard_normal((seeds, 2 * claims)), math.nan))
        decided = [v for v in judged if v.verdict in ("reproduced", "reversed")]
        found["reproduced"] += any(v.verdict == "reproduced" for v in decided)
        found["reproduced or reversed"] += bool(decided)
        found["either after Holm"] += any(v.p_holm < 0.05 for v in decided)
    return {name: found[name] for name in ("reproduced", "reproduced or reversed", "either after Holm")}


@dataclass(frozen=True)
class Images:
    """Networks measured on the same images, again with new seeds and new images.

    Attributes:
        number: "a number" (normal), "accuracy" (Wilson) or "median size" (Kaplan–Meier, a fifth censored).
        ratio: variance over seeds, as a multiple of that over images.
        own: share of the images' variance that the networks do not share.
    """

    number: str
    ratio: float
    own: float

    @property
    def about(self) -> str:
        """Words for the table."""
        return f"{self.number}, variance of seeds {self.ratio:g} × images, {100 * self.own:g} % of these not shared"

    def covered(self, seeds: int, rng: np.random.Generator) -> tuple[bool, bool]:
        """Whether the intervals over seeds and images, and over seeds alone, hold the truth."""
        values, lows, highs, truth = getattr(self, "_" + self.number.replace(" ", "_"))(seeds, rng)
        both, alone = Mean.of(values, lows, highs), Mean.of(values)
        return both.low <= truth <= both.high, alone.low <= truth <= alone.high

    def _latent(self, seeds: int, images: int, deviation: float, rng: np.random.Generator) -> np.ndarray:
        """A number per network and image: of the network, of the image, and of both together with variance 1."""
        network = deviation * rng.standard_normal((seeds, 1))
        shared = math.sqrt(1 - self.own) * rng.standard_normal(images)
        return network + shared + math.sqrt(self.own) * rng.standard_normal((seeds, images))

    def _a_number(self, seeds: int, rng: np.random.Generator) -> tuple[list[float], list[float], list[float], float]:
        values = self._latent(seeds, 1, math.sqrt(self.ratio), rng)[:, 0]
        return values.tolist(), (values - Z).tolist(), (values + Z).tolist(), 0.0

    def _accuracy(self, seeds: int, rng: np.random.Generator) -> tuple[list[float], list[float], list[float], float]:
        n, expected = 300, 0.8
        line = norm.ppf(expected)
        deviation = math.sqrt(self.ratio * expected * (1 - expected) / n) / norm.pdf(line)
        right = (self._latent(seeds, n, deviation, rng) < line * math.sqrt(1 + deviation**2)).sum(1)
        found = [share(int(r), n) for r in right]
        return [f.value for f in found], [f.low for f in found], [f.high for f in found], expected

    def _median_size(self, seeds: int, rng: np.random.Generator) -> tuple[list[float], list[float], list[float], float]:
        n = 300
        deviation = math.sqrt(self.ratio * math.pi / 2 / n)
        sizes = torch.from_numpy(self._latent(seeds, n, deviation, rng))
        largest = float(norm.ppf(0.8))
        found = [quantile(s.clamp(max=largest), s > largest) for s in sizes]
        return [f.value for f in found], [f.low for f in found], [f.high for f in found], 0.0


def situations() -> Iterator[Images]:
    """All rows of the third table."""
    for own, ratio in product((0.0, 0.25, 0.5), (0.1, 1.0, 10.0)):
        yield Images("a number", ratio, own)
    for number, own in product(("accuracy", "median size"), (0.0, 0.25)):
        yield Images(number, 0.5, own)


def _claim(statement: str = "x", **more: Any) -> dict[str, Any]:
    return {"statement": statement, "quantity": QUANTITY, **more}


def _study(claims: list[dict[str, Any]], models: int) -> Study:
    named = {f"M{i}": {"recipe": "Init", "units": 5} for i in range(models)}
    return study({"name": "simulated", "data": "digits", "models": named, "claims": claims})


def _rows(values: np.ndarray, images: float) -> list[Row]:
    """Rows of numbers of shape (seeds, models) with the standard error over images of each."""
    half = Z * images
    return [
        Row("digits", f"M{model}", seed, QUANTITY, float(v), float(v) - half, float(v) + half, "", "")
        for seed, several in enumerate(values)
        for model, v in enumerate(several)
    ]


def _counted(seeds: int, about: str, counts: dict[str, int], replicates: int) -> Iterator[Row]:
    for name, hits in counts.items():
        found = share(hits, replicates)
        numbers = (found.value, found.low, found.high)
        yield Row(f"{seeds} seeds", about, 0, name, *numbers, f"share of {replicates} simulated studies", "")


def simulated(replicates: int) -> dict[str, list[Row]]:
    """The rows of every file."""
    rng = np.random.default_rng(0)
    rows: dict[str, list[Row]] = {"words": [], "many": [], "coverage": []}
    for seeds in SEEDS:
        for case in cases():
            found = words(case, seeds, replicates, rng)
            counts = {name: sum(found[v] for v in verdicts) for name, verdicts in WORDS.items()}
            rows["words"] += _counted(seeds, case.about, counts, replicates)
        studies = max(replicates // 4, 1)
        rows["many"] += _counted(seeds, "50 claims about nothing", many(seeds, studies, rng), studies)
        for images in situations():
            held = np.array([images.covered(seeds, rng) for _ in range(replicates)]).sum(0)
            counts = {"over seeds and images": int(held[0]), "over seeds alone": int(held[1])}
            rows["coverage"] += _counted(seeds, images.about, counts, replicates)
    return rows


def main(about: str | None, name: str, replicates: int, simulated: Callable[[int], Mapping[str, list[Row]]]) -> None:
    """Simulate, write the tables to published/`name`, and renew the pages that quote them."""
    from tools.publish import ROOT, quoting_files, refreshed

    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--replicates", type=int, default=replicates)
    parser.add_argument("--to", type=Path, default=ROOT / "published" / name)
    chosen = parser.parse_args()
    chosen.to.mkdir(parents=True, exist_ok=True)
    for table, rows in simulated(chosen.replicates).items():
        settings = {"name": table, "seeds": [0], "replicates": chosen.replicates}
        shown = list(dict.fromkeys(r.quantity for r in rows))
        made = content(settings, shown, [], rows, {"claims": [], "deviations": [], "provenance": provenance()})
        (chosen.to / f"{table}.json").write_text(dumps(made) + "\n", "utf-8")
    for path in quoting_files():
        path.write_text(refreshed(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(__doc__, "verdict_rates", 2000, simulated)
