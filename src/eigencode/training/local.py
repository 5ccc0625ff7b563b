"""Unsupervised training by local rules, without gradients: one layer, or all local layers one after the other."""

import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import ConvergenceWarning, InputError, TrainingError
from eigencode.base.progress import progress
from eigencode.base.record import Record
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.models.local import LocalLayer
from eigencode.models.local_network import check_rule, check_start, local_layer
from eigencode.rules.protocol import Rule
from eigencode.training._checks import require
from eigencode.training._layer_inputs import inputs_of, local_calls, sampled_before, settle_all, without_statistics
from eigencode.training._run import module_digest
from eigencode.training._saves import Saves
from eigencode.training._state import described, fingerprint
from eigencode.training.callbacks import Callback, Progress


@dataclass(frozen=True)
class LocalTraining(Record):
    """Training curves of `train_local`, one value per epoch; those of several layers are concatenated.

    `converged`: fraction of converged units, by the criterion of the rule.  `repelled`: fraction of rows (images, or
    patches of a convolution) whose winner has a negative input current.  `active`: fraction of units that won at
    least one row.  `norm`: median norm of a unit, the lower one of two in the middle.  `epochs` and `steps` count all
    layers together.
    """

    rule: str
    epochs: int
    steps: int
    batch_size: int
    seed: int
    seconds: float
    converged: Float[Tensor, " epoch"]
    repelled: Float[Tensor, " epoch"]
    active: Float[Tensor, " epoch"]
    norm: Float[Tensor, " epoch"]
    step_size: Float[Tensor, " epoch"]
    layers: tuple[str, ...] = ()


