"""The documentation as a site: Markdown read by MyST, docstrings by autodoc, shown with system fonts.  `make docs`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from eigencode import __version__  # noqa: E402
from tools import site  # noqa: E402

project = "eigencode"
release = version = __version__
copyright = "the eigencode developers"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["README.md"]
myst_heading_anchors = 3
default_role = "code"
highlight_language = "none"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_attr_annotations = False

html_theme = "furo"
html_title = f"eigencode {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
smartquotes = False


def setup(app: object) -> None:
    """Write the generated pages, and read docstrings as text rather than as markup."""
    site.write(HERE)

    def plain(app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
        lines[:] = site.escaped(lines)

    app.connect("autodoc-process-docstring", plain, priority=400)  # type: ignore[attr-defined]
