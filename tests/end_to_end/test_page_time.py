"""One slider moves the figures of learning in time and their numbers; a page of 24 snapshots of six models is small."""

import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import learning
import pytest
import torch
from browser import Opened, opened
from made_up import keep, record, trained
from safetensors.torch import save_file
from shared import once

from eigencode.base.record import Record
from eigencode.geometry.jacobian import JacobianNorm
from eigencode.report import StudyRun, compare
from eigencode.report._numbers import ranged
from eigencode.rules.convergence import Convergence
from eigencode.spectra.spectrum import Spectrum
from eigencode.study import Cell, Row, Store, plan, read_study, results as study_results, rows
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.steps.trained import Trained
from eigencode.training.local import LocalTraining


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    def make(folder: Path) -> None:
        run = learning.measured(folder)
        compare([run], run.folder / "report.html")

    folder = once(tmp_path_factory, "learned-page", make)
    return StudyRun(folder / "store" / "reports" / "learning", folder / "store")


def numbers(seen: Opened) -> list[list[str]]:
    script = "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    return list(seen.page.eval_on_selector_all("#moments-numbers tr", script))


def displayed(seen: Opened, figure: str) -> list[str]:
    script = "all => all.filter((n) => getComputedStyle(n).display !== 'none').map((n) => n.id)"
    return list(seen.page.eval_on_selector_all(f'[id^="{figure}-mark-"]', script))


def cursors(seen: Opened) -> list[float]:
    script = "all => all.map((n) => n.getBoundingClientRect().left)"
    return list(seen.page.eval_on_selector_all("#course .cursor", script))


def vertices(seen: Opened) -> list[float]:
    """Horizontal places of the snapshots on the first mean line of the first panel."""
    marks = json.loads(seen.page.text_content("#content"))["figures"]["course"]["marks"]
    mean = next(i for i, mark in enumerate(marks) if "seed" not in mark)
    drawn = seen.page.get_attribute(f"#course-mark-{mean}-0 path", "d")
    return [float(x) for x in re.findall(r"[ML]([\d.]+) ", drawn)]


def wanted(run: StudyRun, model: str, step: int) -> list[str]:
    entries = {e["quantity"]: e for e in run.results["summary"] if (e["model"], e["step"]) == (model, step)}
    return [ranged(entries[q]["mean"], entries[q]["low"], entries[q]["high"]) for q in run.results["headline"][:5]]


@pytest.mark.parametrize(("width", "theme"), [(380, "dark"), (1600, "light")])
def test_the_slider_moves_the_figures_and_the_numbers(browser: Any, learned: StudyRun, width: int, theme: str) -> None:
    with opened(browser, learned.folder / "report.html", width, theme) as seen:
        seen.picture(f"time-{width}-{theme}")
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert (seen.clipped(), seen.overlapping()) == ([], [])
        last = numbers(seen), displayed(seen, "moments"), displayed(seen, "trajectory"), cursors(seen)
        assert seen.page.get_attribute("#moments-step", "aria-valuetext") == "Training steps 32"
        assert seen.page.locator("label:has(#moments-step)").inner_text().startswith("Training steps")
        assert seen.page.get_attribute("#moments-numbers", "aria-live") == "polite"
        seen.page.focus("#moments-step")
        seen.page.keyboard.press("Home")
        for step in (0, 4, 8, 16, 32):
            head, steps, *found = numbers(seen)
            assert (head, steps) == (["", "KH", "BP"], ["training steps", str(step), str(step)])
            assert [row[0] for row in found] == ["test accuracy", "α images", "α noise", "critical size, FGSM", "‖J‖"]
            for column, model in enumerate(("KH", "BP"), 1):
                assert [row[column] for row in found] == wanted(learned, model, step)
            shown = displayed(seen, "moments")
            assert len([i for i in shown if f"moments-mark-{i.split('-')[2]}-0" == i]) == 9
            line = seen.page.locator("#course .cursor").first.get_attribute("d")
            assert float(line[1:].split()[0]) == pytest.approx(vertices(seen)[(0, 4, 8, 16, 32).index(step)], abs=0.11)
            if step < 32:
                assert not set(shown) & set(last[1])
                assert displayed(seen, "trajectory") != last[2]
                assert all(a < b for a, b in zip(cursors(seen), last[3], strict=True))
            seen.page.keyboard.press("ArrowRight")
        assert (numbers(seen), displayed(seen, "moments"), displayed(seen, "trajectory"), cursors(seen)) == last
        assert (seen.requests, seen.messages) == ([], [])


