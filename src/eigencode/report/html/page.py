"""One HTML file with the table, the figures and where everything comes from; opens offline from disk."""

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from eigencode.base.text import printable
from eigencode.report.run import StudyRun
from eigencode.report.table import grid, judged


def page(run: StudyRun, figures: dict[str, list[tuple[str, str, Path]]]) -> str:
    """The page as text; `figures` maps a data set to (name, caption, SVG file)."""
    environment = Environment(
        loader=PackageLoader("eigencode.report", "html"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["plain"] = printable
    shown = {
        data: [(name, caption, base64.b64encode(path.read_bytes()).decode()) for name, caption, path in listed]
        for data, listed in figures.items()
    }
    tables = {data: grid(run, data) for data in run.datasets}
    template = environment.get_template("page.html.j2")
    return template.render(run=run, results=run.results, tables=tables, figures=shown, judged=judged)
