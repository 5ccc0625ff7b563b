"""Supervised training by gradient of a whole network or of one part, e.g. the read-out of a fixed representation."""

import inspect
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError, TrainingError
from eigencode.base.precision import Precision, product_dtype
from eigencode.base.progress import progress
from eigencode.base.record import Record
from eigencode.base.seeding import stream
from eigencode.base.types import Images, Space
from eigencode.models.layers import UnitNorm
from eigencode.penalties.protocol import Weighted, active, needs_pixels, weighted
from eigencode.penalties.watch import watch
from eigencode.representation._blaming import blaming
from eigencode.representation._modes import evaluating
from eigencode.training._augment import Augmentation
from eigencode.training._checks import check_classes, check_logits, require
from eigencode.training._feed import Feed, feed, fixed_layers, starts
from eigencode.training._layer_inputs import settle_all, without_statistics
from eigencode.training._run import Run, module_digest
from eigencode.training._saves import Saves
from eigencode.training._scope import learners, learning, names_of
from eigencode.training._state import described, fingerprint
from eigencode.training.callbacks import Callback, Progress
from eigencode.training.schedule import Schedule

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


@dataclass(frozen=True)
class SupervisedTraining(Record):
    """Training curves of `train_supervised`, one value per epoch.

    `precision` is the one actually used for matrix products, `loss` the mean training loss with all penalties,
    `train_accuracy` the running accuracy on training batches, `validation_accuracy` NaN without a validation set.
    `best_epoch` is the epoch whose weights are kept if `keep` was "best".
    """

    parameters: str
    optimizer: str
    precision: str
    epochs: int
    steps: int
    batch_size: int
    seed: int
    seconds: float
    best_epoch: int
    loss: Float[Tensor, " epoch"]
    train_accuracy: Float[Tensor, " epoch"]
    validation_accuracy: Float[Tensor, " epoch"]
    lr: Float[Tensor, " epoch"]


