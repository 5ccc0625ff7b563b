"""Script, style and results embedded in a page: no network access, and data cannot run as code."""

import base64
import hashlib
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from eigencode.base import strict_json
from eigencode.base.errors import EigencodeError
from eigencode.report.view import MODELS, PALETTE

CODES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def data(content: Any) -> Markup:
    r"""Serialise to strict JSON that is safe inside an HTML element.

    >>> print(data({"name": "</script>"}))
    {"name":"\u003c/script\u003e"}
    """
    return Markup(strict_json.dumps(content, compact=True).translate(CODES))


def script() -> Markup:
    """The script of the page: the files of `browser/` in one function scope."""
    parts = [_read(f"{name}.js") for name in ("fit", "figure", "frames", "page")]
    return _embeddable('(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n")


def style() -> Markup:
    """The style sheet of the page, with the colours of the models on a dark screen: those of print, lightened."""
    rules = []
    for i, colour in enumerate(MODELS):
        base, share = PALETTE[i % len(PALETTE)], 0.2 if i < len(PALETTE) else 0.65
        light = "#" + "".join(f"{round(v + share * (255 - v)):02x}" for v in bytes.fromhex(base[1:]))
        rules += [f'svg [{k}="{colour.lower()}"] {{ {k}: light-dark({colour}, {light}); }}' for k in ("fill", "stroke")]
    return _embeddable(_read("page.css") + "\n".join(rules) + "\n")


def policy(script: Markup, style: Markup) -> str:
    """Content security policy that allows only this script and this style, and no network access.

    Maps are images within the figures, and a figure is saved as PNG through an image: `data:` and `blob:`.
    """
    rules = (
        "default-src 'none'",
        f"script-src {_digest(script)}",
        f"style-src {_digest(style)}",
        "img-src data: blob:",
    )
    return "; ".join((*rules, "base-uri 'none'", "form-action 'none'"))


def _digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (files("eigencode.report.html") / "browser" / name).read_text(encoding="utf-8")


def _embeddable(source: str) -> Markup:
    """Check that a source is safe inside <script> or <style>."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    if any(word in source.lower() for word in ("</script", "</style", "<!--")):
        raise EigencodeError("this script cannot be put into a page: it would end its own element")
    return Markup(source)
