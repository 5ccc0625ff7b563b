"""`python -m tools.faults [--out published/faults.json] [--share 0.1]`: break runs in every way, and see what is left.

Every row injects one kind of fault into runs of a small real study (`tools.fault_bench`) at seeded random moments,
looks at the store right afterwards, and compares the final results with those of an undisturbed run:

    SIGKILL            before an access to the disk (anywhere, while a step is published, while the report is written),
                       inside a write, after a random time
    full disk          from one access on, the system refuses every further byte or every further file
    SIGINT, SIGTERM    before an access to the disk
    flipped bit        in a file of every kind
    several at once    two to four runs on one store; also with one of them killed

Counted are finished steps that were lost or computed again, results that differ, tracebacks, wrong exit codes, and
files that are left over.
"""

import argparse
import os
import re
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.fault_bench import WRONG, Arm, Bench, Row, bench, broken, finished, strike_at

LONGEST_CHAIN = 15
"""Faults in runs on one store before it is run to its end."""


@dataclass(frozen=True)
class Fault:
    """A fault that strikes at an access to the disk, the exit codes it may lead to, and what must be printed.

    `arm(bench, store, access)` is called before the fork, what it returns inside; None: SIGKILL after a random time.
    """

    arm: Callable[[Bench, Path, int], Arm] | None
    codes: tuple[int, ...]
    words: str = ""

    def inject(self, bench: Bench, row: Row, trials: int, where: str) -> None:
        """Strike runs on one store again and again until it is finished, then compare it; so for all trials."""
        while row.trials < trials:
            store = bench.fresh(where == "report")
            for _ in range(min(LONGEST_CHAIN, trials - row.trials)):
                known = finished(store)
                access = bench.moment(where, len(known))
                if self.arm is None:
                    ended = bench.run(store, dies_after=bench.draw.uniform(0, 0.4) * bench.seconds)
                else:
                    ended = bench.run(store, self.arm(bench, store, access))
                if ended.code == 0:
                    break
                row.trials += 1
                row.note("wrong exit codes", ended.code not in self.codes, ended)
                silent = re.search(self.words, ended.printed) is None
                row.note("tracebacks", "Traceback" in ended.printed or silent, ended.printed)
                bench.look(row, store, known)
            known = finished(store)
            bench.succeeded(row, bench.run(store), len(bench.keys) - len(known))
            bench.look(row, store, known)
            bench.compare(row, store)


def killed(bench: Bench, store: Path, access: int) -> Arm:
    """SIGKILL before this access to the disk."""
    return lambda: strike_at(store, access, lambda *_: os.kill(os.getpid(), signal.SIGKILL))


def torn(bench: Bench, store: Path, access: int) -> Arm:
    """Killed by the system inside the first longer write after this access, which is cut short."""
    size = bench.draw.choice((0, 1, 10, 100))

    def strike(*_: object) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        _limit(size)

    return lambda: strike_at(store, access, strike)


def no_byte(bench: Bench, store: Path, access: int) -> Arm:
    """From this access on the system refuses every byte beyond the first few of a file."""
    size = bench.draw.choice((0, 1, 10, 100, 1000))
    return lambda: strike_at(store, access, lambda *_: _limit(size))