def train_supervised(
    net: nn.Module,
    train: Images | Array,
    parameters: str = "all",
    epochs: int = 100,
    lr: float = 1e-3,
    penalties: Weighted = (),
    batch_size: int = 1000,
    seed: int = 0,
    *,
    schedule: Schedule = Schedule(),  # noqa: B008 - frozen
    optimizer: Literal["adam", "adamw", "sgd"] = "adam",
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    precision: Precision = "float32",
    adversarial: Augmentation | None = None,
    validation: Images | Array | None = None,
    patience: int | None = None,
    keep: Literal["last", "best"] = "last",
    callbacks: Iterable[Callback] = (),
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 10,
    snapshots: Mapping[float, Path | str] | None = None,
    stop: float | None = None,
) -> SupervisedTraining:
    """Train a network in place by gradient: minimise cross-entropy + Σ coefficient · penalty.

    Args:
        net: any module that maps `N C H W` pixels to logits.
        parameters: the parameters to train: "all" that require a gradient, or those of a submodule by dotted name.
            It runs in training mode, except layers whose own parameters are all frozen; all else in evaluation mode.
            Outputs of the layers of a `models.Stack` before it are computed once, if they fit into memory.  A BatchNorm
            without affine part outside of it, if it has seen no data, gets the exact statistics of its inputs.
        epochs: passes over the images, ≥ 1.
        lr: learning rate of the first epoch; `schedule` multiplies it.
        penalties: pairs (coefficient, penalty), see `eigencode.penalties`.  Coefficient 0: the penalty is not computed.
        batch_size: images per step; a last batch of a single image is left out, as BatchNorm cannot use it.
        seed: seed of the order of the images, of the penalties' random numbers and of layers such as Dropout.
        schedule: factor of the learning rate by epoch.
        optimizer, momentum, weight_decay: as in `torch.optim`; momentum for sgd only.
        clip_norm: largest L2 norm of the whole gradient, or None.
        precision: "float32", or "bfloat16" for the matrix products (`torch.autocast`; weights stay float32, and so do
            penalties that are not `mixed`).  Devices without native bfloat16 products use float32, as that is faster.
        adversarial: train on perturbed batches, see `Adversarial`.
        validation: images for `validation_accuracy`, early stopping and `keep="best"`; never pass the test set.
        patience: stop after this many epochs without a better validation accuracy.
        keep: final weights: those of the last epoch, or of the epoch with the best validation accuracy.
        callbacks: called after every step and epoch, see `Callback`.
        checkpoint, checkpoint_every, snapshots, stop: as in `train_local`; an early stop writes no later snapshots.

    Returns:
        A `SupervisedTraining` record.

    Raises:
        InputError: unknown submodule, classes that do not fit, settings out of range.
        TrainingError: the loss or a weight became NaN or infinite; the message gives epoch, step, the loss terms and
            the last good checkpoint.
    """
    admit(train_supervised, locals())
    require(
        "supervised training",
        (epochs >= 1, "epochs", epochs, ">= 1"),
        (0 < lr < math.inf, "lr", lr, "a finite number > 0"),
        (batch_size >= 1, "batch_size", batch_size, ">= 1"),
        (optimizer in OPTIMIZERS, "optimizer", optimizer, ", ".join(OPTIMIZERS)),
        (0 <= momentum < math.inf, "momentum", momentum, "a finite number >= 0"),
        (momentum == 0.9 or optimizer == "sgd", "momentum", momentum, "the default: it is a setting of sgd alone"),
        (0 <= weight_decay < math.inf, "weight_decay", weight_decay, "a finite number >= 0"),
        (clip_norm is None or clip_norm > 0, "clip_norm", clip_norm, "None, or a number > 0"),
        (precision in ("float32", "bfloat16"), "precision", precision, "'float32' or 'bfloat16'"),
        (patience is None or patience >= 1, "patience", patience, "None, or a number of epochs >= 1"),
        (keep in ("last", "best"), "keep", keep, "'last' or 'best'"),
    )
    train = Images.of(train, "train")
    validation = None if validation is None else Images.of(validation, "validation")
    check_classes(train, validation, needs_validation=patience is not None or keep == "best")
    learn = learners(net, parameters)
    made = {"fused": True} if optimizer != "sgd" else {"momentum": momentum, "fused": True}
    opt = OPTIMIZERS[optimizer](learn, lr=lr, weight_decay=weight_decay, **made)
    terms_of = active(penalties)
    seen = watch(net, terms_of)
    stateful = [penalty for _, penalty in terms_of]
    part = net if parameters == "all" else net.get_submodule(parameters)
    fixed = _fixed(net, part, learn, terms_of, adversarial)
    outside = set(net.modules()) - set(part.modules())
    start = module_digest(net)
    settle_all(net, train, [n for n in without_statistics(net, train) if net.get_submodule(n) in outside])
    data = feed(net, train, fixed, keep=True)
    unit = data.after == "norm" and isinstance(net.get_submodule("norm"), UnitNorm)
    if adversarial is not None and adversarial.space == "unit" and not unit:
        raise InputError(
            "adversarial training in unit space needs a stack that starts with `norm`, a UnitNorm",
            got=type(net).__name__,
            wanted="a models.Stack, e.g. of models.perceptron",
            fix="space='pixel'",
        )
    held_out = feed(net, validation, fixed) if validation is not None else None
    products = product_dtype(precision, data.y.device)
    autocast = _autocast(data.y.device.type, products)
    run = Run(torch.full((4, epochs), float("nan"), dtype=torch.float64))
    identity = fingerprint(
        {
            "parameters": parameters,
            "epochs": epochs,
            "lr": lr,
            "batch": batch_size,
            "seed": seed,
            "schedule": repr(schedule),
            "optimizer": [optimizer, momentum, weight_decay, clip_norm, precision],
            "penalties": [(c, repr(p), *_settings(p, net)) for c, p in penalties],
            "adversarial": repr(adversarial),
            "stop": [patience, keep],
            "data": [train.sha256, validation.sha256 if validation is not None else None],
            "net": described(net),
            "learn": names_of(net, learn),
            "start": start,
        }
    )
    saves = Saves(
        "supervised training",
        identity,
        epochs,
        per_epoch := len(starts(len(data), batch_size)),
        checkpoint=checkpoint,
        every=checkpoint_every,
        snapshots=snapshots,
        stop=stop,
    )
    callbacks = tuple(callbacks)
    with torch.enable_grad(), learning(net, part, learn, stateful) as reseed:
        if (state := saves.load()) is not None:
            run.restore(state, net, opt, stateful)
        began = time.monotonic() - run.seconds

        def save(ended: bool = False) -> None:
            run.seconds = time.monotonic() - began
            for file in saves.due(run.step, ended):
                file.save(*run.state(net, opt, stateful))

        if run.step == 0:
            save()
        for epoch in progress(range(run.epoch, -(-saves.last // per_epoch)), f"training {parameters}"):
            if run.stopped or run.step == saves.last:
                break
            if (first := run.step - epoch * per_epoch) == 0:
                reseed(stream(seed, "layers", epoch))
            rate = lr * schedule(epoch, epochs)
            for group in opt.param_groups:
                group["lr"] = rate
            for x, y in data.batches(batch_size, seed, epoch, first):
                if adversarial is not None:
                    x = adversarial.worst(net, data.forward, x, y, stream(seed, "adversarial", run.step))
                for _, penalty in terms_of:
                    penalty.prepare(net, train.pixels, epoch, run.step)
                with autocast():
                    with seen, blaming(net, x):
                        logits = data.forward(x).float()
                    check_logits(logits, train)
                    losses = {"cross-entropy": F.cross_entropy(logits, y)}
                    if terms_of:
                        space: Space = "pixel" if data.after is None else "unit"
                        batch = seen.batch(x, y, logits, space=space, epoch=epoch, step=run.step, seed=seed)
                        losses |= weighted(terms_of, batch)
                loss = torch.stack(list(losses.values())).sum()
                terms = {name: float(value.detach()) for name, value in losses.items()}
                if not math.isfinite(sum(terms.values())):
                    raise _diverged("the loss is", epoch, run.step, terms, saves)
                opt.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                if clip_norm is not None:
                    torch.nn.utils.clip_grad_norm_(learn, clip_norm)
                opt.step()
                run.step += 1
                hits = int((logits.detach().argmax(1) == y).sum())
                run.totals += torch.tensor([sum(terms.values()) * len(y), hits, len(y)], dtype=torch.float64)
                for callback in callbacks:
                    callback.on_step(Progress(net, epoch, run.step, rate, terms))
                if inside := run.step % per_epoch > 0:
                    save()
                    if run.step == saves.last:
                        break
            if inside:
                break
            if not all(bool(torch.isfinite(p).all()) for p in learn):
                raise _diverged("a weight is", epoch, run.step - 1, terms, saves)
            accuracy = _accuracy(net, held_out)
            means = (run.totals[:2] / run.totals[2]).tolist()
            run.history[:, epoch] = torch.tensor([*means, accuracy, rate], dtype=torch.float64)
            run.epoch, run.totals = epoch + 1, torch.zeros_like(run.totals)
            run.judge(net, accuracy, patience, keep == "best")
            told = [c.on_epoch(Progress(net, epoch, run.step, rate, terms, accuracy)) for c in callbacks]
            run.stopped = run.stopped or any(told)
            save(run.stopped)
    if keep == "best" and run.best_state and (run.stopped or run.epoch == epochs):
        net.load_state_dict(run.best_state)
    opt.zero_grad(set_to_none=True)
    loss_, train_accuracy, validation_accuracy, rates = run.history[:, : run.epoch].clone()
    return SupervisedTraining(
        parameters=parameters,
        optimizer=optimizer,
        precision=str(products).removeprefix("torch."),
        epochs=run.epoch,
        steps=run.step,
        batch_size=batch_size,
        seed=seed,
        seconds=run.seconds,
        best_epoch=run.best_epoch,
        loss=loss_,
        train_accuracy=train_accuracy,
        validation_accuracy=validation_accuracy,
        lr=rates,
    )


def _fixed(
    net: nn.Module,
    part: nn.Module,
    learn: list[nn.Parameter],
    penalties: Weighted,
    adversarial: Augmentation | None,
) -> list[str]:
    """Names of the layers whose outputs can be precomputed, i.e. that no penalty or attack reads or differentiates."""
    by_pixels = needs_pixels(penalties)
    if adversarial is not None and adversarial.space == "unit" and by_pixels:
        raise InputError("a penalty by pixels and an attack in unit space do not go together", fix="space='unit'")
    if by_pixels or (adversarial is not None and adversarial.space == "pixel"):
        return []
    found = fixed_layers(net, part, learn)
    return [name for name in found[:1] if name == "norm"] if penalties or adversarial is not None else found


def _settings(penalty: nn.Module, net: nn.Module) -> list[str]:
    """The settings of a penalty that its text may not tell: those of somebody's own, and what a function selects."""
    if callable(kept := getattr(penalty, "parameters_kept", None)):
        return [name for name, parameter in net.named_parameters() if kept(name, parameter)]
    if type(penalty).__module__.startswith("eigencode."):
        return []
    asked = inspect.signature(type(penalty).__init__).parameters
    settings = ((k, getattr(penalty, k, None)) for k in sorted(asked))
    return [f"{k}={v!r}" for k, v in settings if isinstance(v, int | float | str | bool)]


def _autocast(device: str, products: torch.dtype) -> Callable[[], AbstractContextManager[Any]]:
    return nullcontext if products == torch.float32 else lambda: torch.autocast(device, products)


def _accuracy(net: nn.Module, data: Feed | None) -> float:
    if data is None:
        return float("nan")
    with evaluating(net), torch.no_grad():
        return float((data.logits().argmax(1) == data.y).double().mean())


def _diverged(what: str, epoch: int, step: int, terms: dict[str, float], saves: Saves) -> TrainingError:
    path = saves.checkpoint.path if saves.checkpoint is not None else None
    kept = f"the last good checkpoint is {path}" if path is not None and path.exists() else "no checkpoint was kept"
    listed = ", ".join(f"{k} = {v:g}" for k, v in terms.items())
    return TrainingError(
        f"{what} not finite in epoch {epoch}, step {step}: {listed}; {kept}"
        "\n  fix:    a smaller lr, clip_norm=1.0, or smaller penalty coefficients"
    )
