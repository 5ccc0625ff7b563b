"""Fifty runs of six models on one page: soon there, and small enough to be sent."""

import math
import re
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from browser import opened

from eigencode.base.record import Record
from eigencode.measures.accuracy import Accuracy
from eigencode.report import StudyRun, compare
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.curve import Curve
from eigencode.spectra.spectrum import Spectrum
from eigencode.study import Cell, Store, plan, read_study, results as study_results, rows
from eigencode.study._order import ordered
from eigencode.study.step import Step
from eigencode.study.steps.trained import Trained
from eigencode.training.supervised import SupervisedTraining

MODELS = "".join(f'[models.M{i}]\nrecipe = "BP"\nunits = {100 + i}\n' for i in range(6))
ATTACKS = "".join(
    f'[[curves]]\nattack = {{ name = "{a}" }}\npoints = 100\n[[critical]]\nattack = {{ name = "{a}" }}\n'
    for a in ("Gaussian", "FGSM", "PGD")
)
STUDY = f'name = "many"\ndata = "digits"\n{MODELS}{ATTACKS}[[spectra]]\n[[spectra]]\nname = "noise"\nsource = "noise"\n'


def record(cell: Cell, rng: torch.Generator) -> Record:
    """A made-up result of the kind of this cell, as large as that of a published study."""
    if cell.kind == "accuracy":
        return Accuracy.of(torch.rand(1000, generator=rng) < 0.9)
    common: dict[str, Any] = {"n": 1000, "n_correct": 900, "norm": "linf", "space": "unit", "seed": cell.seed}
    if cell.kind == "spectrum":
        n = torch.arange(1, 2001, dtype=torch.float64)
        noise = 0.02 * torch.randn(2000, dtype=torch.float64, generator=rng)
        return Spectrum((n**-1.1 * noise.exp()).sort(descending=True).values, 10_000, 2000, seed=cell.seed)
    if cell.kind == "curve":
        eps = torch.logspace(-4, -1, 100, dtype=torch.float64)
        values = torch.rand(100, dtype=torch.float64, generator=rng).sort(descending=True).values
        series = {**dict.fromkeys((n for n, axes in Curve.dims().items() if axes == ("eps",)), values), "eps": eps}
        return Curve(**series, **common, attack="PGD", exhaustive=False, zero_gradients=0.0)
    size = torch.rand(900, dtype=torch.float64, generator=rng)
    arrays = {"index": torch.arange(900), "eps": size, "size": size, "distance": size, "censored": size > 0.95}
    spent = {"tolerance": 0.01, "eps_max": 1.0, "evaluations": 1, "gradients": 1, "zero_gradients": 0.0}
    return CriticalSizes(**arrays, **common, **spent, attack="PGD")


def trained(rng: torch.Generator) -> SupervisedTraining:
    values = torch.rand(4, 1000, dtype=torch.float64, generator=rng)
    return SupervisedTraining("all", "adam", "float32", 1000, 1000, 1000, 0, 1.0, -1, *values)


def keep(store: Store, step: Step, found: Record, place: str = "") -> None:
    with store.writing(step, {"seconds": 1.0, "warnings": []}) as folder:
        (folder / place).mkdir(exist_ok=True)
        found.save(folder / place)


def run_of(folder: Path, seed: int, rng: torch.Generator) -> StudyRun:
    study = read_study(folder / "many.toml", [f"seeds=[{seed}]", "data_spectrum=false"])
    cells, store = plan(study), Store(folder / "store")
    for cell in cells:
        keep(store, cell.step, record(cell, rng))
        for step in ordered(list(cell.made_by())):
            if isinstance(step, Trained) and not store.has(step):
                keep(store, step, trained(rng), "training")
    found = rows(study, [c for c in cells if c.kind != "spectrum"], store)
    target = folder / "store" / "reports" / f"many-{seed}"
    study_results.write(target, study, cells, found, {"claims": [], "provenance": {}, "seconds": 1.0})
    return StudyRun(target, folder / "store")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_fifty_runs_of_six_models(browser: Any, tmp_path: Path, rng: torch.Generator, unchecked: None) -> None:
    (tmp_path / "many.toml").write_text(STUDY, encoding="utf-8")
    runs = [run_of(tmp_path, seed, rng) for seed in range(50)]
    began = time.process_time()
    path = compare(runs, tmp_path / "comparison.html")
    seconds, size = time.process_time() - began, path.stat().st_size
    print(f"\n50 runs x 6 models: {seconds:.1f} s, {size / 1e6:.2f} MB (wanted: 30 s, 8 MB)")
    assert size <= 8_000_000
    assert seconds <= 30
    with opened(browser, path) as seen:
        assert len(re.findall(r"data-alpha", seen.page.inner_html("#spectra-alpha"))) == 2 * 300
        shown = seen.page.eval_on_selector_all(
            "#spectra-alpha td[data-alpha]", "all => all.map((n) => JSON.parse(n.dataset.alpha)[0])"
        )
        wanted = runs[7].load(Spectrum, data="digits", model="M3", quantity="α images")[0].power_law((11, 500)).alpha
        assert math.isclose(shown[2 * (7 * 6 + 3)], wanted, rel_tol=1e-9)
        assert seen.messages == []
