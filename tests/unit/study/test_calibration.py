"""A calibration counts what it says it counts, and can be interrupted, shared out and wrong."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eigencode.base.errors import StudyError
from eigencode.data import PlantedCode
from eigencode.report import StudyRun, build
from eigencode.spectra import cvpca, signal_spectrum, spectrum
from eigencode.spectra.cvpca import SWAPS, cvpca_of_two
from eigencode.spectra.power_law import fit_line
from eigencode.study import Store, execute, plan, results, rows
from eigencode.study.config import Study
from eigencode.study.plan import Cell
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


NOISY = {
    **{"kinds": ["gaussian"], "alphas": [1.0, [0.2, 4, 2.0]], "units": [30, 20], "stimuli": [120], "replicates": 2},
    **{"n_min": 2, "weights": "1/n", "noise": {"snr": [30.0, 0.02], "repeats": [2, 3]}},
}
SIZE = "planted codes, 20 units, 120 samples"


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, list[Cell], Store]:
    chosen = study({"name": "c", "calibration": NOISY})
    store = Store(tmp_path_factory.mktemp("noisy"))
    cells = plan(chosen)
    assert execute([cell.step for cell in cells], store).ok
    return chosen, cells, store


def test_estimators_get_the_same_noisy_repeats(noisy: tuple[Study, list[Cell], Store]) -> None:
    """Each record is the estimates one by one, and the truth of a line that of the exact eigenvalues."""
    _, cells, store = noisy
    found = {(c.model, c.name): Calibration.load(store.folder(c.step) / c.part) for c in cells if c.data == SIZE}
    law, broken = "gaussian, α = 1, SNR 30", "gaussian, 0.2|4|2, SNR 30"
    n = torch.arange(1, 21, dtype=torch.float64)
    eigenvalues = torch.where(n < 4, n**-0.2, 4**-0.2 * (n / 4) ** -2.0)
    for model, alpha, exact in ((law, 1.0, 1 / n), (broken, (0.2, 4.0, 2.0), eigenvalues)):
        x = PlantedCode.of(20, alpha, seed=None).repeats(120, 3, 30.0, seed=1)
        torch.testing.assert_close(found[model, "cvPCA, 2 repeats"].truth, fit_line(exact, (2, 10), "1/n").alpha)
        for name, spec in (("2 repeats", cvpca(x[0], x[1], seed=1)), ("3 repeats", cvpca(x, seed=1))):
            line, record = spec.power_law((2, 10), "1/n"), found[model, f"cvPCA, {name}"]
            assert float(record.alpha[1]) == pytest.approx(line.alpha)
            assert float(record.high[1]) == pytest.approx(line.alpha + 1.96 * line.standard_error, rel=1e-4)
        for repeats in (2, 3):
            signal = signal_spectrum(x[:repeats], seed=1)
            if model == law:
                record = found[law, f"moments, {repeats} repeats"]
                assert record.truth == 1.0
                assert float(record.alpha[1]) == pytest.approx(signal.alpha.value)
                assert bool(record.warned[1]) == (bool(signal.warnings) or signal.law != "power law")
                continue
            of = {"α₁": signal.alpha_1, "break": signal.break_rank, "α₂": signal.alpha_2}
            for (part, estimate), truth in zip(of.items(), (0.2, 4.0, 2.0), strict=True):
                record = found[f"{broken}, {part}", f"moments, {repeats} repeats"]
                assert record.truth == truth
                got = [float(getattr(record, column)[1]) for column in ("alpha", "low", "high")]
                assert got == pytest.approx([estimate.value, estimate.low, estimate.high])
                assert bool(record.warned[1]) == (bool(signal.warnings) or signal.law != "broken power law")


def test_what_noise_drowns_has_no_number_and_is_warned(noisy: tuple[Study, list[Cell], Store]) -> None:
    chosen, cells, store = noisy
    told = {(r.model, r.quantity): r.value for r in rows(chosen, cells, store) if r.data == SIZE}
    law = "gaussian, α = 1, SNR 0.02"
    assert told[law, "moments, 2 repeats, warned"] == 1
    assert math.isnan(told[law, "moments, 2 repeats, coverage where identified"])
    assert told[law, "cvPCA, 2 repeats, coverage"] < 1 or math.isnan(told[law, "cvPCA, 2 repeats, coverage"])
    record = Calibration.load(store.folder(next(c.step for c in cells if (c.data, c.model) == (SIZE, law))))
    population = PlantedCode.of(20, 1.0, seed=None).repeats(120, 2, 0.02, seed=0)
    assert not bool((cvpca_of_two(*population, SWAPS, seed=0).eigenvalues[1:10] > 0).all()), "the case that is tested"
    assert bool(record.alpha[0].isnan())


def test_identified_fits_are_counted_alone() -> None:
    found = made([1.0, 2.0, 2.5], [1.9, 2.0, 3.0])  # warned: the first and the third
    assert found.coverage_identified.value == 1.0
    assert math.isnan(found.bias("alpha", identified=True).value)
    both = replace(found, warned=torch.tensor([True, False, False]))
    assert both.coverage_identified.value == 0.5
    assert both.bias("alpha", identified=True).value == pytest.approx(1.0)
    lost = replace(found, alpha=torch.tensor([1.0, math.nan, 4.0], dtype=torch.float64))
    assert lost.bias("alpha").value == pytest.approx(0.5)
    assert lost.bias("alpha").n == 2


def test_small_populations_come_first_and_tables_are_by_size(noisy: tuple[Study, list[Cell], Store]) -> None:
    chosen, cells, store = noisy
    assert list(dict.fromkeys(c.data for c in cells)) == [SIZE, "planted codes, 30 units, 120 samples"]
    assert headline(chosen)[:3] == ["cvPCA, 2 repeats, bias", "cvPCA, 2 repeats, coverage", "cvPCA, 3 repeats, bias"]
    assert set(headline(chosen)) <= {r.quantity for r in rows(chosen, cells, store)}


@pytest.mark.parametrize("noise", [False, True])
def test_the_figures_show_every_population(noise: bool, noisy: tuple[Study, list[Cell], Store], tmp_path: Path) -> None:
    """Their models are not those of the study, which has none: the figures were empty."""
    if noise:
        chosen, cells, store = noisy
    else:
        chosen, store = (
            study({"name": "c", "calibration": {**SMALL, "samples": [3, 4], "replicates": 2}}),
            Store(tmp_path),
        )
        cells = plan(chosen)
        assert execute([cell.step for cell in cells], store).ok
    found = rows(chosen, cells, store)
    folder = store.root / "reports" / "c"
    results.write(folder, chosen, cells, found, {"provenance": {}, "seconds": 1.0})
    run = StudyRun(folder, store.root)
    assert run.models == list(dict.fromkeys(c.model for c in cells))
    page = build(run).read_text("utf-8")
    assert "No model leads" not in page
    files = {p.name for p in (folder / "figures").glob("*.csv")}
    name = "calibration-planted_codes__20_units__120_samples.csv" if noise else "seeds.csv"
    assert name in files
    assert not noise or "seeds.csv" not in files
    with (folder / "figures" / name).open(encoding="utf-8", newline="") as file:
        drawn = list(csv.DictReader(file))
    shown = {q for q in headline(chosen) if not q.endswith("warned")} if noise else set(headline(chosen))
    data = SIZE if noise else "planted codes"
    expected = {
        (r.model, r.quantity, round(r.value, 3))
        for r in found
        if r.data == data
        and r.quantity in shown
        and math.isfinite(r.value)
        and not (r.model.endswith("break") and "bias" in r.quantity)
    }
    number = "y" if noise else "x"
    got = {(d["model"], d["what"] if noise else d["panel"], round(float(d[number]), 3)) for d in drawn}
    assert got == expected


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kinds": ["sparse"]}, "calibration.kinds"),
        ({"replicates": 1}, "calibration.replicates"),
        ({"replicate": 5}, "did you mean 'replicates'"),
        ({"alphas": [[0.5, 0.2, 1.0]]}, "calibration.alphas"),
        ({"samples": [3], "stimuli": [60]}, "samples: their number is that of the stimuli"),
        ({"noise": {"snr": [0]}}, "calibration.noise.snr"),
        ({"noise": {"repeats": [1]}}, "calibration.noise.repeats"),
        ({"noise": {"estimators": ["spectrum"]}}, "calibration.noise.estimators"),
        ({"noise": {}}, "kinds: with noise, those with the eigenvalues of the law"),
    ],
)
def test_a_calibration_that_cannot_be(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        study({"name": "c", "calibration": wrong})
