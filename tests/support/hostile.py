"""Names that break careless output: markup, scripts, escape sequences, text direction, formulae, paths, length."""

import json
from typing import Any

from eigencode.base.strict_json import dumps
from eigencode.report import StudyRun
from eigencode.study._integrity import signed

NAMES = {
    "script": "<script>alert(1)</script>",
    "attribute": "\" onmouseover='alert(1)' x=\"",
    "template": "{{ 7 * 7 }}{% raw %}",
    "markup": "[bold red]loud[/bold red] [/]",
    "link": "[link=http://evil.example]here[/link]",
    "escape": "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "lines": "first\nsecond\rthird\u2028fourth",
    "right to left": "\u202eevil\u2066 שלום",
    "formula": r"$\frac{1}{",
    "dollars": "$5 and $6 \\$7",
    "hidden": "_legend",
    "path": "../../../etc/passwd",
    "null": "a\x00b",
    "entity": "&lt;b&gt;&amp;",
    "kanji": "日本語 👩‍🔬",
    "surrogate": "\\ud800",
    "long": "long" * 2500,
    "empty": "",
}


def edit(run: StudyRun, **changes: Any) -> None:
    path = run.folder / "results.json"
    path.write_text(dumps(signed({**json.loads(path.read_text("utf-8")), **changes})), encoding="utf-8")
    for name in ("results", "numbers"):
        vars(run).pop(name, None)


def renamed(run: StudyRun, *names: str) -> None:
    """Call three models, two quantities and the data set by these names, and quote them in title and warnings."""
    found = json.loads((run.folder / "results.json").read_text("utf-8"))
    places = ("KH", "Init", "BP", "α images", "critical size, FGSM", "digits")
    new = {old: f"{name}{i // len(names) or ''}" for i, (old, name) in enumerate(zip(places, 6 * names, strict=False))}

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {new.get(k, k): walk(v) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v) for v in value]
        return new.get(value, value) if isinstance(value, str) else value

    found = walk(found)
    found["study"]["title"] = " ".join(["A study of", *names])
    for entry in found["summary"]:
        entry["warnings"] = [f"{names[0]}: {w}" for w in entry["warnings"]]
    edit(run, **found)
