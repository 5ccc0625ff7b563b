"""From finished steps to the numbers of the table, and to a file that every JSON parser reads."""

import json
import math
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from eigencode.measures import Units
from eigencode.measures.accuracy import Accuracy
from eigencode.robustness import CriticalSizes
from eigencode.rules.convergence import Convergence
from eigencode.spectra import Spectrum
from eigencode.study import Cell, Row, Store, Study, execute, plan, read_study, rows, summarise
from eigencode.study._claims import verdicts
from eigencode.study._integrity import sealed
from eigencode.study.read import study as from_dict
from eigencode.study.results import headline, write


def row(value: float, seed: int = 0, model: str = "A", quantity: str = "q", data: str = "d", said: str = "") -> Row:
    warnings = (said,) if said else ()
    return Row(data, model, seed, quantity, value, math.nan, math.nan, "convention", "key", warnings)


@pytest.mark.parametrize(
    "values", [[1.0, 2.0, 4.0], [0.1] * 3, [1e9 + 1, 1e9 + 2, 1e9 + 4], [1e-300, 2e-300], [-1.5, 2.5]]
)
def test_mean_and_sample_standard_deviation(values: list[float]) -> None:
    (found,) = summarise([row(v, seed) for seed, v in enumerate(values)])
    assert found.mean == pytest.approx(sum(values) / len(values), rel=1e-12)
    mean = sum(map(Fraction, values)) / len(values)
    exact = math.sqrt(float(sum((Fraction(v) - mean) ** 2 for v in values) / (len(values) - 1)))
    assert found.spread == pytest.approx(exact, rel=1e-12)
    assert found.seeds == len(values)


def test_one_seed_has_no_spread() -> None:
    (found,) = summarise([row(3.0)])
    assert (found.mean, found.seeds) == (3.0, 1)
    assert math.isnan(found.spread)


def test_every_moment_has_a_mean_of_its_own() -> None:
    moments: list[tuple[float | None, int | None]] = [(0, 0), (0.5, 3), (None, None)]
    rows = [replace(row(v + seed, seed), epoch=e, step=s) for v, (e, s) in enumerate(moments) for seed in (0, 1)]
    assert [(f.mean, f.seeds, f.epoch, f.step) for f in summarise(rows)] == [
        *((v + 0.5, 2, *moment) for v, moment in enumerate(moments)),
    ]


def test_an_infinite_number_has_no_spread() -> None:
    (found,) = summarise([row(1.0, 0), row(math.inf, 1)])
    assert (found.mean, found.seeds) == (math.inf, 2)
    assert math.isnan(found.spread)


def test_a_seed_without_the_number_is_not_in_the_mean_and_not_counted() -> None:
    (found,) = summarise([row(1.0, 0), row(math.nan, 1), row(3.0, 2)])
    assert (found.mean, found.seeds) == (2.0, 2)
    assert found.spread == pytest.approx(2**0.5)
    (found,) = summarise([row(math.nan, 0), row(math.nan, 1)])
    assert math.isnan(found.mean)
    assert found.seeds == 2


def test_the_interval_of_a_mean_is_over_seeds_and_images() -> None:
    def found(*values: float, half: float = 0.5) -> tuple[float, float]:
        rows = [replace(row(v, seed), low=v - half, high=v + half) for seed, v in enumerate(values)]
        (summary,) = summarise(rows)
        return summary.low, summary.high

    assert found(2.0) == pytest.approx((1.5, 2.5))
    assert found(2.0, 2.0, 2.0) == pytest.approx((1.5, 2.5)), "all seeds see the same images"
    assert found(1.9, 2.0, 2.1, half=1e-9) == pytest.approx((2 - 0.24841, 2 + 0.24841), rel=1e-4)
    low, high = found(1.9, 2.0, 2.1)
    assert 1.3 < low < 1.5
    assert low + high == pytest.approx(4)
    assert found(2.0, math.nan) == (-math.inf, math.inf), "the missing seed might have been anything"
    assert found(2.0, half=math.nan) == (-math.inf, math.inf)
    assert all(map(math.isnan, found(2.0, math.inf)))


def test_groups_keep_their_order_and_their_warnings_once() -> None:
    found = summarise(
        [
            row(1.0, 0, "B", said="first"),
            row(2.0, 0, "A"),
            row(3.0, 1, "B", said="second"),
            row(4.0, 2, "B", said="first"),
            row(5.0, 0, "B", quantity="other"),
            row(6.0, 0, "B", data="e"),
        ]
    )
    names = [(s.data, s.model, s.quantity, s.seeds) for s in found]
    assert names == [("d", "B", "q", 3), ("d", "A", "q", 1), ("d", "B", "other", 1), ("e", "B", "q", 1)]
    assert found[0].warnings == ("first", "second")


Run = tuple[Study, list[Cell], Store]


