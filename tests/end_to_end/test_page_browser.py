"""The page of a study in a real browser: offline, silent, and with the numbers of the library."""

import csv
import io
import json
import re
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from browser import Opened, opened

from eigencode.report import StudyRun
from eigencode.report._numbers import measured
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.curve import Curve
from eigencode.spectra.spectrum import Spectrum

FIGURES = [
    *("tradeoff", "robustness", "robustness2", "spectra", "slopes", "windows", "windows2", "widths", "landscapes"),
    *("pruning", "receptive_fields", "training", "seeds"),
]


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
        assert [c.get_attribute("id") for c in seen.page.locator(".figure").all()] == FIGURES
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert seen.clipped() == []
        assert seen.overlapping() == []
        alts = seen.page.eval_on_selector_all(".plot > svg", "nodes => nodes.map((n) => n.getAttribute('aria-label'))")
        assert all(len(alt) > 40 and "NaN" not in alt and "undefined" not in alt for alt in alts)
        ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 380) == (theme == "dark")
        assert (seen.requests, seen.messages) == ([], [])


def test_the_result_and_its_figure_are_on_the_first_screen(browser: Any, shown_page: Path) -> None:
    with opened(browser, shown_page, 1600) as seen:
        bottom = "(s) => document.querySelector(s).getBoundingClientRect().bottom"
        assert 0 < seen.page.evaluate(bottom, ".result") < seen.page.evaluate(bottom, "#tradeoff svg") < 900
        assert "the differences may be chance" in seen.page.inner_text(".result")
        assert "hidden layer trained by the local Krotov–Hopfield rule" in seen.page.inner_text("#about")


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
    seen.page.locator(f"#spectra-window-{name}").evaluate(script, place)


def alphas(seen: Opened, column: int = 1) -> dict[str, list[float]]:
    script = f"rows => rows.map((r) => [r.cells[0].textContent, r.cells[{column}].dataset.alpha])"
    rows = seen.page.eval_on_selector_all("#spectra-alpha tr:has(td)", script)
    return {name: json.loads(found) for name, found in rows}


@pytest.mark.parametrize("weights", ["uniform", "1/n"])
def test_the_sliders_fit_what_the_library_fits(browser: Any, shown_page: Path, shown: StudyRun, weights: str) -> None:
    grid = json.loads(re.findall(r'id="content">(.*?)</script>', shown_page.read_text("utf-8"))[0])["figures"][
        "spectra"
    ]["grid"]
    with opened(browser, shown_page) as seen:
        if weights != "uniform":
            seen.page.select_option("#spectra-window-weights", weights)
        for first, last in ((2, 8), (1, 12), (5, 7), (3, 64)):
            moved(seen, "from", grid.index(first))
            moved(seen, "to", grid.index(last))
            found = alphas(seen)
            assert list(found) == ["data", "Init", "KH", "BP"]
            for model, values in found.items():
                spectra = shown.load(Spectrum, data="digits", model=model, quantity="α images")
                fits = [s for s in spectra if bool((s.eigenvalues[:last] > 0).all()) and len(s.eigenvalues) >= last]
                wanted = [s.power_law((first, last), weights).alpha for s in fits]
                assert values == pytest.approx(wanted, rel=1e-9, abs=1e-12), (model, first, last)


