"""A callback that hands the numbers of a training to any logger."""

from collections.abc import Callable, Mapping

from torch import nn

from eigencode.base.border import Admitted
from eigencode.base.errors import InputError
from eigencode.training.callbacks import Callback, Progress


class Log(Admitted, Callback):
    """Hand losses, learning rate and validation accuracy to a logger: `Log(wandb.log)`, `Log(mlflow.log_metrics)`.

    The logger is called as `log(numbers, step=step)`, with a dictionary of floats by name.  For TensorBoard it is

        def log(numbers, step):
            for name, value in numbers.items():
                writer.add_scalar(name, value, step)

    Args:
        log: the function; an error of it ends the training.
        every: log losses and learning rate at every so many training steps, >= 1.
        measure: more numbers at the end of every epoch, from the network that learns; every measurement of this
            package leaves its weights, modes and random state as they are.

    Raises:
        InputError: something that is no function, or `every` is below 1.

    >>> import eigencode as ec
    >>> train, test = ec.load("digits")
    >>> net, seen = ec.models.perceptron(train, units=20), {}
    >>> def alpha(net):
    ...     return {"α": ec.spectrum(ec.at(net, "latent"), test.x, interval=False).power_law((2, 10)).alpha}
    >>> log = Log(lambda numbers, step: seen.setdefault(step, {}).update(numbers), every=5, measure=alpha)
    >>> _ = ec.train_supervised(net, train, epochs=2, batch_size=200, callbacks=[log])
    >>> {step: list(numbers) for step, numbers in seen.items()}
    {5: ['cross-entropy', 'lr'], 8: ['α'], 10: ['cross-entropy', 'lr'], 15: ['cross-entropy', 'lr'], 16: ['α']}
    """

    def __init__(
        self,
        log: Callable[..., object],
        every: int = 1,
        measure: Callable[[nn.Module], Mapping[str, float]] | None = None,
    ) -> None:
        if every < 1:
            raise InputError("nothing would be logged", got=f"every={every}", wanted="at least 1")
        self.log, self.every, self.measure = log, every, measure

    def on_step(self, progress: Progress) -> None:
        if progress.step % self.every == 0:
            self.log({**progress.losses, "lr": progress.lr}, step=progress.step)

    def on_epoch(self, progress: Progress) -> None:
        numbers = {} if self.measure is None else {k: float(v) for k, v in self.measure(progress.net).items()}
        if progress.validation_accuracy == progress.validation_accuracy:
            numbers["validation accuracy"] = progress.validation_accuracy
        if numbers:
            self.log(numbers, step=progress.step)
