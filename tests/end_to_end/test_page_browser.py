"""The page of a study in a real browser: offline, silent, and with the numbers of the library."""

import csv
import io
import json
import math
import re
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from browser import Opened, opened

from eigencode.report import StudyRun
from eigencode.report._numbers import measured
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.curve import Curve
from eigencode.spectra.spectrum import Spectrum

FIGURES = ["curves", "sizes", "tradeoff", "spectra", "windows", "widths", "landscapes", "fields", "training"]


def downloaded(seen: Opened, figure: str, kind: str) -> tuple[str, bytes]:
    with seen.page.expect_download() as waited:
        seen.page.click(f"#{figure} .downloads button:text-is('{kind}')")
    return waited.value.suggested_filename, Path(waited.value.path()).read_bytes()


def table(seen: Opened, figure: str) -> list[dict[str, str]]:
    name, content = downloaded(seen, figure, "CSV")
    assert name == f"tiny-{figure}.csv"
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.mark.parametrize(("width", "theme"), [(380, "dark"), (1600, "light")])
def test_it_opens_from_disk_asks_for_nothing_and_fits(browser: Any, shown_page: Path, width: int, theme: str) -> None:
    with opened(browser, shown_page, width, theme) as seen:
        seen.picture(f"study-{width}-{theme}")
        assert [c.get_attribute("id") for c in seen.page.locator("#figures .card").all()] == FIGURES
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert seen.clipped() == []
        assert seen.overlapping() == []
        alts = seen.page.eval_on_selector_all(".plot", "nodes => nodes.map((n) => n.getAttribute('aria-label'))")
        assert all(len(alt) > 40 and "NaN" not in alt and "undefined" not in alt for alt in alts)
        ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 380) == (theme == "dark")
        assert (seen.requests, seen.messages) == ([], [])


def test_the_policy_of_the_page_stops_what_would_ask(browser: Any, shown_page: Path) -> None:
    """The check above can fail: a request and a script of somebody else's are seen, and stopped."""
    with opened(browser, shown_page) as seen:
        seen.page.evaluate("fetch('http://127.0.0.1:9/x').catch(() => 0)")
        seen.page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'window.owned = 1'}))"
        )
        seen.page.wait_for_timeout(100)
        assert len([s for s in seen.messages if "Content Security Policy" in s]) >= 2
        assert seen.page.evaluate("window.owned") is None


def moved(seen: Opened, name: str, place: int) -> None:
    script = "(input, v) => { input.value = v; input.dispatchEvent(new Event('input', {bubbles: true})); }"
    seen.redrawn("spectra", lambda: seen.page.locator(f"#window-{name}").evaluate(script, place))


def alphas(seen: Opened) -> dict[str, list[float]]:
    rows = seen.page.eval_on_selector_all(
        "#alpha tr:has(td)", "rows => rows.map((r) => [r.cells[0].textContent, r.cells[1].dataset.alpha])"
    )
    return {name: json.loads(found) for name, found in rows}


@pytest.mark.parametrize("weights", ["uniform", "1/n"])
def test_the_sliders_fit_what_the_library_fits(browser: Any, shown_page: Path, shown: StudyRun, weights: str) -> None:
    grid = json.loads(re.findall(r'id="content">(.*?)</script>', shown_page.read_text("utf-8"))[0])["spectra"]["grid"]
    with opened(browser, shown_page) as seen:
        seen.drawn("spectra")
        if weights != "uniform":
            seen.redrawn("spectra", lambda: seen.page.select_option("#window-weights", weights))
        for first, last in ((2, 8), (1, 12), (5, 7), (3, 64)):
            moved(seen, "from", grid.index(first))
            moved(seen, "to", grid.index(last))
            found = alphas(seen)
            assert list(found) == ["Init", "KH", "BP", "data"]
            for model, values in found.items():
                spectra = shown.load(Spectrum, data="digits", model=model, quantity="α images")
                fits = [s for s in spectra if bool((s.eigenvalues[:last] > 0).all()) and len(s.eigenvalues) >= last]
                wanted = [s.power_law((first, last), weights).alpha for s in fits]
                assert values == pytest.approx(wanted, rel=1e-9, abs=1e-12), (model, first, last)


def test_the_keyboard_moves_the_window_and_the_study_is_one_button_away(
    browser: Any, shown_page: Path, shown: StudyRun
) -> None:
    with opened(browser, shown_page) as seen:
        seen.drawn("spectra")
        before = alphas(seen)
        entries = [s for s in shown.results["summary"] if s["quantity"] == "α images"]
        summary = {s["model"]: re.sub(r" ± (.*)", r" (sd \1)", measured(s["mean"], s["spread"])) for s in entries}
        cells = seen.page.eval_on_selector_all(
            "#alpha tr:has(td)", "rows => rows.map((r) => [r.cells[0].textContent, r.cells[1].textContent])"
        )
        assert dict(cells) == {m: summary[m] for m in ("Init", "KH", "BP", "data")}
        seen.page.focus("#window-to")
        seen.redrawn("spectra", lambda: seen.page.keyboard.press("ArrowRight"))
        assert seen.page.get_attribute("#window-to", "aria-valuetext") == "rank 9"
        assert alphas(seen) != before
        seen.redrawn("spectra", lambda: seen.page.click("#window-reset"))
        assert alphas(seen) == before
        seen.redrawn("spectra", lambda: seen.page.select_option("#spectra-spectrum", label="α noise"))
        noise = shown.load(Spectrum, data="digits", model="KH", quantity="α noise")
        assert alphas(seen)["KH"] == pytest.approx([s.power_law((2, 8)).alpha for s in noise], rel=1e-9)
        moved(seen, "to", 0)
        assert ends(seen) == [1, 3]
        moved(seen, "from", 10**6)
        assert ends(seen)[1] - ends(seen)[0] >= 2
        moved(seen, "to", 5)
        assert ends(seen) == [4, 6]