def test_the_keyboard_moves_the_window_and_the_study_is_one_button_away(
    browser: Any, shown_page: Path, shown: StudyRun
) -> None:
    with opened(browser, shown_page) as seen:
        before, drawn = alphas(seen), line(seen)
        entries = [s for s in shown.results["summary"] if s["quantity"] == "α images"]
        summary = {s["model"]: re.sub(r" ± (.*)", r" (sd \1)", measured(s["mean"], s["spread"])) for s in entries}
        cells = seen.page.eval_on_selector_all(
            "#spectra-alpha tr:has(td)", "rows => rows.map((r) => [r.cells[0].textContent, r.cells[1].textContent])"
        )
        assert dict(cells) == {m: summary[m] for m in ("Init", "KH", "BP", "data")}
        noise = shown.load(Spectrum, data="digits", model="KH", quantity="α noise")
        assert alphas(seen, 2)["KH"] == pytest.approx([s.power_law((2, 8)).alpha for s in noise], rel=1e-9)
        seen.page.focus("#spectra-window-to")
        seen.page.keyboard.press("ArrowRight")
        assert seen.page.get_attribute("#spectra-window-to", "aria-valuetext") == "to rank 9"
        assert alphas(seen) != before
        told = seen.page.locator("#spectra text", has_text="KH").first.text_content()
        assert told is not None
        assert float(told.removeprefix("KH  ")) == pytest.approx(sum(alphas(seen)["KH"]) / 2, rel=1e-3)
        seen.page.click("#spectra-window-reset")
        assert (alphas(seen), line(seen)) == (before, pytest.approx(drawn, abs=0.11))
        moved(seen, "to", 0)
        assert ends(seen) == [1, 3]
        moved(seen, "from", 10**6)
        assert ends(seen)[1] - ends(seen)[0] >= 2
        moved(seen, "to", 5)
        assert ends(seen) == [4, 6]


def line(seen: Opened) -> list[float]:
    """Ends of the fitted line of KH on images, as the figure for print has it and as the script draws it."""
    (entry, *_) = (e for e in content(seen)["figures"]["spectra"]["spectra"] if e["m"] == 1)
    drawn = seen.page.get_attribute(f"#spectra-mark-{entry['fit']}-0 path", "d")
    return [float(v) for v in re.findall(r"[\d.]+", drawn or "")]


def content(seen: Opened) -> dict[str, Any]:
    return dict(json.loads(seen.page.text_content("#content")))


def ends(seen: Opened) -> list[int]:
    return [int(seen.page.text_content(f"output[for=spectra-window-{name}]") or 0) for name in ("from", "to")]


def visible(seen: Opened, figure: str) -> int:
    script = "(all) => all.filter((n) => getComputedStyle(n).display !== 'none').length"
    return int(seen.page.eval_on_selector_all(f'[id^="{figure}-mark-"]', script))


def test_models_and_theme_are_switched(browser: Any, shown_page: Path) -> None:
    with opened(browser, shown_page) as seen:
        everything = visible(seen, "robustness")
        chip = seen.page.locator("#models button", has_text="KH")
        chip.press("Enter")
        assert chip.get_attribute("aria-pressed") == "false"
        assert visible(seen, "robustness") == everything * 2 // 3
        assert {r["model"] for r in table(seen, "robustness")} == {"Init", "BP"}
        assert "KH" not in seen.page.inner_text("#spectra-alpha")
        seen.page.locator("#robustness text", has_text="KH").click()
        assert (visible(seen, "robustness"), chip.get_attribute("aria-pressed")) == (everything, "true")
        paper = "() => getComputedStyle(document.querySelector('.card')).backgroundColor"
        light = seen.page.evaluate(paper)
        seen.page.click("#theme")
        assert seen.page.evaluate(paper) != light
        assert seen.page.get_attribute("#theme", "aria-pressed") == "true"
        assert seen.messages == []


def hover(seen: Opened, figure: str, script: str) -> list[str]:
    """Lines of the box at the pointer, over the middle of an element of a figure."""
    x, y = seen.page.locator(f"#{figure}").evaluate(
        f"(card) => {{ card.scrollIntoView({{block: 'center'}}); const b = ({script}).getBoundingClientRect();"
        " return [(b.left + b.right) / 2, (b.top + b.bottom) / 2]; }"
    )
    seen.page.mouse.move(x, y)
    return seen.page.inner_text("#tip").split("\n")