def train_local(
    net: nn.Module,
    train: Images | Array,
    rule: Rule | None = None,
    epochs: int = 100,
    lr: float = 0.02,
    batch_size: int = 1000,
    seed: int = 0,
    *,
    at: str | None = None,
    joint: bool = False,
    decay: Literal["linear", "constant"] = "linear",
    callbacks: Iterable[Callback] = (),
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 10,
    snapshots: Mapping[float, Path | str] | None = None,
    stop: float | None = None,
) -> LocalTraining:
    """Train the local layers of a network in place with a local rule; all other weights are fixed, in evaluation mode.

        W ← W + ε_e ΔW / max|ΔW|,   ε_e = lr (1 − e / epochs) in epoch e = 0, 1, …

    unless the rule applies the step size ε_e differently (`Rule.step`).  Several local layers are trained greedily in
    order of execution: each to the end before the training of the next one starts.  A BatchNorm without affine
    part in front of a layer, if it has seen no data, first gets the exact statistics of its inputs over all images.

    Args:
        net: any module with layers such as `models.LocalDense` and `models.LocalConv2d`.
        train: the images; labels are not used.
        rule: a `rules.Rule` whose `layer_settings` are those of the layers, which becomes their rule; None: the one
            that each layer has.
            Training starts from the weights as they are; a rule that starts otherwise than the one of an untrained
            layer is refused: see `models.initialise`.
        epochs: passes over the images per layer, ≥ 1.
        lr: ε of the first epoch, > 0; the largest change of a weight per step if the step is normalised.
        batch_size: images per step; the last batch of an epoch may be smaller.
        seed: seed of the order of the images, which differs between layers.
        at: dotted name of the layer to train; None: all of them.  One call per layer, in order of execution, gives
            the same weights as one call for all.
        joint: train all layers at once, each batch once for all of them, instead of one after the other.  BatchNorm
            layers without statistics then use those of the batch, and get the exact ones at the end (except
            `models.SampledBatchNorm2d`).
        decay: `"linear"` as above, or `"constant"`: ε_e = lr.
        callbacks: called after every step and epoch, see `Callback`; one that returns True ends the training of all
            layers.
        checkpoint: file to continue from if it exists, written every `checkpoint_every` epochs.  A run killed at
            any time and started again ends with bit-identical weights on the same machine and thread count.
        snapshots: files for the whole state after given numbers of epochs, all layers together (0: before training),
            in the format of a checkpoint: a run continued from a copy of one (as `checkpoint`) gives identical weights.
            Fractions that are a whole number of steps are moments inside an epoch, see `training.moments`.
        stop: end after this many epochs, all layers together; the step sizes still follow `epochs`.

    Returns:
        A `LocalTraining` record, with the curves of the finished epochs.  Warns (`ConvergenceWarning`) for every
        finished layer that has not converged.

    Raises:
        InputError: no such layer, a layer called more than once for an image, a rule that does not fit it, or a setting
            out of range.
        TrainingError: the weights became NaN or infinite; the weights from before the call are restored.

    Source: Krotov and Hopfield, PNAS 116 (2019), and their published notebook for the normalised step;
    arXiv 2405.00679, appendix.
    """
    admit(train_local, locals())
    require(
        "local training",
        (epochs >= 1, "epochs", epochs, ">= 1"),
        (0 < lr < float("inf"), "lr", lr, "a finite number > 0"),
        (batch_size >= 1, "batch_size", batch_size, ">= 1"),
        (decay in ("linear", "constant"), "decay", decay, "'linear' or 'constant'"),
        (at is None or not joint, "joint", joint, "False, for one layer `at`"),
    )
    train = Images.of(train, "train", labelled=False)
    if at is not None:
        local_layer(net, at)  # says how a layer becomes a local one
    calls = local_calls(net, train)
    order = list(dict.fromkeys(calls))
    names = [at] if at is not None else order
    layers = {name: local_layer(net, name) for name in names}
    if not names or names[0] not in order:
        raise InputError(f"{type(net).__name__}: this local layer is never called", got=f"at={at!r}", wanted=order)
    if often := [f"{name} ({calls.count(name)} times)" for name in names if calls.count(name) > 1]:
        raise InputError(
            f"{type(net).__name__}: local layers called more than once for an image",
            got=", ".join(often),
            wanted="one call: it is not clear from which of its inputs such a layer would learn",
        )
    rules = {name: layer.rule if rule is None else rule for name, layer in layers.items()}
    weights = [layer.weight.data_ptr() for layer in layers.values()]
    if len(set(weights)) < len(weights):
        raise InputError(
            "local layers that share their weights",
            got=", ".join(n for n, w in zip(layers, weights, strict=True) if weights.count(w) > 1),
            wanted="weights of its own for each layer, which learns from inputs of its own",
        )
    for name, layer in layers.items():
        check_rule(name, layer, rules[name])
        check_start(name, layer, rules[name])
    identity = fingerprint(
        {
            "rules": {name: repr(r) for name, r in rules.items()},
            "epochs": epochs,
            "lr": lr,
            "batch": batch_size,
            "seed": seed,
            "decay": decay,
            "joint": joint,
            "data": train.sha256,
            "net": described(net),
            "start": module_digest(net),
        }
    )
    learners = [_Learner(name, layer, rules[name]) for name, layer in layers.items()]
    groups = [learners] if joint else [[learner] for learner in learners]
    per_epoch = -(-len(train) // batch_size)
    saves = Saves(
        "local training",
        identity,
        epochs * len(groups),
        per_epoch,
        checkpoint=checkpoint,
        every=checkpoint_every,
        snapshots=snapshots,
        stop=stop,
    )
    callbacks = tuple(callbacks)
    history = torch.full((5, epochs * len(layers)), float("nan"), dtype=torch.float64)
    done, earlier, stopped = 0, 0.0, False
    norms, sampled = without_statistics(net, train, names[-1]), sampled_before(net, train, names)
    running = [name for own in sampled.values() for name in own]
    changing = {name: net.get_submodule(name) for name in (*names, *norms, *running)}
    with _restored_on_error(list(changing.values()), list(layers.values())):
        for name, layer in layers.items():
            layer.rule = rules[name]
        if (state := saves.load()) is not None:
            done, earlier, stopped = (state[1][k] for k in ("step", "seconds", "stopped"))
            history = state[0]["history"]
            for name, module in changing.items():
                module.load_state_dict({k: state[0][f"{name}.{k}"] for k in module.state_dict()})
            for learner in learners:
                learner.restore(state[0])
        began = time.monotonic() - earlier

        def save() -> None:
            values = {"step": done, "seconds": time.monotonic() - began, "stopped": stopped}
            for file in saves.due(done, stopped):
                tensors = {f"{n}.{k}": v for n, module in changing.items() for k, v in module.state_dict().items()}
                seen = {k: v for learner in learners for k, v in learner.state().items()}
                file.save({**tensors, **seen, "history": history}, values)

        if done == 0:
            save()
        for place, group in enumerate(groups):
            start, last = place * epochs * per_epoch, min((place + 1) * epochs * per_epoch, saves.last)
            if done >= last or stopped:
                continue
            for learner in group:
                learner.begin()
            # the first layer's order of images does not depend on whether there are further local layers
            further = () if joint or order.index(group[0].name) == 0 else (order.index(group[0].name),)
            shuffled, told_of = None, ", ".join(learner.name for learner in group)
            in_training = [*norms, *running] if joint else sampled[group[0].name]
            own = [learner.layer for learner in group]
            unsettled = without_statistics(net, train, group[-1].name)
            alone = None if in_training or len(own) > 1 else own[0]
            with inputs_of(net, own, train, in_training, settle_all(net, train, unsettled, alone)) as inputs:
                for _ in progress(range(done, last), f"local, {told_of}"):
                    epoch, step = divmod(done - start, per_epoch)
                    size = lr * (1 - epoch / epochs) if decay == "linear" else lr
                    if shuffled is None or step == 0:
                        shuffled = torch.randperm(len(train), generator=stream(seed, "order", epoch, *further))
                    batch = inputs(shuffled[step * batch_size : (step + 1) * batch_size])
                    for learner, x in zip(group, batch, strict=True):
                        if step == 0:
                            learner.count_anew(first=epoch == 0)
                        learner.learn(x, size, f"epoch {epoch}, step {step}")
                    done += 1
                    ended = done % per_epoch == 0
                    for learner in group if ended else ():
                        learner.layer.wins.copy_(learner.wins)
                    told = Progress(net, (done - 1) // per_epoch, done, size, {}, layer=told_of)
                    for callback in callbacks:
                        callback.on_step(told)
                    if ended:
                        for learner in group:
                            column = learners.index(learner) * epochs + epoch
                            history[:, column] = torch.tensor([*learner.curves(), size], dtype=torch.float64)
                        answers = [callback.on_epoch(told) for callback in callbacks]
                        stopped = any(answers)
                    for learner in group if callbacks else ():
                        learner.begin()  # a callback may have changed the weights
                    save()
                    if stopped:
                        break
        if joint and (stopped or done == epochs * per_epoch):
            settle_all(net, train, [name for name in norms if name not in running])
    _warn(layers, rules, done // (epochs * per_epoch) * (len(layers) if joint else 1))
    converged, norm, repelled_share, active, sizes = history[:, ~history[4].isnan()].clone()
    return LocalTraining(
        rule="; ".join(dict.fromkeys(map(repr, rules.values()))),
        layers=tuple(layers),
        epochs=done // per_epoch,
        steps=done,
        batch_size=batch_size,
        seed=seed,
        seconds=time.monotonic() - began,
        converged=converged,
        norm=norm,
        repelled=repelled_share,
        active=active,
        step_size=sizes,
    )


class _Learner:
    """A local layer while it learns: what multiplies its input, and what the epoch has seen so far.

    Attributes:
        wins: rows won by each unit in this epoch.
        counts: numbers of repelled rows and of all rows in this epoch.
    """

    def __init__(self, name: str, layer: LocalLayer, rule: Rule) -> None:
        self.name, self.layer, self.rule = name, layer, rule
        self.wins = torch.zeros_like(layer.wins)
        self.counts = torch.zeros(2, dtype=torch.int64)

    @property
    def weight(self) -> Tensor:
        """The weights, in the memory of the layer: updates are in place."""
        return self.layer.weight.detach()

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps beside the layer."""
        return {f"{self.name}.seen.wins": self.wins, f"{self.name}.seen.counts": self.counts}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.wins = state[f"{self.name}.seen.wins"].to(self.layer.wins.device)
        self.counts = state[f"{self.name}.seen.counts"]

    def begin(self) -> None:
        """Compute what multiplies the input, from the weights as they are."""
        self.operand = self.rule.operand(self.weight)

    def count_anew(self, first: bool) -> None:
        """A new epoch; inside it, `layer.wins` are those of the epoch before and of this one so far."""
        if first:
            self.layer.wins.zero_()
        self.wins, self.counts = torch.zeros_like(self.wins), torch.zeros_like(self.counts)

    def learn(self, x: Tensor, size: float, when: str) -> None:
        """Train one step."""
        change, weight = self.layer.change(self.rule, x, self.operand), self.weight
        try:
            self.rule.step(weight, change, size)
        except TrainingError as error:
            raise TrainingError(f"local training diverged in {when}: {error}\n  fix:    a smaller lr") from None
        if len(change.units) == len(weight):
            self.operand = self.rule.operand(weight)
        else:
            self.operand[change.units] = self.rule.operand(weight[change.units])
        won = torch.bincount(change.winners, minlength=len(weight))
        self.wins += won
        self.layer.wins += won
        self.counts += torch.tensor([change.repelled, len(change.winners)])

    def curves(self) -> tuple[float, float, float, float]:
        """Share of converged units, median norm, share of repelled rows, and share of active units of the epoch.

        Raises:
            TrainingError: NaN or infinite weights.
        """
        health = self.rule.health(self.weight, self.layer.wins)
        if not bool(torch.isfinite(health.norm).all()):
            raise TrainingError("local training produced NaN or infinite weights\n  fix:    a smaller lr")
        return health.fraction, float(health.norm.median()), float(self.counts[0] / self.counts[1]), health.active


@contextmanager
def _restored_on_error(modules: Sequence[nn.Module], layers: Sequence[LocalLayer]) -> Iterator[None]:
    """After an error the states of `modules` and the rules of `layers` are those of before."""
    before = [{k: v.clone() for k, v in module.state_dict().items()} for module in modules]
    rules = [layer.rule for layer in layers]
    try:
        yield
    except BaseException:
        for module, state in zip(modules, before, strict=True):
            module.load_state_dict(state)
        for layer, rule in zip(layers, rules, strict=True):
            layer.rule = rule
        raise


def _warn(layers: dict[str, LocalLayer], rules: dict[str, Rule], finished: int) -> None:
    for name in list(layers)[:finished]:
        where = f"{name}: " if len(layers) > 1 else ""
        for doubt in rules[name].health(layers[name].weight.detach().double(), layers[name].wins).doubts:
            told = f"{where}{doubt}; numbers measured on it must be read with that in mind"
            warnings.warn(told, ConvergenceWarning, stacklevel=3)
