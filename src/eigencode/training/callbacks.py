"""Callbacks of the training loops, and one that writes TensorBoard logs."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Progress:
    """State of the training, passed to every callback.

    Attributes:
        net: the network, in the mode in which it is trained; `ec.spectrum(ec.at(net, ...), ...)` and every other
            measurement use evaluation mode and restore this one.
        epoch: the epoch that runs (in `on_epoch`: that has ended), from 0, all local layers together.
        step: training steps done, all local layers together.
        lr: learning rate, or step size of a local rule.
        losses: the loss terms of the last step by name; empty in local training.
        validation_accuracy: accuracy on the validation set at the end of the epoch; NaN if there is none.
        layer: name of the local layer that learns; "" in supervised training.
    """

    net: nn.Module
    epoch: int
    step: int
    lr: float
    losses: dict[str, float]
    validation_accuracy: float = float("nan")
    layer: str = ""


class Callback:
    """Base class of callbacks; override either method.  Returning True from `on_epoch` stops the training.

    A callback may change the weights that learn.  Changes of other parts of the network may not be seen, since the
    outputs of layers that do not learn are kept.
    """

    def on_step(self, progress: Progress) -> None:
        """Called after every training step."""

    def on_epoch(self, progress: Progress) -> bool | None:
        """Called after every epoch, and its validation if there is one."""
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