def test_the_pointer_tells_the_numbers_of_the_store(browser: Any, shown_page: Path, shown: StudyRun) -> None:
    with opened(browser, shown_page) as seen:
        marks = content(seen)
        found = marks["figures"]["tradeoff"]["marks"]
        model = marks["models"][found[-1]["m"]]
        told = hover(seen, "tradeoff", f"document.querySelector('#tradeoff-mark-{len(found) - 1}-0 use')")
        rows = [r for r in shown.results["rows"] if (r["model"], r["quantity"]) == (model, "test accuracy")]
        assert told[0].startswith(f"{model}, seed ")
        assert float(told[2].split(": ")[1].split()[0]) in [pytest.approx(r["value"], rel=1e-3) for r in rows]
        told = hover(seen, "landscapes", "card.querySelector('image')")
        assert told[1].startswith("ε (L2, unit): ")
        assert told[3].startswith("‖∂z/∂x‖")
        seen.page.mouse.move(1, 1)
        assert not seen.page.is_visible("#tip")


def test_every_figure_can_be_saved(browser: Any, shown_page: Path) -> None:
    for some in (FIGURES[:7], FIGURES[7:]):  # Chromium refuses the eleventh download of a page
        with opened(browser, shown_page) as seen:
            for figure in some:
                rows = table(seen, figure)
                assert rows, figure
                assert {r["model"] for r in rows} <= {"Init", "KH", "BP", "data"}
    with opened(browser, shown_page) as seen:
        for figure in ("robustness", "receptive_fields"):
            name, svg = downloaded(seen, figure, "SVG")
            assert (name, ElementTree.fromstring(svg).tag) == (f"tiny-{figure}.svg", "{http://www.w3.org/2000/svg}svg")
            name, png = downloaded(seen, figure, "PNG")
            assert (name, png[:8]) == (f"tiny-{figure}.png", b"\x89PNG\r\n\x1a\n")
            assert struct.unpack(">II", png[16:24]) > (100, 20)
        assert b">KH<" in downloaded(seen, "robustness", "SVG")[1]
        assert (seen.requests, seen.messages) == ([], [])


def test_the_saved_numbers_are_those_of_the_store(browser: Any, shown_page: Path, shown: StudyRun) -> None:
    with opened(browser, shown_page) as seen:
        rows = [r for r in table(seen, "robustness") if (r["model"], r["panel"]) == ("BP", "FGSM")]
        found = shown.load(Curve, data="digits", model="BP", quantity="FGSM")
        assert [float(r["x"]) for r in rows] == pytest.approx(found[0].eps.tolist(), rel=1e-3)
        mean = [sum(v) / len(found) for v in zip(*(c.relative_accuracy.tolist() for c in found), strict=True)]
        assert [float(r["y"] or "nan") for r in rows] == pytest.approx(mean, rel=1e-3, nan_ok=True)
        boxes = {(r["model"], r["panel"]): r for r in table(seen, "robustness2")}
        for (model, attack), row in boxes.items():
            sizes = shown.load(CriticalSizes, data="digits", model=model, quantity=attack)
            together = torch.cat([s.size for s in sizes])
            assert f"of {len(together)} images" in row["what"]
            assert float(row["y"]) == pytest.approx(float(together.quantile(0.5)), rel=1e-3)
        wins = [int(r["y"]) for r in table(seen, "receptive_fields")]
        assert wins == sorted(wins, reverse=True)


def test_claims_are_a_matrix_with_their_evidence(browser: Any, shown_page: Path, shown: StudyRun) -> None:
    with opened(browser, shown_page) as seen:
        lines = seen.page.locator("#claims .matrix tr:has(td)").all_inner_texts()
        assert len(lines) == len(shown.results["claims"]) == 2
        for line_, claim in zip(lines, shown.results["claims"], strict=True):
            assert claim["statement"] in line_
            assert claim["verdict"] in line_
        box = seen.page.locator("details.claim").first
        box.locator("summary").press("Enter")
        shown_rows = box.locator("table tr:has(td)").all_inner_texts()
        rows = [r for r in shown.results["rows"] if r["quantity"] == "test accuracy" and r["model"] in ("BP", "Init")]
        assert len(shown_rows) == len(rows) == 4
        for row in rows:
            assert any(measured(row["value"]) in line_ and row["model"] in line_ for line_ in shown_rows)
        assert "0.9 > 0.1" in box.inner_text()
