"""Kill a training with SIGKILL at seeded random steps, resume it, and compare the bytes; run as a script.

    python killed_training.py FOLDER KIND [KIND ...]

One process imports everything; every training runs in a fork of it, so that a restart takes milliseconds.  Prints
one line of JSON per kind: the kills, whether a checkpoint existed at each, and whether the bytes are those of an
uninterrupted run.
"""

import json
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from eigencode.base.types import Images
from eigencode.models import LocalConv2d, LocalDense, RePU, Stack, krotov_hopfield, perceptron
from eigencode.penalties import Spectral
from eigencode.rules import KrotovHopfield, Rows
from eigencode.training import Callback, Progress, train_local, train_supervised

STEPS, EPOCHS, BATCH = 8, 9, 25
TRAIN = Images(torch.rand(200, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 4)
VALIDATION = TRAIN[150:]


class KillSwitch:
    """Counts down and, at zero, sends SIGKILL to its own process."""

    left = -1

    @classmethod
    def count_down(cls) -> None:
        cls.left -= 1
        if cls.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class KillableRule(KrotovHopfield):
    """The Krotov–Hopfield rule, which counts each step and may kill the process at it."""

    def rows(self, x: torch.Tensor, weight: torch.Tensor, derived: torch.Tensor | None = None) -> Rows:
        KillSwitch.count_down()
        return super().rows(x, weight, derived)


class Steps(Callback):
    def on_step(self, progress: Progress) -> None:
        KillSwitch.count_down()


def local(checkpoint: Path | None) -> Stack:
    net = krotov_hopfield(TRAIN, units=12, p=2.5, seed=1)
    rule = KillableRule(p=2.5, k=3)
    train_local(net, TRAIN, rule, EPOCHS, 0.05, BATCH, seed=3, checkpoint=checkpoint, checkpoint_every=1)
    return net


def supervised(checkpoint: Path | None, **settings: Any) -> Stack:
    net = perceptron(TRAIN, units=12, batch_norm=True, seed=1)
    common = {"epochs": EPOCHS, "lr": 1e-2, "batch_size": BATCH, "seed": 3, "callbacks": [Steps()]}
    train_supervised(net, TRAIN, checkpoint=checkpoint, checkpoint_every=1, **(common | settings))
    return net


def best(checkpoint: Path | None) -> Stack:
    return supervised(checkpoint, validation=VALIDATION, keep="best", clip_norm=1.0)


def spectral(checkpoint: Path | None) -> Stack:
    penalties = [(0.5, Spectral(alpha=1.0, place="latent", refresh=11))]  # the basis is kept for longer than an epoch
    return supervised(checkpoint, penalties=penalties, optimizer="sgd")


def greedy(checkpoint: Path | None) -> Stack:
    """Two layers, trained one after the other; most kills come during the second."""
    g = torch.Generator().manual_seed(2)
    rule = KillableRule(p=2.0, k=2, spread=0.5)
    net = Stack(
        {
            "conv": LocalConv2d(rule.init(4, 9, g), rule, 3),
            "relu": RePU(1.0),
            "dense": LocalDense(rule.init(6, 64, g), rule),
        }
    )
    train_local(net, TRAIN, rule, EPOCHS // 2, 0.05, BATCH, seed=3, checkpoint=checkpoint, checkpoint_every=1)
    return net


KINDS: dict[str, Callable[[Path | None], Stack]] = {
    "local": local,
    "best": best,
    "spectral": spectral,
    "greedy": greedy,
}


def keep(net: Stack, path: Path) -> None:
    save_file(net.state_dict(), str(path))


def in_a_fork(action: Callable[[], None], dies_after: int = -1) -> bool:
    """Run an action in a forked child process; True if the child was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            KillSwitch.left = dies_after
            action()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    if os.WEXITSTATUS(status) != 0:
        raise RuntimeError(f"the training failed: {status}")
    return False


def while_renaming(action: Callable[[], None], after: bool) -> Callable[[], None]:
    """The same action, killed just before or just after the second checkpoint is renamed to its final name."""

    def run() -> None:
        replace, calls = Path.replace, [0]

        def deadly(self: Path, target: Path) -> Path:
            calls[0] += 1
            if calls[0] == 2 and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            moved = replace(self, target)
            if calls[0] == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return moved

        Path.replace = deadly  # type: ignore[method-assign, assignment]
        action()

    return run


def report(folder: Path, kind: str) -> None:
    folder.mkdir()
    train, draw = KINDS[kind], random.Random(f"{kind} 5")
    checkpoint, whole, parts = (folder / name for name in ("checkpoint", "whole", "parts"))

    def resumed() -> None:
        keep(train(checkpoint), parts)

    in_a_fork(lambda: keep(train(None), whole))
    in_a_fork(lambda: keep(train(folder / "other"), folder / "checked"))  # writing checkpoints changes nothing
    deaths = []
    for dies_after in [draw.randint(2, 2 * STEPS) for _ in range(5)]:
        killed = in_a_fork(resumed, dies_after)
        deaths.append({"after": dies_after, "killed": killed, "checkpoint": checkpoint.is_file()})
    torn = [in_a_fork(while_renaming(resumed, after)) for after in (False, True)]
    in_a_fork(resumed)
    result = {
        "deaths": deaths,
        "torn": torn,
        "same": parts.read_bytes() == whole.read_bytes() == (folder / "checked").read_bytes(),
        "again": not in_a_fork(resumed) and parts.read_bytes() == whole.read_bytes(),
    }
    sys.stdout.write(json.dumps({kind: result}) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    weight = torch.zeros(1, requires_grad=True)
    torch.optim.Adam([weight]).step()  # imports modules once for all forks; no backward pass, after which none may fork
    for kind in sys.argv[2:]:
        report(Path(sys.argv[1]) / kind, kind)