def no_file(bench: Bench, store: Path, access: int) -> Arm:
    """From this access on every new file or folder is refused, as by a disk without room for another name."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        flags = arguments[2] if event == "open" and isinstance(arguments[2], int) else 0
        if event == "os.mkdir" or flags & os.O_CREAT:
            raise OSError(28, os.strerror(28), str(arguments[0]))

    return lambda: strike_at(store, access, refuse, always=True)


def told_to_end(number: int) -> Callable[[Bench, Path, int], Arm]:
    """This signal before this access to the disk."""
    return lambda bench, store, access: lambda: strike_at(store, access, lambda *_: os.kill(os.getpid(), number))


def _limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def flip(bench: Bench, row: Row, trials: int) -> None:
    """Flip one bit of one file of this kind, and run again."""
    while row.trials < trials:
        row.trials += 1
        store = bench.fresh()
        shutil.copytree(bench.reference, store)
        path = bench.draw.choice(sorted(p for p in store.rglob("*") if p.is_file() and kind(store, p) == row.where))
        content = bytearray(path.read_bytes())
        place = bench.draw.randrange(8 * len(content))
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        top, step = path.relative_to(store).parts[:2]
        others = {k: v for k, v in finished(store).items() if top != "steps" or k != step}
        bench.succeeded(row, bench.run(store), len(bench.keys) - len(others))
        aside = top != "steps" or any((store / "damaged").glob(f"{step}*"))
        row.note("lost", not aside, f"the damaged {step} is not kept")
        bench.look(row, store, others)
        bench.compare(row, store)


def kind(store: Path, path: Path) -> str:
    """The kind of a file of the store."""
    inside = path.relative_to(store)
    return inside.name if inside.parts[0] == "steps" else f"report, *{inside.suffix}"


def at_once(bench: Bench, row: Row, trials: int, runs: int, dies: bool = False, ready: bool = False) -> None:
    """Start several runs at the same time; `dies`: the first is killed; `ready`: only the report is left to write."""
    while row.trials < trials:
        row.trials += 1
        store, arms = bench.fresh(ready), [_nothing] * runs
        if dies:
            arms[0] = killed(bench, store, bench.moment("anywhere", 0))
        ended = [bench.end(one) for one in [bench.start(store, arm) for arm in arms]]
        living = [e for e in ended if e.code != -signal.SIGKILL]
        row.note("wrong exit codes", sum(e.code != 0 for e in (living if dies else ended)), ended)
        row.note("tracebacks", sum("Traceback" in e.printed for e in ended), ended)
        done, steps = sum(e.done for e in living), 0 if ready else len(bench.keys)
        row.note("computed again", done > steps or (done < steps and len(living) == runs), [e.done for e in ended])
        row.note("different results", len(broken(store)), broken(store))
        if dies:  # the next run deletes what it left
            bench.succeeded(row, bench.run(store), 0)
        bench.compare(row, store)


def _nothing() -> None:
    """Arm no fault."""


KILLED = (-signal.SIGKILL,)
FULL = r"(?s)(error|failed): .*(No space left|File too large)"
KEPT = "every finished step is kept"

Trials = Callable[[Bench, Row, int], None]


def table(bench: Bench) -> Iterator[tuple[Row, int, Trials]]:
    """Every row with the number of its trials, and what fills it."""

    def struck(fault: str, about: str, trials: int, where: str, by: Fault) -> tuple[Row, int, Trials]:
        return Row(fault, about), trials, lambda bench, row, n: by.inject(bench, row, n, where)

    def together(about: str, trials: int, **how: Any) -> tuple[Row, int, Trials]:
        return Row("several at once", about), trials, lambda bench, row, n: at_once(bench, row, n, **how)

    kill, no_bytes, no_files = Fault(killed, KILLED), Fault(no_byte, (1,), FULL), Fault(no_file, (1,), FULL)
    yield struck("SIGKILL", "before an access to the disk", 40, "anywhere", kill)
    yield struck("SIGKILL", "while a step is published", 30, "publication", kill)
    yield struck("SIGKILL", "while the report is written", 30, "report", kill)
    yield struck("SIGKILL", "inside a write", 20, "anywhere", Fault(torn, (*KILLED, -signal.SIGXFSZ)))
    yield struck("SIGKILL", "after a random time", 20, "anywhere", Fault(None, KILLED))
    yield struck("full disk", "no further byte, during steps", 30, "anywhere", no_bytes)
    yield struck("full disk", "no further byte, during the report", 10, "report", no_bytes)
    yield struck("full disk", "no further file, during steps", 20, "anywhere", no_files)
    yield struck("full disk", "no further file, during the report", 10, "report", no_files)
    yield struck("SIGINT", "before an access to the disk", 15, "anywhere", Fault(told_to_end(2), (130,), KEPT))
    yield struck("SIGTERM", "before an access to the disk", 15, "anywhere", Fault(told_to_end(15), (143,), KEPT))
    for name in sorted({kind(bench.reference, p) for p in bench.reference.rglob("*") if p.is_file()}):
        yield Row("flipped bit", name), 3, flip
    for runs in (2, 3, 4):
        yield together(f"{runs} runs", 4, runs=runs)
    yield together("3 runs, one of them killed", 6, runs=3, dies=True)
    yield together("4 runs that only write the report", 4, runs=4, ready=True)


def injected(seed: int, share: float = 1.0, only: str = "") -> dict[str, Any]:
    """Fill and print the rows that match `only`, with this share of their trials."""
    began, rows = time.monotonic(), []
    print(f"{'fault':<16} {'':<38} {'trials':>6}  {'  '.join(WRONG)}")
    with bench(seed) as made:
        for row, trials, fill in table(made):
            if re.search(only, f"{row.fault}: {row.where}"):
                fill(made, row, max(1, round(share * trials)))
                rows.append(row.as_json())
                counts = "  ".join(f"{row.wrong[name]:>{len(name)}}" for name in WRONG)
                print(f"{row.fault:<16} {row.where:<38} {row.trials:>6}  {counts}", flush=True)
        steps = len(made.keys)
    return {"seed": seed, "steps": steps, "rows": rows, "seconds": round(time.monotonic() - began)}


def main() -> None:
    from eigencode.base.strict_json import dumps
    from eigencode.study._provenance import provenance

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the trials of every row")
    parser.add_argument("--only", default="", help="only rows that match this expression")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    found = injected(chosen.seed, chosen.share, chosen.only)
    if chosen.out:
        chosen.out.write_text(dumps({**found, "provenance": provenance()}) + "\n", "utf-8")
    if any(row[name] for row in found["rows"] for name in WRONG):
        raise SystemExit("something was lost, different or left over: see above")


if __name__ == "__main__":
    main()
