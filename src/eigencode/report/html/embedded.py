"""Scripts, style and results inside a page: nothing is fetched, nothing that is data can become code."""

import base64
import hashlib
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from eigencode.base import strict_json
from eigencode.base.errors import EigencodeError

SCRIPTS = (
    "text", "content", "fit", "state", "panels", "figure",
    "curves", "sizes", "tradeoff", "spectra", "windows", "widths", "landscapes", "fields", "training", "start",
)  # fmt: skip
"""Files of the folder `browser`, in the order they need each other."""

CODES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def data(content: Any) -> Markup:
    r"""Strict JSON that can stand in an HTML page: no character in it can end the element that holds it.

    >>> print(data({"name": "</script>"}))
    {"name":"\u003c/script\u003e"}
    """
    return Markup(strict_json.dumps(content, compact=True).translate(CODES))


def script() -> Markup:
    """The page's own script: the files of `browser/` in one function, so that their names stay theirs."""
    parts = [_read(f"{name}.js") for name in SCRIPTS]
    return _closed('(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n")


def style() -> Markup:
    """The page's own style."""
    return _closed(_read("page.css"))


def plotly() -> Markup:
    """plotly.js as the Python package ships it."""
    from plotly.offline import get_plotlyjs

    return _closed(str(get_plotlyjs()))


def policy(*scripts: Markup) -> str:
    """A content security policy: only these scripts run, and no address can be reached.

    Plotly writes styles, and draws pictures from `data:` and `blob:`.
    """
    hashes = " ".join(f"'sha256-{_digest(s)}'" for s in scripts)
    rules = ("default-src 'none'", f"script-src {hashes}", "style-src 'unsafe-inline'", "img-src data: blob:")
    return "; ".join((*rules, "base-uri 'none'", "form-action 'none'"))


def _digest(script_text: str) -> str:
    return base64.b64encode(hashlib.sha256(script_text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (files("eigencode.report.html") / "browser" / name).read_text(encoding="utf-8")


def _closed(source: str) -> Markup:
    """The source as it is, if it can stand inside <script> or <style>."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    if any(word in source.lower() for word in ("</script", "</style", "<!--")):
        raise EigencodeError("this script cannot be put into a page: it would end its own element")
    return Markup(source)
