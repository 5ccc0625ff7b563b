"""Damage to files, drawn from a seed, and the reading of thousands of damaged files in processes that may die."""

import contextlib
import faulthandler
import json
import os
import random
import re
import resource
import signal
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eigencode.base.errors import EigencodeError

LONGEST_S = 10.0
MOST_BYTES = 1 << 30
PATIENCE_S = 20.0
"""Then a process is taken to hang."""

AT_ONCE = 200
"""Files read by one process."""


def _same(content: bytes) -> bytes:
    return content


@dataclass(frozen=True)
class Kind:
    """A kind of file: valid ones by name, their reader, and which of them is damaged.

    `opened` and `closed` undo and redo what would let every damage fail at a checksum or in compressed data.
    """

    files: dict[str, bytes]
    read: Callable[[Path], object]
    damaged: tuple[str, ...]
    opened: Callable[[bytes], bytes] = _same
    closed: Callable[[bytes], bytes] = _same


@dataclass(frozen=True)
class Outcome:
    """What came of a damaged file: "read", "refused", or a traceback, a hang or a crash in words."""

    kind: str
    seed: int
    said: str
    seconds: float = 0.0
    peak: int = 0
    error: str = ""

    @property
    def wrong(self) -> bool:
        """Neither read nor refused in words, or with too much time or memory."""
        if self.said == "refused" and not self.error.strip():
            return True
        return self.said not in ("read", "refused") or self.seconds > LONGEST_S or self.peak > MOST_BYTES


NUMBERS = (0, 1, 2, -1, -2, 127, 128, 255, 2**15, 2**16 - 1, 2**24, 2**31 - 1, -(2**31), 2**32 - 1, 2**40, 2**62)
WORDS = (b"0", b"-1", b"1e400", b"NaN", b"4294967296", b"99999999999", b"9" * 5000, b"null", b"[]", b'"x"', b"1.5")


