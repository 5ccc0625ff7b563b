"""Scripts, style and results embedded in a page: no network access, and data cannot run as code."""

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
"""Files of the folder `browser`, in the order of their dependencies."""

CODES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def data(content: Any) -> Markup:
    r"""Serialise to strict JSON that is safe inside an HTML element.

    >>> print(data({"name": "</script>"}))
    {"name":"\u003c/script\u003e"}
    """
    return Markup(strict_json.dumps(content, compact=True).translate(CODES))


def script() -> Markup:
    """The script of the page: the files of `browser/` in one function scope."""
    parts = [_read(f"{name}.js") for name in SCRIPTS]
    return _embeddable('(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n")


def style() -> Markup:
    """The style sheet of the page."""
    return _embeddable(_read("page.css"))


def plotly() -> Markup:
    """The plotly.js of the Python package plotly."""
    from plotly.offline import get_plotlyjs

    return _embeddable(str(get_plotlyjs()))


def policy(*scripts: Markup) -> str:
    """Content security policy that allows only these scripts and no network access.

    Plotly needs inline styles, and images from `data:` and `blob:`.
    """
    hashes = " ".join(f"'sha256-{_digest(s)}'" for s in scripts)
    rules = ("default-src 'none'", f"script-src {hashes}", "style-src 'unsafe-inline'", "img-src data: blob:")
    return "; ".join((*rules, "base-uri 'none'", "form-action 'none'"))


def _digest(script_text: str) -> str:
    return base64.b64encode(hashlib.sha256(script_text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (files("eigencode.report.html") / "browser" / name).read_text(encoding="utf-8")


def _embeddable(source: str) -> Markup:
    """Check that a source is safe inside <script> or <style>."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    if any(word in source.lower() for word in ("</script", "</style", "<!--")):
        raise EigencodeError("this script cannot be put into a page: it would end its own element")
    return Markup(source)
