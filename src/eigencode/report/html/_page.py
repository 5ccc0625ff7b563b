"""Single HTML file with verdicts, tables, interactive figures and provenance; works offline."""

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.colors import to_hex

from eigencode.base import strict_json
from eigencode.base.progress import clock
from eigencode.base.text import printable
from eigencode.report.figures._style import MODELS
from eigencode.report.figures.landscapes import CLASSES
from eigencode.report.html import _embedded as embedded, _headline as headline
from eigencode.report.html.parts import PARTS
from eigencode.report.html.shown import DATA_ITSELF, Shown, short_names
from eigencode.report.run import StudyRun

MARK = '<meta name="generator" content="eigencode">'
"""Identifies a page written by this package."""


def page(runs: Sequence[StudyRun], beside: Sequence[tuple[str, str]] = ()) -> str:
    """Render the page as text.

    Args:
        runs: one study, or several to compare.
        beside: (file name, caption) of static figures in the folder `figures` next to the page.
    """
    shown = Shown(runs)
    environment = Environment(
        loader=PackageLoader("eigencode.report", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": printable, "clock": clock, "told": _settings_text}
    plotly, script = embedded.plotly(), embedded.script()
    return environment.get_template("page.html.j2").render(
        mark=MARK,
        title=_title(shown),
        several=len(runs) > 1,
        tables=headline.tables(shown),
        claims=headline.claims(shown),
        conventions=headline.conventions(shown),
        warnings=headline.warnings(shown),
        origins=headline.origins(shown),
        beside=beside,
        policy=embedded.policy(plotly, script),
        plotly=plotly,
        script=script,
        style=embedded.style(),
        content=embedded.data(content(shown)),
    )


def content(shown: Shown) -> dict[str, Any]:
    """Data of the interactive figures, with all names escaped and shortened."""
    return {
        "runs": [{"label": label} for label in short_names(shown.labels)],
        "data": short_names(shown.data),
        "models": short_names(shown.models),
        "itself": shown.models.index(DATA_ITSELF) if DATA_ITSELF in shown.models else -1,
        "quantities": short_names(shown.quantities),
        "palette": MODELS,
        "classes": [to_hex(CLASSES(i)) for i in range(CLASSES.N)],
        **{name: part(shown) for name, part in PARTS.items()},
    }


def _title(shown: Shown) -> str:
    if len(shown.runs) > 1:
        return f"{len(shown.runs)} runs compared"
    study = shown.runs[0].results["study"]
    return str(study.get("title") or study["name"])


def _settings_text(value: object) -> str:
    """Settings of a study as JSON text with short lines."""
    return printable(strict_json.dumps(value), 300, lines=True)
