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
    with opened(browser, shown_page, 1600, "dark") as seen:
        state = """() => [[...document.querySelectorAll('#figures .card')].filter((c) => !c.dataset.drawn).length,
          Math.max(...[...document.querySelectorAll('.plot .main-svg')].map((s) => s.getBoundingClientRect().width)),
          getComputedStyle(document.querySelector('.card')).backgroundColor]"""
        assert seen.page.evaluate(state)[0] > 0
        seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert seen.page.evaluate(state) == [0, 660, "rgb(255, 255, 255)"]
        seen.redrawn("curves", lambda: seen.page.evaluate("window.dispatchEvent(new Event('afterprint'))"))
        assert seen.page.evaluate(state)[2] != "rgb(255, 255, 255)"
        assert seen.messages == []
