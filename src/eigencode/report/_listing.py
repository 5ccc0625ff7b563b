"""The finished steps of a study, and a note on results without checksums."""

import sys
from collections.abc import Iterable

from eigencode.study._order import ordered
from eigencode.study._upkeep import unsealed
from eigencode.study.plan import Cell
from eigencode.study.store import Store


def finished(cells: list[Cell], store: Store) -> dict[str, dict[str, float]]:
    """Count finished and all steps of a study, and computing time, by kind and under "all"."""
    found: dict[str, dict[str, float]] = {}
    total = {"finished": 0, "steps": 0, "seconds": 0.0}
    for step in ordered([c.step for c in cells]):
        seconds = float(store.meta(step)["seconds"]) if store.has(step) else None
        for entry in (found.setdefault(step.name, {"finished": 0, "steps": 0, "seconds": 0.0}), total):
            entry["steps"] += 1
            entry["finished"] += seconds is not None
            entry["seconds"] += seconds or 0.0
    return {**found, "all": total}


def say_unsealed(store: Store, keys: Iterable[str]) -> None:
    """Say on standard error, once, that some of these results have no checksums, and what to do."""
    if note := unsealed(store, keys):
        sys.stderr.write(f"{note}\n")
