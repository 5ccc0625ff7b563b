"""A calibration counts what it says it counts, and can be interrupted, shared out and wrong."""

import math
from pathlib import Path

import pytest
import torch

from eigencode.base.errors import StudyError
from eigencode.data import PlantedCode
from eigencode.spectra import spectrum
from eigencode.study import Store, execute, plan, rows
from eigencode.study.read import study
from eigencode.study.results import headline
from eigencode.study.steps.calibration import Calibration, CalibrationBlock, CalibrationCell

SMALL = {"kinds": ["gaussian"], "units": [20], "samples": [3], "replicates": 25, "n_min": 2}


def made(low: list[float], high: list[float]) -> Calibration:
    columns = {n: torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64) for n in ("alpha", "plain", "standard_error")}
    ends = {"low": torch.tensor(low, dtype=torch.float64), "high": torch.tensor(high, dtype=torch.float64)}
    return Calibration(
        truth=2.0, window=(2, 8), n_samples=60, warned=torch.tensor([True, False, True]), **columns, **ends
    )


def test_coverage_counts_intervals_that_hold_the_truth() -> None:
    found = made([1.0, 2.0, 2.5], [1.9, 2.0, 3.0])
    assert found.covered.tolist() == [False, True, False]
    assert found.coverage.value == pytest.approx(1 / 3)
    low, high = found.coverage.interval
    assert 0 < low < 1 / 3 < high < 1
    assert found.bias("alpha").value == pytest.approx(1 / 3)
    assert found.bias("alpha").interval[1] - 1 / 3 == pytest.approx(1.96 * math.sqrt(7 / 3) / math.sqrt(3))


def test_intervals_that_do_not_exist_cover_nothing() -> None:
    nan = [math.nan] * 3
    assert not made(nan, nan).measured
    assert math.isnan(made(nan, nan).coverage.value)
    assert made([math.nan, 1.0, 1.0], [math.nan, 3.0, 3.0]).coverage.value == pytest.approx(2 / 3)


def test_replicates_in_blocks_are_the_fits_one_by_one(tmp_path: Path) -> None:
    chosen = study({"name": "c", "calibration": SMALL})
    cells = plan(chosen)
    (cell,) = cells
    assert isinstance(cell.step, CalibrationCell)
    assert [(b.first, b.count) for b in cell.step.blocks] == [(0, 20), (20, 5)]
    store = Store(tmp_path)
    assert execute([cell.step], store).ok
    found = Calibration.load(store.folder(cell.step))
    population = PlantedCode.of(20, 1.0, "gaussian")
    for seed in (0, 19, 20, 24):
        law = spectrum(population.sample(60, seed), seed=seed).power_law((2, 10))
        assert float(found.alpha[seed]) == pytest.approx(law.alpha, rel=1e-9)
        assert float(found.plain[seed]) == pytest.approx(law.plain, rel=1e-9)
        assert (float(found.low[seed]), float(found.high[seed])) == pytest.approx(law.interval, rel=1e-9)
    assert found.truth == pytest.approx(1.0)
    told = {r.quantity: r.value for r in rows(chosen, cells, store)}
    assert list(told) == headline(chosen)
    assert told["coverage"] == pytest.approx(found.coverage.value)
    assert told["bias"] == pytest.approx(float(found.alpha.mean()) - 1)
    assert told["bias of the plain fit"] == pytest.approx(float(found.plain.mean()) - 1)


def test_every_population_is_measured_over_its_own_window() -> None:
    cells = plan(
        study({"name": "c", "calibration": {**SMALL, "kinds": ["relu"], "samples": [0.5, 10], "units": [40, 80]}})
    )
    blocks = [cell.step.blocks[0] for cell in cells if isinstance(cell.step, CalibrationCell)]
    assert [(b.units, b.samples, b.window) for b in blocks] == [
        (40, 20, (2, 9)),
        (40, 400, (2, 20)),
        (80, 40, (2, 19)),
        (80, 800, (2, 40)),
    ]
    assert len({b.key for b in blocks}) == 4
    assert isinstance(blocks[0], CalibrationBlock)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kinds": ["sparse"]}, "calibration.kinds"),
        ({"replicates": 1}, "calibration.replicates"),
        ({"replicate": 5}, "did you mean 'replicates'"),
    ],
)
def test_a_calibration_that_cannot_be(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        study({"name": "c", "calibration": wrong})
