"""When the state of a training is written: a checkpoint every few epochs, snapshots after given ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.training._checks import require
from eigencode.training._state import Checkpoint

State = tuple[dict[str, Tensor], dict[str, Any]]


class Saves:
    """The files of one run: where it continues, what it writes, and after how many epochs it ends.

    Args:
        identity: of the run, see `state.fingerprint`.
        epochs: planned, all layers together.
        checkpoint: continued from if it exists; written every `every` epochs and at the end.
        snapshots: files to write by number of finished epochs, 0 = before training.

    A snapshot is a checkpoint that is not overwritten: a copy of it, passed as `checkpoint`, continues from there.
    """

    def __init__(
        self,
        what: str,
        identity: str,
        epochs: int,
        *,
        checkpoint: Path | str | None,
        every: int,
        snapshots: Mapping[int, Path | str] | None,
        stop: int | None,
    ) -> None:
        self.last = epochs if stop is None else stop
        asked = sorted(snapshots or {})
        require(
            what,
            (every >= 1, "checkpoint_every", every, ">= 1"),
            (0 <= self.last <= epochs, "stop", stop, f"None, or 0 to {epochs} epochs"),
            (all(0 <= n <= self.last for n in asked), "snapshots", asked, f"numbers of epochs, 0 to {self.last}"),
        )
        self.checkpoint = None if checkpoint is None else Checkpoint(Path(checkpoint), identity)
        self.snapshots = {n: Checkpoint(Path(path), identity) for n, path in (snapshots or {}).items()}
        self.every = every

    def load(self) -> State | None:
        """The state in the checkpoint, or None if there is none yet.

        Raises:
            InputError: a checkpoint of another run, beyond `stop`, or beyond a snapshot that was never written.
        """
        state = None if self.checkpoint is None else self.checkpoint.load()
        if self.checkpoint is None or state is None:
            return None
        epoch = int(state[1]["epoch"])
        missed = [n for n, snapshot in self.snapshots.items() if n < epoch and not snapshot.path.is_file()]
        if epoch > self.last or missed:
            raise InputError(
                f"the checkpoint {self.checkpoint.path.name} has gone too far",
                got=f"{epoch} epochs",
                wanted=f"at most {min([self.last, *missed])}, to "
                + (f"write the snapshot of epoch {min(missed)}" if missed else "stop there"),
                fix=f"continue from an earlier snapshot, or delete {self.checkpoint.path} to start again",
            )
        return state

    def due(self, epoch: int, ended: bool = False) -> list[Checkpoint]:
        """The files to write when so many epochs are finished; `ended` if the training ends here."""
        found = [self.snapshots[epoch]] if epoch in self.snapshots else []
        if self.checkpoint is not None and epoch > 0 and (epoch % self.every == 0 or epoch == self.last or ended):
            found.append(self.checkpoint)
        return found
