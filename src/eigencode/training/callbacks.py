"""Callbacks of the supervised training loop, and one that writes TensorBoard logs."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Progress:
    """State of the training, passed to every callback.  `losses` holds the loss terms of the last step by name."""

    net: nn.Module
    epoch: int
    step: int
    lr: float
    losses: dict[str, float]
    validation_accuracy: float = float("nan")


class Callback:
    """Base class of callbacks; override either method.  Returning True from `on_epoch` stops the training."""

    def on_step(self, progress: Progress) -> None:
        """Called after every optimiser step."""

    def on_epoch(self, progress: Progress) -> bool | None:
        """Called after every epoch and its validation."""
        return None


class TensorBoard(Callback):
    """Write losses, learning rate and validation accuracy for TensorBoard (needs the package `tensorboard`)."""

    def __init__(self, folder: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(folder)  # type: ignore[no-untyped-call]

    def on_step(self, progress: Progress) -> None:
        for name, value in {**progress.losses, "lr": progress.lr}.items():
            self.writer.add_scalar(name, value, progress.step)  # type: ignore[no-untyped-call]

    def on_epoch(self, progress: Progress) -> bool | None:
        if progress.validation_accuracy == progress.validation_accuracy:
            self.writer.add_scalar("validation accuracy", progress.validation_accuracy, progress.step)  # type: ignore[no-untyped-call]
        return None
