"""Schedule of checkpoint files: one that is overwritten every few epochs, and snapshots at given moments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.training._checks import require
from eigencode.training._state import Checkpoint
from eigencode.training.moments import in_steps

State = tuple[dict[str, Tensor], dict[str, Any]]


class Saves:
    """Checkpoint and snapshot files of one training run, and the step after which it ends.

    Args:
        what: name of the training, for error messages.
        identity: hash of the run's settings, see `_state.fingerprint`.
        epochs: planned epochs, all layers together.
        per_epoch: steps of an epoch.
        checkpoint: continued from if it exists; written every `every` epochs and at the end.
        snapshots: files to write, by number of finished epochs, which may be fractions; 0: before training.
        stop: end after this many epochs; None: after `epochs`.

    A snapshot is a checkpoint that is not overwritten: a copy of it, passed as `checkpoint`, continues from there.
    """

    def __init__(
        self,
        what: str,
        identity: str,
        epochs: int,
        per_epoch: int,
        *,
        checkpoint: Path | str | None,
        every: int,
        snapshots: Mapping[float, Path | str] | None,
        stop: float | None,
    ) -> None:
        last = epochs if stop is None else stop
        asked = sorted(snapshots or {})
        require(
            what,
            (every >= 1, "checkpoint_every", every, ">= 1"),
            (0 <= last <= epochs, "stop", stop, f"None, or 0 to {epochs} epochs"),
            (all(0 <= n <= last for n in asked), "snapshots", asked, f"numbers of epochs, 0 to {last}"),
        )
        files = [Path(path).resolve() for path in (*(snapshots or {}).values(), *([checkpoint] if checkpoint else []))]
        if again := sorted({file.name for file in files if files.count(file) > 1}):
            raise InputError(
                f"{what}: one file for several states", got=", ".join(again), wanted="a file of its own for each"
            )
        self.last = in_steps(last, per_epoch)
        self.checkpoint = None if checkpoint is None else Checkpoint(Path(checkpoint), identity)
        self.snapshots = [
            (in_steps(n, per_epoch), Checkpoint(Path(path), identity)) for n, path in (snapshots or {}).items()
        ]
        self.every, self.per_epoch = every * per_epoch, per_epoch

    def load(self) -> State | None:
        """Load the state in the checkpoint; None if there is none yet.

        Raises:
            InputError: the checkpoint belongs to another run or version, or is later than `stop` or than a missing
                snapshot.
        """
        state = None if self.checkpoint is None else self.checkpoint.load()
        if self.checkpoint is None or state is None:
            return None
        if "step" not in state[1]:
            raise InputError(
                f"the checkpoint {self.checkpoint.path.name} cannot be continued",
                got="a checkpoint of local training by eigencode 0.1",
                wanted="one of this version, which counts training steps",
                fix=f"use another path, or delete {self.checkpoint.path} to start again",
            )
        step = int(state[1]["step"])
        missed = [n for n, snapshot in self.snapshots if n < step and not snapshot.path.is_file()]
        if step > self.last or missed:
            raise InputError(
                f"the checkpoint {self.checkpoint.path.name} has gone too far",
                got=f"{step / self.per_epoch:g} epochs",
                wanted=f"at most {min([self.last, *missed]) / self.per_epoch:g}, to "
                + (f"write the snapshot of epoch {min(missed) / self.per_epoch:g}" if missed else "stop there"),
                fix=f"continue from an earlier snapshot, or delete {self.checkpoint.path} to start again",
            )
        return state

    def due(self, step: int, ended: bool = False) -> list[Checkpoint]:
        """Files to write after `step` finished steps; `ended`: the training ends here."""
        found = [snapshot for n, snapshot in self.snapshots if n == step]
        if self.checkpoint is not None and (step == self.last or ended or (step > 0 and step % self.every == 0)):
            found.append(self.checkpoint)
        return found