def mutated(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """One to three damages."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        content = draw.choice(DAMAGES)(content, draw, others)
    return content


def _bits(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8, 64)) if found else 0):
        found[_place(found, draw)] ^= 1 << draw.randrange(8)
    return bytes(found)


def _run(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    at, n = _place(content, draw), draw.choice((1, 4, 16, 256))
    filling = draw.choice((b"\x00" * n, b"\xff" * n, draw.randbytes(n)))
    return content[:at] + filling + content[at + n :]


def _truncated(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    return content[: draw.choice((0, 1, _place(content, draw), _place(content, draw), max(0, len(content) - 1)))]


def _extended(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    return content + draw.choice((b"\x00" * 5000, draw.randbytes(100), content, draw.choice(others)))


def _spliced(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    other = draw.choice((*others, content))
    a, b = sorted((_place(other, draw), _place(other, draw)))
    at = _place(content, draw)
    return content[:at] + other[a : min(b, a + 4096)] + content[at + draw.choice((0, b - a)) :]


def _cut_out(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    at = _place(content, draw)
    return content[:at] + content[at + draw.choice((1, 2, 8, 100)) :]


def _number(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    n, order = draw.choice((1, 2, 4, 4, 8)), draw.choice(("little", "big"))
    at = _place(content, draw) // n * n
    value = draw.choice(NUMBERS) % 256**n
    return content[:at] + value.to_bytes(n, order) + content[at + n :]


def _digits(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    runs = list(re.finditer(rb"-?\d+(\.\d+)?", content[:20_000]))
    if not runs:
        return _number(content, draw, others)
    run = draw.choice(runs)
    word = draw.choice(WORDS) if draw.random() < 0.7 else str(draw.choice(NUMBERS)).encode()
    if draw.random() < 0.4:  # of the same length, as binary formats need it
        word = (word * len(run[0]))[: len(run[0])] if draw.random() < 0.5 else b"9" * len(run[0])
    return content[: run.start()] + word + content[run.end() :]


def _word(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    runs = list(re.finditer(rb"[A-Za-z_]{3,}", content[:20_000]))
    if not runs:
        return _bits(content, draw, others)
    run, other = draw.choice(runs), draw.choice(runs)
    return content[: run.start()] + draw.choice((other[0], b"", b"\xff\xfe", b"x" * 3000)) + content[run.end() :]


def _nested(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    at, n = _place(content, draw), draw.choice((60, 3000, 100_000))
    return content[:at] + draw.choice((b"[" * n, b"[" * n + b"]" * n, b'{"a":' * n, b"a." * n)) + content[at:]


def _another(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    return draw.choice(others)


OFTEN = (_bits, _run, _number, _digits)
DAMAGES = (*OFTEN, *OFTEN, _number, _truncated, _extended, _spliced, _cut_out, _word, _nested, _another)


def _place(content: Sequence[int], draw: random.Random) -> int:
    """A position, in the first bytes as often as anywhere."""
    end = len(content) if draw.random() < 0.5 else min(len(content), draw.choice((16, 64, 512)))
    return draw.randrange(end) if end else 0


def damaged(name: str, kinds: dict[str, Kind], seed: int, folder: Path) -> None:
    """Write the files of a kind, one of them damaged; none with the seed −1."""
    kind, draw = kinds[name], random.Random(f"{name} {seed}")
    others = [content for other in kinds.values() for content in list(other.files.values())[:2]]
    spoiled = draw.choice(kind.damaged) if seed >= 0 else None
    for file, content in kind.files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if file == spoiled:
            inside = draw.random() < 0.6
            content = mutated(kind.opened(content) if inside else content, draw, others)
            content = kind.closed(content) if inside else content
        path.write_bytes(content)


def outcome(name: str, kinds: dict[str, Kind], seed: int, folder: Path) -> Outcome:
    """Damage a file, and read it in this process."""
    damaged(name, kinds, seed, folder)
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory counts from here
    before, began, said, refused = _peak(), time.monotonic(), "read", ""
    try:
        kinds[name].read(folder)
    except EigencodeError as error:
        said, refused = "refused", str(error)
    except BaseException:
        said = traceback.format_exc()
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return Outcome(name, seed, said, time.monotonic() - began, max(_peak(), children) - before, refused)


def _peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def told(found: Sequence[Outcome]) -> str:
    """Counts, the worst time and the highest peak, and every outcome that is wrong, with what repeats it."""
    counts = Counter("wrong" if one.wrong else one.said for one in found)
    slowest, largest = max(found, key=lambda one: one.seconds), max(found, key=lambda one: one.peak)
    lines = [
        f"{len(found)} files: {dict(counts)}; {slowest.seconds:.2f} s for {slowest.kind!r} {slowest.seed}, "
        f"{largest.peak / 2**20:.0f} MiB for {largest.kind!r} {largest.seed}"
    ]
    lines += [
        f"{one.kind!r} {one.seed}: {one.seconds:.1f} s, {one.peak >> 20} MiB, {one.said[-1500:]}"
        for one in found
        if one.wrong
    ]
    return "\n".join(lines)


def outcomes(cases: Sequence[tuple[str, int]], kinds: dict[str, Kind], home: Path) -> list[Outcome]:
    """Read many damaged files, in processes of which a crash or a hang costs one file alone."""
    found: list[Outcome] = []
    while len(found) < len(cases):
        left = cases[len(found) : len(found) + AT_ONCE]
        mine, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            _work(left, kinds, home, theirs)
        os.closerange(theirs, theirs + 1)
        with os.fdopen(mine) as lines:
            found += [Outcome(**json.loads(line)) for line in lines]
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code:
            hung = code == -signal.SIGALRM
            found.append(Outcome(*cases[len(found)], "a hang" if hung else f"a crash: exit code {code}"))
    return found


def _work(cases: Sequence[tuple[str, int]], kinds: dict[str, Kind], home: Path, pipe: int) -> None:
    code = 1
    try:
        warnings.simplefilter("ignore")
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        resource.setrlimit(resource.RLIMIT_AS, (16 * MOST_BYTES, resource.RLIM_INFINITY))
        with os.fdopen(pipe, "w") as lines:
            for number, (name, seed) in enumerate(cases):
                folder = home / f"{os.getpid()}-{number}"
                folder.mkdir()
                signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
                one = outcome(name, kinds, seed, folder)
                signal.setitimer(signal.ITIMER_REAL, 0)
                with contextlib.suppress(OSError):
                    for path in sorted(folder.rglob("*"), reverse=True):
                        path.rmdir() if path.is_dir() else path.unlink()
                    folder.rmdir()
                lines.write(json.dumps(vars(one)) + "\n")
                lines.flush()
        code = 0
    finally:
        os._exit(code)
