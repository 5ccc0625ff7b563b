"""Fifty runs of six models on one page: soon there, and small enough to be sent."""

import math
import re
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from browser import opened
from made_up import keep, record, trained

from eigencode.report import StudyRun, compare
from eigencode.spectra.spectrum import Spectrum
from eigencode.study import Store, plan, read_study, results as study_results, rows
from eigencode.study._order import ordered
from eigencode.study.steps.trained import Trained

MODELS = "".join(f'[models.M{i}]\nrecipe = "BP"\nunits = {100 + i}\n' for i in range(6))
ATTACKS = "".join(
    f'[[curves]]\nattack = {{ name = "{a}" }}\npoints = 100\n[[critical]]\nattack = {{ name = "{a}" }}\n'
    for a in ("Gaussian", "FGSM", "PGD")
)
STUDY = f'name = "many"\ndata = "digits"\n{MODELS}{ATTACKS}[[spectra]]\n[[spectra]]\nname = "noise"\nsource = "noise"\n'


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
