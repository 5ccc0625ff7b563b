"""Local, unsupervised training of an encoder: batches in, changed rows out, no gradient anywhere."""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.errors import InputError, TrainingError
from eigencode.base.files import sha256
from eigencode.base.progress import progress
from eigencode.base.record import Record
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.models.convergence import TOLERANCE, warn_unless_converged
from eigencode.models.layers import KrotovHopfieldEncoder
from eigencode.models.network import Network
from eigencode.representation.modes import borrowed
from eigencode.rules.protocol import Rule
from eigencode.training.checks import require
from eigencode.training.state import Checkpoint, fingerprint

TINY = 1e-30


@dataclass(frozen=True)
class LocalTraining(Record):
    """How a local training went, one value per epoch.

    `converged`: fraction of units with |‖W_μ‖_p − R| ≤ 0.01.  `repelled`: fraction of samples whose winner has a
    negative input current.  `active`: fraction of units that won at least one sample.  `norm`: median ‖W_μ‖_p.
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(
        ("converged", "repelled", "active", "norm", "step_size"), ("epoch",)
    )

    rule: str
    epochs: int
    steps: int
    batch_size: int
    seed: int
    seconds: float
    converged: Float[Tensor, " epochs"]
    repelled: Float[Tensor, " epochs"]
    active: Float[Tensor, " epochs"]
    norm: Float[Tensor, " epochs"]
    step_size: Float[Tensor, " epochs"]


def train_local(
    net: Network,
    train: Images,
    rule: Rule,
    epochs: int = 100,
    lr: float = 0.02,
    batch_size: int = 1000,
    seed: int = 0,
    *,
    decay: Literal["linear", "constant"] = "linear",
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 10,
) -> LocalTraining:
    """Train `net.encoder` in place with a local rule on the unit-norm images; the read-out is not touched.

        W ← W + ε_e ΔW / max|ΔW|,   ε_e = lr (1 − e / epochs) in epoch e = 0, 1, …

    with one scalar max|ΔW| for the whole matrix (floor 1e-30), or W ← W + ε_e ΔW for rules published without that
    normalisation (`rule.step_normalisation`).

    Args:
        net: a network of this package; its encoder's p and radius must be those of the rule.
        train: the images; labels are not used.
        rule: a `rules.Rule`.
        epochs: passes over the images, ≥ 1.
        lr: ε of the first epoch, > 0; in the units of a weight when the step is normalised.
        batch_size: samples per step; the rest of an epoch makes a smaller last batch.
        seed: of the order of the images.
        decay: of the step size, per epoch.
        checkpoint: file to continue from if it exists, written every `checkpoint_every` epochs.  A run killed at
            any moment and started again ends with bit-identical weights on the same machine and thread count.

    Returns:
        A `LocalTraining` record.  Warns (`ConvergenceWarning`) if the layer has not converged.

    Raises:
        InputError: rule and encoder do not match, or a setting is out of range.
        TrainingError: the weights became NaN or infinite.

    Source: Krotov and Hopfield, PNAS 116 (2019), and their published notebook for the normalised step;
    arXiv 2405.00679, appendix.
    """
    require(
        "local training",
        (epochs >= 1, "epochs", epochs, ">= 1"),
        (0 < lr < float("inf"), "lr", lr, "a finite number > 0"),
        (batch_size >= 1, "batch_size", batch_size, ">= 1"),
        (decay in ("linear", "constant"), "decay", decay, "'linear' or 'constant'"),
        (checkpoint_every >= 1, "checkpoint_every", checkpoint_every, ">= 1"),
    )
    encoder = _check(net, rule)
    identity = fingerprint(
        {
            "rule": repr(rule),
            "epochs": epochs,
            "lr": lr,
            "batch": batch_size,
            "seed": seed,
            "decay": decay,
            "data": train.sha256,
            "net": [repr(net.norm), repr(net.encoder)],
            "start": sha256(encoder.weight),
        }
    )
    weight = encoder.weight.detach().clone()
    history = torch.zeros(5, epochs, dtype=torch.float64)
    wins = torch.full((len(weight),), -1, dtype=torch.int64, device=weight.device)
    first, earlier = 0, 0.0
    saved = Checkpoint(Path(checkpoint), identity) if checkpoint is not None else None
    if saved is not None and (state := saved.load()) is not None:
        tensors, values = state
        weight.copy_(tensors["weight"])
        wins.copy_(tensors["wins"])
        history, first, earlier = tensors["history"], int(values["epoch"]), float(values["seconds"])

    began = time.monotonic() - earlier
    x = unit_rows(net, train).to(weight.device)
    derived = rule.derive(weight)
    for epoch in progress(range(first, epochs), f"local, {len(weight)} units"):
        step_size = lr * (1 - epoch / epochs) if decay == "linear" else lr
        wins, repelled = _epoch(x, weight, derived, rule, step_size, batch_size, stream(seed, "order", epoch), epoch)
        told = [*_norms(weight, encoder), repelled / len(x), _active(wins), step_size]
        history[:, epoch] = torch.tensor(told, dtype=torch.float64)
        if saved is not None and ((epoch + 1) % checkpoint_every == 0 or epoch + 1 == epochs):
            state_values = {"epoch": epoch + 1, "seconds": time.monotonic() - began}
            saved.save({"weight": weight, "wins": wins, "history": history}, state_values)
    with torch.no_grad():
        encoder.weight.copy_(weight)
        encoder.wins.copy_(wins)
    warn_unless_converged(net)
    converged, norm, repelled_share, active, steps = history
    return LocalTraining(
        rule=repr(rule),
        epochs=epochs,
        steps=epochs * -(-len(x) // batch_size),
        batch_size=batch_size,
        seed=seed,
        seconds=time.monotonic() - began,
        converged=converged.clone(),
        norm=norm.clone(),
        repelled=repelled_share.clone(),
        active=active.clone(),
        step_size=steps.clone(),
    )


def unit_rows(net: Network, images: Images, chunk: int = 5000) -> Float[Tensor, "n inputs"]:
    """`net.to_unit(images)`, flattened, as one float32 matrix in memory."""
    rows = torch.empty(len(images), images.inputs)
    with borrowed(net), torch.no_grad():
        for i in range(0, len(images), chunk):
            rows[i : i + chunk] = net.to_unit(images[i : i + chunk].x).flatten(1)
    return rows


def _epoch(
    x: Float[Tensor, "n inputs"],
    weight: Float[Tensor, "units inputs"],
    derived: Tensor,
    rule: Rule,
    step_size: float,
    batch_size: int,
    generator: torch.Generator,
    epoch: int,
) -> tuple[Int[Tensor, " units"], int]:
    """One pass; changes `weight` and `derived` in place, returns wins per unit and the number of repelled samples."""
    order = torch.randperm(len(x), generator=generator).to(x.device)
    wins = torch.zeros(len(weight), dtype=torch.int64, device=x.device)
    repelled = 0
    for i in range(0, len(x), batch_size):
        change = rule.rows(x[order[i : i + batch_size]], weight, derived)
        alpha = step_size
        if rule.step_normalisation == "max":
            largest = float(change.values.abs().max())
            if not largest < float("inf"):
                raise TrainingError(
                    f"local training diverged in epoch {epoch}, step {i // batch_size}: the largest change is {largest}"
                    "\n  fix:    a smaller lr"
                )
            alpha /= max(largest, TINY)
        weight.index_add_(0, change.units, change.values, alpha=alpha)
        derived[change.units] = rule.derive(weight[change.units])
        wins += torch.bincount(change.winners, minlength=len(wins))
        repelled += change.repelled
    return wins, repelled


def _norms(weight: Tensor, encoder: KrotovHopfieldEncoder) -> tuple[float, float]:
    length = torch.linalg.vector_norm(weight, encoder.p, dim=1)
    if not bool(torch.isfinite(length).all()):
        raise TrainingError("local training produced NaN or infinite weights\n  fix:    a smaller lr")
    return float(((length - encoder.radius).abs() <= TOLERANCE).double().mean()), float(length.median())


def _active(wins: Tensor) -> float:
    return float((wins > 0).double().mean())


def _check(net: Network, rule: Rule) -> KrotovHopfieldEncoder:
    settings: dict[str, object] = (
        {f.name: getattr(rule, f.name) for f in dataclasses.fields(rule)} if dataclasses.is_dataclass(rule) else {}
    )
    for name in ("p", "radius"):
        mine = getattr(net.encoder, name, None)
        if name in settings and mine is not None and settings[name] != mine:
            raise InputError(
                f"rule and encoder disagree on {name}",
                got=f"rule {settings[name]}, encoder {mine}",
                wanted="the same value",
                fix=f"build the network with {name}={settings[name]}",
            )
    if not isinstance(net.encoder, KrotovHopfieldEncoder):
        raise InputError(
            "this encoder is not trained by a local rule",
            got=type(net.encoder).__name__,
            wanted="a network from models.krotov_hopfield",
        )
    return net.encoder