@pytest.fixture(scope="module")
def finished(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    study, store = read_study(home / "tiny.toml"), Store(tmp_path_factory.mktemp("results") / "store")
    shutil.copytree(home / "store" / "steps", store.root / "steps")  # some tests change it
    return study, plan(study), store


def test_every_number_is_that_of_its_record(finished: Run) -> None:
    study, cells, store = finished
    found = {(r.model, r.seed, r.quantity): r for r in rows(study, cells, store)}
    numbers = [c for c in cells if c.kind != "curve"]
    assert [k for k in found if k in {(c.model, c.seed, c.quantity) for c in numbers}] == [
        (c.model, c.seed, c.quantity) for c in numbers
    ]
    for cell in numbers:
        given, folder = found[cell.model, cell.seed, cell.quantity], store.folder(cell.step) / cell.part
        expected: Any
        if cell.kind == "accuracy":
            expected = Accuracy.load(folder).value
        elif cell.kind in ("spectrum", "raw"):
            expected = Spectrum.load(folder).power_law(window=(2, 8), weights="uniform").alpha
        elif cell.kind == "convergence":
            expected = Convergence.load(folder).fraction
        elif cell.kind == "pruning":
            expected = Units.load(folder).n_kept / 12
        else:
            expected = CriticalSizes.load(folder).median.value
        assert str(given.value) == str(expected)
        assert given.key == cell.step.key
        assert given.convention


def test_everything_measured_on_an_unconverged_layer_says_so(finished: Run) -> None:
    study, cells, store = finished
    for found in rows(study, cells, store):
        doubted = any("has not converged" in w for w in found.warnings)
        assert doubted == (found.model == "KH"), found
        assert len(found.warnings) == len(set(found.warnings))


def test_a_converged_layer_is_not_doubted(finished: Run, tmp_path: Path) -> None:
    study, cells, store = finished
    cell = next(c for c in cells if c.model == "KH")
    folder = store.folder(cell.made_by()[2]) / "convergence"
    state = Convergence.load(folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    try:
        good = state.converged.new_ones(len(state.converged))
        Convergence(state.radius, state.p, state.norm, good, ~good, state.wins.new_ones(len(good))).save(folder)
        found = rows(study, [cell], store)
        assert found[0].warnings == ()
    finally:
        for name, content in before.items():
            (folder / name).write_bytes(content)


def test_warnings_of_training_are_inherited_too(finished: Run) -> None:
    study, cells, store = finished
    cell = next(c for c in cells if c.model == "BP")
    path = store.folder(cell.made_by()[0]) / "step.json"
    before = path.read_text()
    try:
        said = {**json.loads(before), "warnings": ["the batch is smaller than the width"]}
        path.write_text(json.dumps(sealed(path.parent, path.parent.name, said)))
        assert "the batch is smaller than the width" in rows(study, [cell], store)[0].warnings
    finally:
        path.write_text(before)


def test_a_fit_that_is_not_possible_is_no_number_and_stops_nothing(finished: Run) -> None:
    study, cells, store = finished
    wide = study.model_copy(
        update={
            "spectra": tuple(s.model_copy(update={"window": (11, 500), "weights": "uniform"}) for s in study.spectra)
        }
    )
    found = rows(wide, plan(wide), store)
    assert len(found) == len(rows(study, cells, store))
    for r in found:
        failed = r.quantity.removesuffix(", raw") in ("α images", "α noise")
        assert math.isnan(r.value) or not failed
        assert any("the window of the fit does not fit" in w for w in r.warnings) == failed
        assert not failed or r.convention.startswith("ranks 11..500, weights uniform")


def test_unfinished_cells_are_left_out(finished: Run, tmp_path: Path) -> None:
    study, cells, _ = finished
    assert rows(study, cells, Store(tmp_path)) == []


def test_results_are_strict_json(finished: Run, tmp_path: Path) -> None:
    study, cells, store = finished
    path = write(tmp_path / "a", study, cells, [*rows(study, cells, store), row(math.inf), row(-math.inf, 0, "B")], {})
    text = path.read_text(encoding="utf-8")
    found = json.loads(text, parse_constant=pytest.fail)
    assert [r["value"] for r in found["rows"][-2:]] == ["Infinity", "-Infinity"]
    assert found["rows"][-1]["low"] is None
    assert found["headline"] == headline(study)
    assert "α images" in text
    assert [p.name for p in path.parent.iterdir()] == ["results.json"]
    keys = {s.key for c in cells for s in (c.step, *c.made_by())}
    assert {k for c in found["cells"] for k in (c["key"], *c["network"])} == keys
    assert Study.model_validate(found["study"]) == study


def test_the_headline_is_in_the_order_of_the_study(finished: Run) -> None:
    names = ["test accuracy", "α images", "α noise", "critical size, noise", "critical size, FGSM"]
    assert headline(finished[0]) == names


def test_a_seed_whose_step_failed_opens_the_intervals(tmp_path: Path) -> None:
    """It might have said anything: claims and summaries that leave it out are of the seeds that went well."""
    two = {"quantity": "test accuracy", "model": "B", "comparison": "<", "value": 2.0}
    claims = [
        {"statement": "A above B", "quantity": "test accuracy", "model": "A", "other": "B"},
        {"statement": "B below two", **two},
        {"statement": "B mostly", "share": 0.5, **two},
    ]
    models = {"A": {"units": 5}, "B": {"units": 6}}
    chosen = from_dict({"name": "x", "data": "digits", "seeds": [0, 1, 2, 3], "models": models, "claims": claims})
    store, cells = Store(tmp_path), plan(chosen)
    execute([c.step for c in cells if (c.model, c.seed) != ("B", 0)], store, 1)
    found = rows(chosen, cells, store)
    lost = next(r for r in found if (r.model, r.seed, r.quantity) == ("B", 0, "test accuracy"))
    assert math.isnan(lost.value)
    assert lost.warnings == ("seed 0 was not measured",)
    names = {s: {r.quantity for r in found if (r.model, r.seed) == ("B", s)} for s in range(4)}
    assert names[0] == names[1]
    of = next(s for s in summarise(found) if (s.model, s.quantity) == ("B", "test accuracy"))
    assert (of.seeds, of.low, of.high) == (3, -math.inf, math.inf)
    assert of.convention
    for verdict in verdicts(chosen, found)[:2]:
        assert (verdict.low, verdict.high) == (-math.inf, math.inf)
        assert verdict.verdict.startswith("undecided")
    assert verdicts(chosen, found)[2].verdict.startswith("undecided")
