"""A bench for `tools.faults`: a small real study, runs of it in forks, and what a store says before and after.

One process imports everything; every run of the command line is a fork of it, so that it costs what it computes.
"""

import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

STUDY = """
name = "faults"
data = "digits"
train_images = 60
test_images = 20
data_spectrum = false
spectra = [{ window = [1, 4] }]

[models.KH]
recipe = "KH"
units = 12
local = { epochs = 2, batch_size = 20, snapshots = [1] }
supervised = { epochs = 1, batch_size = 20 }

[models.BP]
recipe = "BP"
units = 12
supervised = { epochs = 2, batch_size = 20, snapshots = [1] }
"""

TOUCHES = (
    *("open", "os.listdir", "os.scandir", "shutil.rmtree"),
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.utime", "os.chmod"),
)
"""Audit events of Python at which it accesses the disk."""

WRONG = ("lost", "computed again", "different results", "tracebacks", "wrong exit codes", "left over")

Arm = Callable[[], object]
Strike = Callable[[str, tuple[Any, ...]], object]


@dataclass
class Row:
    """Trials of one kind of fault: how many there were, and how often something was wrong, by kind."""

    fault: str
    where: str
    trials: int = 0
    wrong: Counter[str] = field(default_factory=Counter)

    def note(self, name: str, times: int, why: object = "") -> None:
        """Count something wrong, and say it at once."""
        assert name in WRONG
        self.wrong[name] += times
        if times:
            print(f"  {self.fault}, {self.where}: {name}: {why}", flush=True)

    def as_json(self) -> dict[str, Any]:
        """The row for the table and the file."""
        return {"fault": self.fault, "where": self.where, "trials": self.trials, **{k: self.wrong[k] for k in WRONG}}


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit code (negative: the signal) and everything it printed."""

    code: int
    printed: str

    @property
    def done(self) -> int:
        """Steps that it computed."""
        found = re.search(r"(\d+) steps done", self.printed)
        return int(found[1]) if found else 0


class Bench:
    """Runs of one study in forks of this process.

    Attributes:
        home: a folder for everything.
        draw: all randomness.
    """

    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.draw, self.count = home, random.Random(seed), 0
        self.study = home / "study.toml"
        self.study.write_text(STUDY, "utf-8")

    def start(self, store: Path, arm: Arm) -> tuple[int, int]:
        """Start a run; returns its process and the end of a pipe with what it prints."""
        reading, writing = os.pipe()
        child = os.fork()
        if child:
            os.close(writing)
            return child, reading
        code = 70
        try:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            sys.argv = ["eigencode", "run", str(self.study), "--store", str(store), "--quiet"]
            arm()
            code = _command()
        finally:
            os._exit(code)

    @staticmethod
    def end(started: tuple[int, int]) -> Ended:
        """Wait for a run."""
        child, reading = started
        with open(reading, "rb") as pipe:
            printed = pipe.read().decode("utf-8", "replace")
        return Ended(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), printed)

    def run(self, store: Path, arm: Arm = lambda: None, dies_after: float | None = None) -> Ended:
        """Run to the end, or to the fault, or to SIGKILL after some seconds."""
        started = self.start(store, arm)
        if dies_after is not None:
            time.sleep(dies_after)
            os.kill(started[0], signal.SIGKILL)
        return self.end(started)

    def fresh(self, ready: bool = False) -> Path:
        """A new store: empty, or with all steps finished and no report."""
        self.count += 1
        store = self.home / f"store-{self.count}"
        if ready:
            shutil.copytree(self.reference, store, ignore=shutil.ignore_patterns("reports"))
        return store

    @cached_property
    def reference(self) -> Path:
        """The store of an undisturbed run."""
        store, began = self.fresh(), time.monotonic()
        ended = self.run(store)
        assert ended.code == 0, ended.printed
        self.seconds = time.monotonic() - began
        return store

    @cached_property
    def wanted(self) -> dict[str, Any]:
        """The results of an undisturbed run."""
        return results(self.reference)

    @cached_property
    def keys(self) -> set[str]:
        """The keys of all steps."""
        return set(finished(self.reference))

    @cached_property
    def moments(self) -> dict[str, list[int]]:
        """Numbers of the accesses to the disk: of a run, of its publications, of one that only writes the report."""
        steps, report = self._accesses(self.fresh()), self._accesses(self.fresh(ready=True))
        return {
            "anywhere": list(range(1, len(steps) + 1)),
            "publication": [i for i, text in enumerate(steps, 1) if _publishes(text)],
            "report": [i for i, text in enumerate(report, 1) if "/reports" in text],
        }

    def _accesses(self, store: Path) -> list[str]:
        log = self.home / "accesses"
        ended = self.run(store, lambda: _log(store, log))
        assert ended.code == 0, ended.printed
        shutil.rmtree(store)
        return log.read_text("utf-8").splitlines()

    def moment(self, where: str, known: int) -> int:
        """An access to the disk at which the next fault strikes, among the next third of those that remain."""
        found = self.moments[where]
        left = len(found) if where == "report" else int(len(found) * (1 - known / len(self.keys)) / 3)
        return self.draw.choice(found[: max(left, 20)])

    def look(self, row: Row, store: Path, known: dict[str, str]) -> None:
        """Right after a fault: what was finished still is, unchanged, and everything in steps/ is whole."""
        now = finished(store)
        row.note("lost", len(known.keys() - now.keys()), known.keys() - now.keys())
        again = [k for k, v in known.items() if now.get(k, v) != v]
        row.note("computed again", len(again), again)
        row.note("different results", len(broken(store)), broken(store))

    @staticmethod
    def succeeded(row: Row, ended: Ended, steps: int) -> None:
        """A run without a fault computed this many steps."""
        row.note("wrong exit codes", ended.code != 0, ended)
        row.note("tracebacks", "Traceback" in ended.printed, ended.printed)
        row.note("computed again", ended.done != steps, ended.printed)

    def compare(self, row: Row, store: Path) -> None:
        """The final state of a store: the results of an undisturbed run, and no litter.  Deletes it."""
        found = results(store)
        row.note("different results", found != self.wanted, [k for k in found if found[k] != self.wanted[k]])
        row.note("left over", len(litter(store)), litter(store))
        shutil.rmtree(store)


def results(store: Path) -> dict[str, Any]:
    """What a finished store says, except when, where and how long."""
    report = store / "reports" / "faults"
    found = json.loads((report / "results.json").read_text("utf-8"))
    numbers = {k: found[k] for k in ("study", "headline", "cells", "rows", "summary", "claims", "deviations")}
    files = {str(p.relative_to(report)): p for p in report.rglob("*") if p.is_file()}
    figures = {name: p.read_bytes() for name, p in files.items() if name.startswith("figures")}
    whole = (report / "report.html").read_text("utf-8").rstrip().endswith("</html>")
    steps = {p.parent.name: json.loads(p.read_bytes())["content"] for p in store.glob("steps/*/step.json")}
    return {"numbers": numbers, "figures": figures, "files": sorted(files), "whole page": whole, "steps": steps}


def finished(store: Path) -> dict[str, str]:
    """The description of every finished step, by key."""
    return {p.parent.name: p.read_text("utf-8", "replace") for p in sorted(store.glob("steps/*/step.json"))}


def broken(store: Path) -> list[str]:
    """Folders in steps/ that are not whole."""
    from eigencode.study._integrity import damage

    return [p.name for p in store.glob("steps/*") if damage(p)]


def litter(store: Path) -> list[str]:
    """What a finished store should not have: files of running steps, half files, semaphores and shared memory."""
    inside = [p for name in ("scratch", "claims") for p in store.glob(f"{name}/*")]
    here = {str(p.relative_to(store)) for p in (*inside, *store.rglob("*.part"), *store.rglob("part-*"))}
    unknown = {p.name for p in store.iterdir()} - {"steps", "scratch", "claims", "reports", "damaged"}
    shared = {p.name for p in Path("/dev/shm").glob("*") if p.name.startswith(("sem.mp-", "psm_"))}
    return sorted(here | unknown | shared)


def strike_at(store: Path, access: int, strike: Strike, always: bool = False) -> None:
    """Call `strike` before this access to the store, and if `always` before every later one."""
    left, here = access, str(store)

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in TOUCHES and arguments and str(arguments[0]).startswith(here):
            left -= 1
            if left == 0 or (always and left < 0):
                strike(event, arguments)

    sys.addaudithook(count)


def _log(store: Path, path: Path) -> None:
    """Write every access to the store to a file, one per line."""
    handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        os.write(handle, f"{event} {' '.join(map(str, arguments[:2]))}\n".encode())

    strike_at(store, 1, note, always=True)


def _publishes(text: str) -> bool:
    """True for an access by which a result is completed, synced or moved, or a claim is taken or given back."""
    return "step.json" in text or "os.rename" in text or text.endswith("/steps") or "/claims/" in text


def _command() -> int:
    """The command line; returns its exit code."""
    from eigencode.cli import main

    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


@contextmanager
def bench(seed: int) -> Iterator[Bench]:
    """A bench in a temporary folder; this process imports everything, and computes nothing."""
    import torch

    import eigencode.cli
    from eigencode.report import build
    from eigencode.report.figures import FIGURES
    from eigencode.study import plan, read_study
    from eigencode.study._provenance import provenance

    torch.set_num_threads(1)
    whole = dict(FIGURES)
    with tempfile.TemporaryDirectory() as folder:
        found = Bench(Path(folder), seed)
        _ = [c.step.key for c in plan(read_study(found.study))], provenance(), build, eigencode.cli
        for name in set(FIGURES) - {"spectra"}:
            del FIGURES[name]  # one is enough, and drawing takes most of the time
        try:
            yield found
        finally:
            FIGURES.clear()
            FIGURES.update(whole)
