"""The content of results.json: read, with numbers where JSON has none, and checked for what is shown of it."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigencode.base.errors import InputError
from eigencode.base.reading import reading
from eigencode.base.strict_json import number
from eigencode.study._integrity import DamagedError, intact

if TYPE_CHECKING:
    import pandas

EFFECT = (
    *(f"{kind}{end}" for kind in ("published", "corrected") for end in ("", "_low", "_high")),
    *("difference", "low", "high"),
)
"""Numbers of the effect of a departure, see `study.deviations.Effect`."""

KEY = re.compile(r"[\w.-]{1,200}")
"""A key of a step, which is also the name of its folder."""

NAMES = ("data", "model", "quantity")

MOMENT = ("epoch", "step")
"""When a snapshot was measured; None for finished networks."""

Entries = Iterable[dict[str, Any]]


def finished(entries: Entries) -> list[dict[str, Any]]:
    """The rows, summaries or cells of finished networks, without those of snapshots of their training.

    >>> finished([{"model": "A", "epoch": None}, {"model": "A", "epoch": 0.5}, {"model": "of an older version"}])
    [{'model': 'A', 'epoch': None}, {'model': 'of an older version'}]
    """
    return [entry for entry in entries if entry.get("epoch") is None]


def frame(found: dict[str, Any]) -> "pandas.DataFrame":
    """The summary of results as a `pandas.DataFrame`: a row per data set, model, quantity and moment of training."""
    import pandas

    columns = ("data", "model", "quantity", "mean", "low", "high", "seeds", "convention", *MOMENT)
    joined = {name: [" ".join(entry[name]) for entry in found["summary"]] for name in ("warnings", "notes")}
    return pandas.DataFrame(found["summary"], columns=list(columns)).assign(**joined)


def results(path: Path) -> dict[str, Any]:
    """Read results.json, with floats for null and "Infinity".

    Raises:
        DamagedError: not what was written.
        InputError: of another version.
    """
    again = "eigencode run writes it anew"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and not intact(found):
            raise ValueError("it differs from what was written")
    except (ValueError, RecursionError) as error:
        said = f"this results.json cannot be read: {error}\n  got:    {path}\n  fix:    {again}"
        raise DamagedError(said) from None
    with reading("this results.json cannot be read", wanted=f"results in {path}", fix=again, error=InputError):
        found.pop("sha256", None)
        _check(found["study"], models=dict | list, seeds=list)
        _check(found, headline=list)
        for entry in (e for name in ("cells", "rows", "summary") for e in found[name]):
            entry |= {k: entry.get(k) for k in MOMENT}
            _check(entry, epoch=int | float | None, step=int | None)
        for cell in found["cells"]:
            _check(cell, **dict.fromkeys((*NAMES, "kind", "part"), str), read=dict)
            if not all(KEY.fullmatch(key) for key in (cell["key"], *cell["network"])):
                raise ValueError(f"no key of a step among {[cell['key'], *cell['network']]}")
        for row in found["rows"]:
            row |= {k: number(row[k]) for k in ("value", "low", "high")}
            _check(row, **dict.fromkeys((*NAMES, "convention"), str), seed=int, warnings=list)
        for entry in found["summary"]:
            entry |= {k: number(entry[k]) for k in ("mean", "spread")} | _newer(entry, "low", "high")
            _check(entry, **dict.fromkeys((*NAMES, "convention"), str), seeds=int, warnings=list)
        for claim in found.setdefault("claims", []):
            claim |= {k: number(claim[k]) for k in ("value", "low", "high")} | _newer(claim, "p", "p_holm")
        for relation in found.get("relations", []):
            for effect in relation["effects"]:
                effect |= {k: number(effect[k]) for k in ("value", "low", "high", "p", "df")}
            for point in relation["points"]:
                point |= {"predicted": number(point["predicted"])}
        for effect in found.setdefault("deviations", []):
            effect |= {k: number(effect[k]) for k in EFFECT}
    return found


def _check(entry: dict[str, Any], **kinds: Any) -> None:
    """Raise `TypeError` for a value of another type, and for lists of warnings that are not text."""
    for name, kind in kinds.items():
        texts = entry[name] if name in ("warnings", "headline") else ()
        if not isinstance(entry[name], kind) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"{name} is {entry[name]!r:.60}")


def _newer(entry: dict[str, Any], *keys: str) -> dict[str, float]:
    """Numbers that results of an older version do not have; NaN there."""
    return {k: number(entry.get(k)) for k in keys}
