"""Steps for tests: fast ones, and ones that fail in every way a step can."""

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from eigencode.base.errors import InputError
from eigencode.study.step import Inputs, Step


@dataclass(frozen=True)
class Write(Step):
    """Writes its text, after the texts of its inputs."""

    text: str
    needs: tuple[Step, ...] = ()
    where: str = ""
    name: ClassVar[str] = "write"
    label_only: ClassVar[tuple[str, ...]] = ("where",)

    def run(self, folder: Path, inputs: Inputs) -> None:
        before = [(inputs.folder(s) / "out.txt").read_text() for s in self.needs]
        (folder / "out.txt").write_text("".join([*before, self.text]))


@dataclass(frozen=True)
class GoWrong(Write):
    """Writes part of its result and a checkpoint, then fails in the way that `how` names."""

    how: str = "defect"
    name: ClassVar[str] = "wrong"

    def run(self, folder: Path, inputs: Inputs) -> None:
        (folder / "half.txt").write_text("half")
        (inputs.scratch / "checkpoint").write_text("kept")
        if self.how == "defect":
            raise ZeroDivisionError("a defect of this step")
        if self.how == "input":
            raise InputError("this input is wrong", got=3, wanted=4)
        if self.how == "interrupt":
            raise KeyboardInterrupt
        if self.how == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.how == "full in rust":
            raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
        if self.how == "file not found":
            (folder / "nothing.txt").read_text()
        os._exit(3)


@dataclass(frozen=True)
class DiesOnce(Write):
    """Its process dies the first time."""

    name: ClassVar[str] = "dies_once"

    def run(self, folder: Path, inputs: Inputs) -> None:
        if not (inputs.scratch / "died").exists():
            (inputs.scratch / "died").touch()
            os._exit(3)
        super().run(folder, inputs)


@dataclass(frozen=True)
class Sleeps(Write):
    """Takes two seconds."""

    name: ClassVar[str] = "sleeps"

    def run(self, folder: Path, inputs: Inputs) -> None:
        time.sleep(2)
        super().run(folder, inputs)


@dataclass(frozen=True)
class Subnormal(Write):
    """Writes twice the smallest subnormal number of float32, and half the smallest normal one."""

    name: ClassVar[str] = "subnormal"

    def run(self, folder: Path, inputs: Inputs) -> None:
        (folder / "out.txt").write_text(repr((torch.tensor([1e-45, 1.2e-38]) * torch.tensor([2, 0.5])).tolist()))


@dataclass(frozen=True)
class Logged(Write):
    """Takes a moment; notes in the folder `log` of the store who starts and who finishes it."""

    name: ClassVar[str] = "logged"

    def run(self, folder: Path, inputs: Inputs) -> None:
        log = inputs.scratch.parents[1] / "log" / self.text
        log.parent.mkdir(exist_ok=True)
        _note(log, "start")
        time.sleep(0.2)
        super().run(folder, inputs)
        _note(log, "end")


def _note(log: Path, what: str) -> None:
    with log.open("a") as file:
        file.write(f"{what} {os.getpid()}\n")