def test_a_hidden_model_stays_hidden_at_every_moment(browser: Any, learned: StudyRun) -> None:
    with opened(browser, learned.folder / "report.html") as seen:
        seen.page.locator("#trajectory text", has_text="BP").click()
        seen.page.focus("#moments-step")
        for _ in range(3):
            assert numbers(seen)[0] == ["", "KH"]
            seen.page.keyboard.press("ArrowLeft")
        before = len(displayed(seen, "moments"))
        seen.page.locator("#models button", has_text="BP").click()
        assert (len(displayed(seen, "moments")), numbers(seen)[0]) == (before + 4, ["", "KH", "BP"])


def test_print_and_a_page_without_scripts_show_the_last_moment(browser: Any, learned: StudyRun) -> None:
    page = learned.folder / "report.html"
    with opened(browser, page) as seen:
        last, shown = numbers(seen), displayed(seen, "moments")
        seen.page.focus("#moments-step")
        seen.page.keyboard.press("Home")
        chosen = numbers(seen)
        seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert (numbers(seen), displayed(seen, "moments")) == (last, shown)
        seen.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert numbers(seen) == chosen != last
    with browser.new_context(java_script_enabled=False) as context:
        bare = context.new_page()
        bare.goto(page.as_uri())
        for identity in shown:
            assert bare.locator(f"#{identity}").is_visible()
        assert not bare.locator('#moments [display="none"]').first.is_visible()


STEPS = [0, *sorted({round(5000 ** (i / 22)) for i in range(23)})]
"""Logarithmically spaced moments of a training."""

MANY = "".join(f'[models.BP{i}]\nrecipe = "BP"\nunits = {100 + i}\n' for i in range(3)) + "".join(
    f'[models.KH{i}]\nkind = "krotov_hopfield"\nunits = {100 + i}\nlocal = {{ epochs = 5000 }}\n' for i in range(3)
)
STUDY = f"""
name = "moments"
data = "digits"
seeds = [0, 1]
data_spectrum = false
receptive_fields = 16
{MANY}
[[spectra]]
[[spectra]]
name = "α noise"
source = "noise"
[[critical]]
attack = {{ name = "FGSM" }}
[[critical]]
attack = {{ name = "PGD" }}
[[measure]]
kind = "jacobian"
"""


def made_up(cell: Cell, rng: torch.Generator) -> Record:
    """A result of the kind of this cell that changes in the course of training."""
    done = math.log1p(cell.at_step or 0) / math.log(5001)
    if cell.kind == "spectrum":
        n = torch.arange(1, 2001, dtype=torch.float64)
        noise = 0.02 * torch.randn(2000, dtype=torch.float64, generator=rng)
        return Spectrum((n ** -slope(cell) * noise.exp()).sort(descending=True).values, 10_000, 2000, seed=cell.seed)
    if cell.kind == "convergence":
        done_ = torch.rand(100, generator=rng) < done
        wins = torch.randint(0, 99, (100,), generator=rng)
        return Convergence(1.0, 3.0, torch.ones(100), done_, torch.zeros(100, dtype=torch.bool), wins)
    if cell.kind == "jacobian":
        value = 10 ** (4 - 4 * done) * (1 + 0.1 * torch.rand(300, dtype=torch.float64, generator=rng))
        return JacobianNorm(value, torch.zeros_like(value), "exact", 0, "latent", "unit", 100, 64, cell.seed)
    found = record(cell, rng)
    if cell.kind == "critical":
        return replace(found, **{k: getattr(found, k) * 10 ** (2 * done - 2) for k in ("eps", "size", "distance")})
    return found


