"""A figure as the page holds it: the SVG for print inside the page, and its numbers for the script."""

import io
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG

from eigencode.base.text import printable
from eigencode.report.figures._style import quiet
from eigencode.report.figures.plot import Plot

SCALE = 1.85
"""Pixels of a page per point of print, on a wide screen."""

DROPPED = ("metadata", "style", "title")
NUMBER = re.compile(r"-?\d+\.\d{2,}")
SPACES = re.compile(r"\s*\n?\s*([A-Z])\s*")
POINTING = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True)
class Drawing:
    """One figure of a page; `data` is the index of its data set, `short` the caption of its kind."""

    name: str
    data: int
    caption: str
    short: str
    note: str
    svg: Markup
    content: dict[str, Any]

    @classmethod
    def of(cls, plot: Plot, name: str, data: int, caption: str, note: str, svg: str | None = None) -> "Drawing":
        """The figure `plot`; `svg` is its file, if it is written already and shows everything."""
        whole = f"{caption}: {printable(plot.caption)}" if plot.caption else caption
        panels = ", ".join(dict.fromkeys(t for a in plot.panels if (t := a.get_title().replace("$", ""))))
        alt = f"{whole}. Panels: {panels}. Its numbers are in the CSV below."
        with quiet():
            svg = svg if svg and not plot.hidden else _svg(plot)
            hidden = {str(artist.get_gid()) for artist in plot.hidden}
            return cls(name, data, whole, caption, note, inlined(svg, f"{name}-", alt, hidden), plot.content())


def _svg(plot: Plot) -> str:
    out = io.StringIO()
    plot.show(True)
    FigureCanvasSVG(plot.figure).print_svg(out, metadata={"Date": None, "Creator": None})
    return out.getvalue()


def inlined(svg: str, prefix: str, alt: str, hidden: Collection[str] = ()) -> Markup:
    """An SVG file as an element of a page: own identities, attributes instead of styles, a tenth of a point.

    Without styles the page needs no permission for them; its style sheet can change colours for a dark screen.
    Elements with the identities `hidden` are not displayed until the script says so.
    """
    root = ElementTree.fromstring(svg)
    kept = {m for e in root.iter() for m in _pointed(e)}
    for parent in root.iter():
        for child in [c for c in parent if _local(c.tag) in DROPPED]:
            parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        off = {"display": "none"} if element.get("id") in hidden else {}
        element.attrib = {k: v for k, v in _attributes(element, prefix, kept).items() if v is not None} | off
    wide, high = (float(v) for v in root.attrib["viewBox"].split()[2:])
    size = {"viewBox": root.attrib["viewBox"], "width": f"{wide * SCALE:.0f}", "height": f"{high * SCALE:.0f}"}
    root.attrib = {"role": "img", "aria-label": alt, **size}
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=False))


def _attributes(element: ElementTree.Element, prefix: str, kept: set[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name, value in element.attrib.items():
        match _local(name):
            case "id":
                found["id"] = (
                    prefix + value if value in kept or value.startswith(("mark-", "panel-", "key-", "entry-")) else None
                )
            case "href":
                found["href"] = f"#{prefix}{value[1:]}" if value.startswith("#") else value
            case "d" | "points" | "x" | "y" | "transform" | "width" | "height":
                short = NUMBER.sub(_finely if value.startswith("matrix") else _coarsely, value)
                found[_local(name)] = SPACES.sub(r"\1", short).strip() if name == "d" else short
            case "style":
                found |= dict(_plain(value, prefix))
            case short:
                found[short] = POINTING.sub(rf"url(#{prefix}\1)", value)
    return found


def _coarsely(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _finely(number: re.Match[str]) -> str:
    """A coefficient of a matrix is multiplied by the pixels of a picture."""
    return f"{float(number[0]):.4f}"


def _plain(style: str, prefix: str) -> list[tuple[str, str | None]]:
    """Declarations of a style as attributes; of a font its size, as its family is the page's."""
    pairs = [(k.strip(), v.strip()) for k, _, v in (d.partition(":") for d in style.split(";")) if v]
    sizes = [("font-size", m[0]) for k, v in pairs if k == "font" and (m := re.search(r"[\d.]+px", v))]
    pairs = [(k, POINTING.sub(rf"url(#{prefix}\1)", v)) for k, v in pairs if k != "font"]
    return [*sizes, *((k, v.removesuffix("px")) for k, v in pairs if (k, v) not in (("stroke-linejoin", "miter"),))]


def _pointed(element: ElementTree.Element) -> list[str]:
    """Identities to which an element points."""
    links = [v[1:] for k, v in element.attrib.items() if _local(k) == "href" and v.startswith("#")]
    return links + [m for v in element.attrib.values() for m in POINTING.findall(v)]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
