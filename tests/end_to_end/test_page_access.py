"""Can it be used without a mouse, and by somebody who does not see it?  The rules of axe-core, and the keyboard."""

import os
from pathlib import Path
from typing import Any

import pytest
from browser import ROOT, opened

AXE = ROOT / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"


def axe() -> str:
    path = Path(os.environ.get("EIGENCODE_AXE", AXE))
    if not path.is_file():
        pytest.skip("axe-core is not here: `make build/axe` fetches it where npm is")
    return path.read_text("utf-8")


def violations(seen: Any, source: str) -> list[str]:
    """Serious and critical ones; `evaluate` is the debugger's and not bound by the policy of the page."""
    seen.page.evaluate(source + "; 0")
    found = seen.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{v['id']}: {v['help']}: {n['html'][:200]}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for n in v["nodes"][:3]
    ]


@pytest.mark.parametrize(("width", "theme"), [pytest.param(380, "light", marks=pytest.mark.slow), (1600, "dark")])
def test_axe_finds_nothing_serious(browser: Any, shown_page: Path, width: int, theme: str) -> None:
    source = axe()
    with opened(browser, shown_page, width, theme) as seen:
        seen.picture(f"access-{width}-{theme}")
        seen.page.eval_on_selector_all("details", "all => all.forEach((d) => { d.open = true; })")
        assert violations(seen, source) == []
        seen.page.evaluate("document.querySelector('#theme').replaceChildren()")
        assert any(v.startswith("button-name") for v in violations(seen, source)), "the check cannot fail"


def test_everything_can_be_reached_by_keyboard(browser: Any, shown_page: Path) -> None:
    with opened(browser, shown_page) as seen:
        script = (
            "[...document.querySelectorAll('a[href], button, select, input, summary')].filter((n) => n.offsetParent)"
        )
        wanted = seen.page.evaluate(f"{script}.length")
        seen.page.evaluate(
            "window.reached = new Set();"
            f"document.addEventListener('focusin', (e) => window.reached.add({script}.indexOf(e.target)))"
        )
        for _ in range(wanted + 30):
            seen.page.keyboard.press("Tab")
        assert set(range(wanted)) - set(seen.page.evaluate("[...window.reached]")) == set()
        seen.page.evaluate("document.activeElement.blur()")
        seen.page.keyboard.press("Tab")
        outline = seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"


def test_a_printed_page_has_every_figure_on_white(browser: Any, shown_page: Path) -> None:
    with opened(browser, shown_page, 380, "dark") as seen:
        state = """() => [document.querySelectorAll('.plot > svg').length,
          document.querySelectorAll('.figure').length,
          [...document.querySelectorAll('.plot > svg')].filter((s) => s.getBoundingClientRect().width < 200).length,
          getComputedStyle(document.querySelector('.card')).backgroundColor]"""
        pieces, figures, *_, colour = seen.page.evaluate(state)
        assert (pieces > 2 * figures, colour != "rgb(255, 255, 255)") == (True, True)
        seen.page.emulate_media(media="print")
        seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert seen.page.evaluate(state) == [figures, figures, 0, "rgb(255, 255, 255)"]
        assert not seen.page.is_visible("#toolbar")
        seen.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert seen.page.evaluate(state)[0] == pieces
        assert seen.messages == []


def test_what_is_jumped_to_is_not_under_the_bar(browser: Any, shown_page: Path) -> None:
    with opened(browser, shown_page, 900) as seen:
        for target in ("claims", "spectra", "meaning"):
            seen.page.evaluate(f"document.querySelector('nav a[href=\"#{target}\"]').click()")
            seen.page.wait_for_timeout(50)
            top, bar = seen.page.evaluate(
                f"[document.getElementById('{target}').getBoundingClientRect().top,"
                "document.getElementById('toolbar').getBoundingClientRect().bottom]"
            )
            assert top >= bar or seen.page.evaluate("innerHeight + scrollY + 2 >= document.body.scrollHeight")


def test_without_a_script_the_figures_are_those_for_print(browser: Any, shown_page: Path) -> None:
    with browser.new_context(java_script_enabled=False) as made:
        page = made.new_page()
        page.goto(shown_page.as_uri())
        assert page.locator(".figure .plot > svg").count() == page.locator(".figure").count() > 10
        assert page.is_visible("#tradeoff svg")
