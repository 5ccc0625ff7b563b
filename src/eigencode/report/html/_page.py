"""Single HTML file with the result, figures, tables and provenance; works offline."""

import re
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from eigencode.base import strict_json
from eigencode.base.progress import clock
from eigencode.base.text import printable
from eigencode.report.html import _embedded as embedded, _headline as headline
from eigencode.report.html._drawing import Drawing
from eigencode.report.view import INK, MODELS, View
from eigencode.study._measurements import DATA_ITSELF

MARK = '<meta name="generator" content="eigencode">'
"""Identifies a page written by this package."""

LONGEST = 60
"""Longest name of a model or run in the script, in characters."""


def page(view: View, drawings: Sequence[Drawing]) -> str:
    """Render the page as text."""
    environment = Environment(
        loader=PackageLoader("eigencode.report", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": printable, "clock": clock, "told": _settings_text}
    script, style = embedded.script(), embedded.style()
    return environment.get_template("page.html.j2").render(
        mark=MARK,
        title=_title(view),
        several=len(view.runs) > 1,
        said=headline.sentences(view),
        models=headline.models(view),
        chips=_chips(view),
        runs=view.labels,
        data=view.data,
        drawings=drawings,
        contents=list({d.short: d for d in reversed(drawings)}.values())[::-1],
        tables=headline.tables(view),
        claims=headline.claims(view),
        conventions=headline.conventions(view),
        warnings=headline.warnings(view),
        origins=headline.origins(view),
        policy=embedded.policy(script, style),
        script=script,
        style=style,
        content=embedded.data(content(view, drawings)),
    )


def content(view: View, drawings: Sequence[Drawing]) -> dict[str, Any]:
    """Data of the script, with all names escaped and shortened."""
    return {
        **{key: [printable(n, LONGEST) for n in getattr(view, key)] for key in ("models", "data")},
        "runs": [printable(n, LONGEST) for n in view.labels],
        "file": _file(view),
        "figures": {d.name: _printable({"data": d.data, **d.content}) for d in drawings},
    }


def _printable(value: Any) -> Any:
    """The same with all texts that are not numbers escaped and shortened."""
    if isinstance(value, dict):
        return {k: v if k == "packed" else _printable(v) for k, v in value.items()}
    if isinstance(value, list):
        return value if value and not isinstance(value[0], dict | str | list) else [_printable(v) for v in value]
    return printable(value, 2 * LONGEST) if isinstance(value, str) else value


def _chips(view: View) -> list[tuple[str, str]]:
    """Name and colour of every model."""
    return [
        (n, INK if n == DATA_ITSELF and n == view.models[-1] else MODELS[i % len(MODELS)].lower())
        for i, n in enumerate(view.models)
    ]


def _file(view: View) -> str:
    """Start of the names of saved figures: that of the study, in letters that every system has."""
    name = "comparison" if len(view.runs) > 1 else view.labels[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:60].strip("._-") or "figure"


def _title(view: View) -> str:
    if len(view.runs) > 1:
        return f"{len(view.runs)} runs compared"
    study = view.runs[0].results["study"]
    return str(study.get("title") or study["name"])


def _settings_text(value: object) -> str:
    """Settings of a study as JSON text with short lines."""
    return printable(strict_json.dumps(value), 300, lines=True)