def ends(seen: Opened) -> list[int]:
    return [int(seen.page.text_content(f"output[for=window-{name}]") or 0) for name in ("from", "to")]


def test_models_and_theme_are_switched(browser: Any, shown_page: Path) -> None:
    with opened(browser, shown_page) as seen:
        seen.drawn("curves")
        lines = "() => document.querySelectorAll('#curves .scatterlayer .trace').length"
        all_lines = seen.page.evaluate(lines)
        chip = seen.page.locator("#models button", has_text="KH")
        seen.redrawn("curves", lambda: chip.press("Enter"))
        assert chip.get_attribute("aria-pressed") == "false"
        assert seen.page.evaluate(lines) == all_lines * 2 // 3
        assert "KH" not in (seen.page.get_attribute("#curves .plot", "aria-label") or "")
        seen.redrawn("curves", chip.click)
        assert seen.page.evaluate(lines) == all_lines
        for name in ("Init", "BP", "KH"):
            seen.page.locator("#models button", has_text=name).click()
        assert seen.page.is_visible("#curves >> text=Nothing of this is measured")
        paper = "() => getComputedStyle(document.querySelector('.card')).backgroundColor"
        light = seen.page.evaluate(paper)
        seen.page.click("#theme")
        assert seen.page.evaluate(paper) != light
        assert seen.page.get_attribute("#theme", "aria-pressed") == "true"
        assert seen.messages == []


def test_every_figure_can_be_saved(browser: Any, shown_page: Path) -> None:
    with opened(browser, shown_page) as seen:
        for figure in FIGURES:
            seen.drawn(figure)
            rows = table(seen, figure)
            assert rows, figure
            assert {r["model"] for r in rows} <= {"Init", "KH", "BP", "data"}
        for figure in ("curves", "fields"):
            name, svg = downloaded(seen, figure, "SVG")
            assert (name, ElementTree.fromstring(svg).tag) == (f"tiny-{figure}.svg", "{http://www.w3.org/2000/svg}svg")
            name, png = downloaded(seen, figure, "PNG")
            assert (name, png[:8]) == (f"tiny-{figure}.png", b"\x89PNG\r\n\x1a\n")
            assert struct.unpack(">II", png[16:24]) > (100, 20)
        assert b">KH<" in downloaded(seen, "curves", "SVG")[1]
        assert (seen.requests, seen.messages) == ([], [])


def test_the_saved_numbers_are_those_of_the_store(browser: Any, shown_page: Path, shown: StudyRun) -> None:
    with opened(browser, shown_page) as seen:
        seen.drawn("curves")
        seen.redrawn("curves", lambda: seen.page.select_option("#curves-of", "absolute"))
        rows = [r for r in table(seen, "curves") if r["model"] == "BP"]
        found = shown.load(Curve, data="digits", model="BP", quantity="FGSM")
        assert [float(r["eps"]) for r in rows] == pytest.approx(found[0].eps.tolist(), rel=1e-3)
        mean = [sum(v) / len(found) for v in zip(*(c.accuracy.tolist() for c in found), strict=True)]
        assert [float(r["mean"]) for r in rows] == pytest.approx(mean, rel=1e-3)
        seen.drawn("sizes")
        rows = {(r["model"], r["attack"]): r for r in table(seen, "sizes")}
        assert len(rows) == 6
        for (model, attack), row in rows.items():
            sizes = shown.load(CriticalSizes, data="digits", model=model, quantity=attack)
            assert int(row["images"]) == sum(len(s.size) for s in sizes)
            assert int(row["never broken"]) == sum(int(s.censored.sum()) for s in sizes)
        drawn = [key for key, row in rows.items() if int(row["images"])]
        assert drawn
        seen.redrawn("sizes", lambda: seen.page.select_option("#sizes-as", "violin"))
        assert seen.page.locator("#sizes .violinlayer .trace").count() == len(drawn)
        seen.drawn("fields")
        wins = [int(r["wins"]) for r in table(seen, "fields")]
        assert wins == sorted(wins, reverse=True)
        seen.redrawn("fields", lambda: seen.page.select_option("#fields-order", "variance"))
        variance = [float(r["variance"]) for r in table(seen, "fields")]
        assert variance == sorted(variance, reverse=True)
        assert all(math.isfinite(v) for v in variance)


def test_claims_show_their_evidence(browser: Any, shown_page: Path, shown: StudyRun) -> None:
    with opened(browser, shown_page) as seen:
        claim = shown.results["claims"][0]
        box = seen.page.locator("details.claim").first
        assert box.locator(".verdict").inner_text().split()[0] == claim["verdict"].split()[0]
        box.locator("summary").press("Enter")
        shown_rows = box.locator("table tr:has(td)").all_inner_texts()
        rows = [r for r in shown.results["rows"] if r["quantity"] == "test accuracy" and r["model"] in ("BP", "Init")]
        assert len(shown_rows) == len(rows) == 4
        for row in rows:
            assert any(measured(row["value"]) in line and row["model"] in line for line in shown_rows)
        assert "0.9 > 0.1" in box.inner_text()
