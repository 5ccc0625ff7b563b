"""Care of a store: check every result, say what takes how much room, and find what nothing needs."""

import json
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigencode.base import strict_json
from eigencode.base.durable import replacing
from eigencode.base.errors import InputError
from eigencode.study._integrity import META, DamagedError, damage, described, intact, is_sealed, sealed
from eigencode.study.store import Store

AGE_S = 2 * 86400.0
"""Scratch files, claims and results that were touched within this time may belong to a run that goes on."""


@dataclass(frozen=True)
class Waste:
    """A file or folder of the store that nothing needs."""

    path: Path
    why: str

    @property
    def bytes(self) -> int:
        """Size of all files in it."""
        return size(self.path)


def existing(root: Path) -> Store:
    """The store in a folder.

    Raises:
        InputError: there is none.
    """
    if not (root / "steps").is_dir():
        raise InputError("no store here", got=root, wanted="a folder with results in steps/", fix="--store FOLDER")
    return Store(root)


def verify(store: Store, seal: bool = False) -> dict[str, Any]:
    """Check every result: the number of `steps`, `damaged` ones with what is wrong, and those `without_checksums`.

    Args:
        seal: add checksums to those without, of the files as they are.
    """
    steps = _steps(store)
    wrong = {s.name: why for s in steps if (why := damage(s))}
    older = [s for s in steps if s.name not in wrong and not is_sealed(described(s) or {})]
    for folder in older if seal else ():
        with replacing(folder / META) as part:
            whole = sealed(folder, folder.name, described(folder) or {}, without=part.name)
            part.write_text(strict_json.dumps(whole) + "\n", encoding="utf-8")
    return {"steps": len(steps), "damaged": wrong, "without_checksums": [] if seal else [s.name for s in older]}


def unsealed(store: Store, keys: Iterable[str]) -> str:
    """A note on the results of an older version among these; "" if there are none."""
    found = [described(store.root / "steps" / k) for k in dict.fromkeys(keys) if not damage(store.root / "steps" / k)]
    older = sum(meta is not None and not is_sealed(meta) for meta in found)
    return (
        f"note: {older} results of an older version have no checksums, so damage in them is not noticed; "
        f"eigencode store verify --seal --store {store.root} adds them"
        if older
        else ""
    )


def sizes(store: Store) -> dict[str, dict[str, int]]:
    """Steps and bytes of every study with a report, of which `alone` no other study uses, and of everything else."""
    room = {s.name: size(s) for s in _steps(store)}
    used = studies(store)
    found = {}
    for name, keys in used.items():
        others = set().union(*(k for n, k in used.items() if n != name))
        here = [k for k in keys if k in room]
        alone = sum(room[k] for k in here if k not in others)
        found[name] = {"steps": len(here), "bytes": sum(room[k] for k in here), "alone": alone}
    rest = [k for k in room if not any(k in keys for keys in used.values())]
    found["(no study)"] = {"steps": len(rest), "bytes": sum(room[k] for k in rest)}
    beside = {f"({name})": size(store.root / name) for name in ("damaged", "scratch", "reports")}
    found |= {name: {"steps": 0, "bytes": taken} for name, taken in beside.items()}
    return {**found, "(all)": {"steps": len(room), "bytes": sum((*room.values(), *beside.values()))}}


def studies(store: Store) -> dict[str, set[str]]:
    """Keys of all steps behind the report of every study, by its name.

    Raises:
        DamagedError: a report that cannot be read.
    """
    found = {}
    for path in sorted(store.root.glob("reports/*/results.json")):
        try:
            results = json.loads(path.read_bytes())
            keys = {k for c in results["cells"] for k in (c["key"], *c["network"])}
        except (ValueError, KeyError, TypeError):
            results, keys = {"sha256": ""}, set()
        if not intact(results):
            raise DamagedError(f"{path} is damaged\n  fix:    eigencode run writes it anew")
        found[path.parent.name] = _with_inputs(store, keys)
    return found


def waste(store: Store) -> list[Waste]:
    """What can be deleted: damaged results, scratch files of runs that ended long ago, results that no report uses.

    Results are listed only if no run goes on, and no report may need a damaged one, whose inputs are not known.
    """
    broken = [Waste(s, f"damaged: {why}") for s in _steps(store) if (why := damage(s))]
    aside = [Waste(p, "set aside: damaged or outdated") for p in _inside(store.root / "damaged")]
    working = {p for p in _inside(store.root / "scratch") if time.time() - _touched(store, p) < AGE_S}
    left = [p for p in (*_inside(store.root / "scratch"), *store.root.glob("reports/**/*.part")) if p not in working]
    old = [p for p in left if time.time() - _touched(store, p) > AGE_S]
    unused = [] if broken or working else list(_unused(store))
    return [*broken, *aside, *(Waste(p, f"left by a run that ended {_days(store, p)} days ago") for p in old), *unused]


def remove(store: Store, found: Iterable[Waste]) -> None:
    """Delete these; a result first leaves `steps/`, so that nobody sees half of it."""
    for entry in found:
        path = store.set_aside(entry.path) if entry.path.parent == store.root / "steps" else entry.path
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def size(path: Path) -> int:
    """Bytes of a file or of all files in a folder; 0 if there is none."""
    return sum(p.stat().st_size for p in (path, *path.rglob("*")) if p.is_file())


def _unused(store: Store) -> Iterator[Waste]:
    used = set().union(*studies(store).values())
    for folder in _steps(store):
        if folder.name not in used and time.time() - (folder / META).stat().st_mtime > AGE_S:
            yield Waste(folder, "no report in reports/ uses it")


def _with_inputs(store: Store, keys: set[str]) -> set[str]:
    """The keys with those of all inputs, as far as results say them."""
    found: set[str] = set()
    while keys:
        found |= keys
        here = [store.root / "steps" / k for k in keys]
        keys = {k for f in here if not damage(f) for k in (described(f) or {}).get("inputs", ())} - found
    return found


def _steps(store: Store) -> list[Path]:
    return [p for p in _inside(store.root / "steps") if p.is_dir()]


def _inside(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []


def _touched(store: Store, path: Path) -> float:
    """When something in a scratch folder, or the claim on its step, was last changed."""
    here = (path, *path.rglob("*"), *store.root.glob(f"claims/{path.name}.*"))
    return max((p.stat().st_mtime for p in here if p.exists()), default=0.0)


def _days(store: Store, path: Path) -> int:
    return int((time.time() - _touched(store, path)) // 86400)