def keep_layer(store: Store, step: LocallyTrained, cell: Cell, rng: torch.Generator) -> None:
    """A made-up local layer on colour images of 32 x 32 pixels: noise, which cannot be compressed."""
    with store.writing(step, {"seconds": 1.0, "warnings": []}) as folder:
        curves = dict.fromkeys(("converged", "repelled", "active", "norm", "step_size"), torch.ones(5))
        training = LocalTraining("KrotovHopfield", 5, 5000, 10, cell.seed, 1.0, **curves)
        for name, found in (("convergence", made_up(cell, rng)), ("training", training)):
            (folder / name).mkdir()
            found.save(folder / name)
        header = {"eigencode": json.dumps({"shape": [3, 32, 32]})}
        weights = {"encoder.weight": torch.randn(100, 3 * 32 * 32, generator=rng), "encoder.wins": torch.arange(100)}
        save_file(weights, folder / "network.safetensors", header)


def snapshots(cells: list[Cell]) -> Iterator[Cell]:
    for cell in cells:
        held = cell.step is cell.network
        for step in STEPS[held:]:
            net: Any = replace(cell.network, stop=step) if step else cell.network.start  # type: ignore
            made = net if held else replace(cell.step, net=net)  # type: ignore[type-var]
            yield replace(cell, step=made, network=net, epoch=float(step), at_step=step)


def slope(cell: Cell) -> float:
    done = math.log1p(cell.at_step or 5000) / math.log(5001)
    return 0.8 + 0.4 * math.cos(7 * done) + 0.2 * int(cell.model[-1]) * done + 0.05 * cell.seed


def fitted(cell: Cell) -> Row:
    """The exponent with which a spectrum was made: fits of them all would take minutes."""
    where, value = (cell.data, cell.model, cell.seed, cell.quantity), slope(cell)
    said = ("ranks 11..500", cell.step.key)
    return Row(*where, value, value - 0.05, value + 0.05, *said, epoch=cell.epoch, step=cell.at_step)


def course_of_many(folder: Path, rng: torch.Generator) -> StudyRun:
    (folder / "many.toml").write_text(STUDY, encoding="utf-8")
    study, store = read_study(folder / "many.toml"), Store(folder / "store")
    cells = plan(study)
    cells += list(snapshots(cells))
    for cell in cells:
        if isinstance(cell.step, LocallyTrained):
            keep_layer(store, cell.step, cell, rng)
        elif not store.has(cell.step):
            keep(store, cell.step, made_up(cell, rng))
        if isinstance(cell.network, Trained) and not store.has(cell.network):
            keep(store, cell.network, trained(rng), "training")
    found = [*rows(study, [c for c in cells if c.kind != "spectrum"], store)]
    found += [fitted(cell) for cell in cells if cell.kind == "spectrum"]
    target = folder / "store" / "reports" / "moments"
    more = {"claims": [], "provenance": {}, "seconds": 1.0}
    study_results.write(target, study, cells, found, more)
    return StudyRun(target, folder / "store")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_24_snapshots_of_six_models(browser: Any, tmp_path: Path, rng: torch.Generator, unchecked: None) -> None:
    run = course_of_many(tmp_path, rng)
    began = time.process_time()
    path = compare([run], tmp_path / "comparison.html")
    seconds, size = time.process_time() - began, path.stat().st_size
    print(f"\n24 snapshots x 6 models: {seconds:.1f} s, {size / 1e6:.2f} MB (wanted: 60 s, 3 MB)")
    assert size <= 3_000_000
    assert seconds <= 60
    with opened(browser, path) as seen:
        assert (seen.clipped(), seen.overlapping(), seen.messages) == ([], [], [])
        marks = json.loads(seen.page.text_content("#content"))["figures"]["moments"]["marks"]
        assert max(len(mark.get("x", ())) for mark in marks) <= 150
        seen.picture("time-many")
