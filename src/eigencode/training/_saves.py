"""Schedule of checkpoint files: one that is overwritten every few epochs, and snapshots after given epochs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.training._checks import require
from eigencode.training._state import Checkpoint

State = tuple[dict[str, Tensor], dict[str, Any]]


class Saves:
    """Checkpoint and snapshot files of one training run, and the epoch after which it ends.

    Args:
        what: name of the training, for error messages.
        identity: hash of the run's settings, see `_state.fingerprint`.
        epochs: planned epochs, all layers together.
        checkpoint: continued from if it exists; written every `every` epochs and at the end.
        snapshots: files to write, by number of finished epochs; 0: before training.
        stop: end after this many epochs; None: after `epochs`.

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
        """Load the state in the checkpoint; None if there is none yet.

        Raises:
            InputError: the checkpoint belongs to another run, or is later than `stop` or than a missing snapshot.
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
        """Files to write after `epoch` finished epochs; `ended`: the training ends here."""
        found = [self.snapshots[epoch]] if epoch in self.snapshots else []
        if self.checkpoint is not None and epoch > 0 and (epoch % self.every == 0 or epoch == self.last or ended):
            found.append(self.checkpoint)
        return found
