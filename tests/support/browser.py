"""Headless Chromium for tests: open a page from disk and record its network requests and console messages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "build" / "pages"
"""Screenshots of the last test run, for people; git ignores the folder."""

TIMEOUT = 200_000
"""Time limit of every wait, in milliseconds; long, since the machine may be shared with heavy computations."""

NAMES = ("chromium", "chromium-browser", "google-chrome")

TEXTS = """
const plots = [...document.querySelectorAll('.plot')].filter((plot) => plot.offsetParent).map((plot) => ({
  id: plot.parentElement.id,
  box: plot.getBoundingClientRect(),
  texts: [...plot.querySelectorAll('svg:not(.source) text')]
    .map((t) => ({ said: t.textContent.trim(), turned: /rotate\\(-[1-9]/.test(t.outerHTML),
      at: t.getBoundingClientRect() }))
    .filter((t) => t.said && t.at.width),
}));
"""

CLIPPED = f"""() => {{ {TEXTS}
  return plots.flatMap(({{ id, box, texts }}) => texts.filter(({{ at }}) => at.left < box.left - 1
    || at.right > box.right + 1 || at.top < box.top - 1 || at.bottom > box.bottom + 1)
    .map((t) => `${{id}}: ${{t.said}}`));
}}"""
"""Texts that extend beyond their figure."""

OVERLAPPING = f"""() => {{ {TEXTS}
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
  return plots.flatMap(({{ id, texts }}) => texts.filter((t) => !t.turned).flatMap((one, i, straight) =>
    straight.slice(i + 1).filter((t) => over(one.at, t.at)).map((t) => `${{id}}: ${{one.said}} / ${{t.said}}`)));
}}"""
"""Pairs of texts of a figure that overlap; rotated texts are skipped, as their boxes are larger than the letters."""


def executable() -> str:
    """Path of Chromium; skips the test if it is not installed."""
    pytest.importorskip("playwright", reason="playwright is not installed: pip install playwright")
    found = os.environ.get("EIGENCODE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine: install the package chromium, or set EIGENCODE_CHROMIUM")
    return found


@dataclass
class Opened:
    """A page in the browser, with the addresses it `requests` and its console `messages`."""

    page: Any
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def clipped(self) -> list[str]:
        """Texts that extend beyond their figure."""
        return list(self.page.evaluate(CLIPPED))

    def overlapping(self) -> list[str]:
        """Pairs of texts of a figure that overlap."""
        return list(self.page.evaluate(OVERLAPPING))

    def picture(self, name: str) -> Path:
        """Save a screenshot of the whole page, for people; on a busy machine Chromium cannot always take one."""
        from playwright.sync_api import Error

        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        path = ARTEFACTS / f"{name}.png"
        for _ in range(2):
            with suppress(Error):
                self.page.screenshot(path=path, full_page=True)
                break
        return path


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser."""
    where = executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        arguments = ["--no-sandbox", "--disable-gpu"]
        with play.chromium.launch(executable_path=where, args=arguments) as browser:
            yield browser


@contextmanager
def opened(browser: Any, path: Path, width: int = 1600, theme: str = "light", **context: Any) -> Iterator[Opened]:
    """A page from disk in a window of this width."""
    window = {"width": width, "height": 1000}
    with browser.new_context(viewport=window, color_scheme=theme, **context) as made:
        made.set_default_timeout(TIMEOUT)
        seen = Opened(made.new_page())
        seen.page.on("request", lambda r: seen.requests.append(r.url) if _outside(r.url, path) else None)
        seen.page.on("console", lambda m: seen.messages.append(f"{m.type}: {m.text}"))
        seen.page.on("pageerror", lambda e: seen.messages.append(f"error: {e}"))
        seen.page.goto(path.as_uri())
        seen.page.wait_for_selector("html.ready")
        yield seen


def _outside(address: str, path: Path) -> bool:
    """True unless the address is the page itself or a file that the page generated for download."""
    return address != path.as_uri() and not address.startswith(("blob:null/", "data:"))
