"""The end of a run: read the numbers of finished steps, judge them, and write them with where they come from."""

from dataclasses import asdict
from pathlib import Path

from eigencode.study._claims import verdicts
from eigencode.study._deviations import effects
from eigencode.study._order import ordered
from eigencode.study._provenance import combined, mixed, provenance
from eigencode.study.config import Study
from eigencode.study.plan import Cell
from eigencode.study.relations._related import related
from eigencode.study.results import rows, write
from eigencode.study.store import Store


def conclude(study: Study, cells: list[Cell], store: Store) -> Path:
    """Write `results.json` of everything that is finished; returns its folder.

    Versions, machine and commit are those of the processes that computed the steps; `reader` is this process.
    """
    folder, found = store.root / "reports" / study.name, rows(study, cells, store)
    metas = [store.meta(s) for s in ordered([c.step for c in cells]) if store.has(s)]
    made = [p for meta in metas for p in (*meta.get("resumed_from", ()), meta["provenance"])]
    relations = related(study, found)
    more = {
        "relations": [r.kept() for r in relations],
        "claims": [asdict(v) for v in verdicts(study, found, relations)],
        "deviations": [asdict(e) for e in effects(study, found)],
        "mixed": mixed(made),
        "provenance": combined(made),
        "reader": provenance(),
        "seconds": float(sum(meta["seconds"] for meta in metas)),
    }
    write(folder, study, cells, found, more)
    return folder
