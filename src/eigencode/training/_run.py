"""State of a supervised training between two steps, complete enough for a bit-identical continuation."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from eigencode.base.files import sha256
from eigencode.training._saves import State


@dataclass
class Run:
    """Progress of a training: epochs and steps done, history, and the best weights so far.

    `totals` are loss × samples, hits and samples of the epoch that runs, zero between two epochs.
    """

    history: Tensor
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best_epoch: int = -1
    best_accuracy: float = float("-inf")
    best_state: dict[str, Tensor] = field(default_factory=dict)
    stopped: bool = False
    totals: Tensor = field(default_factory=lambda: torch.zeros(3, dtype=torch.float64))

    def judge(self, net: nn.Module, accuracy: float, patience: int | None, keep_best: bool) -> None:
        """Early stopping: store the best epoch; set `stopped` after `patience` epochs without improvement."""
        if accuracy > self.best_accuracy:
            self.best_accuracy, self.best_epoch = accuracy, self.epoch - 1
            if keep_best:
                self.best_state = copy.deepcopy(net.state_dict())
        elif patience is not None and self.epoch - 1 - self.best_epoch >= patience:
            self.stopped = True

    def state(self, net: nn.Module, optimizer: torch.optim.Optimizer, more: Sequence[nn.Module]) -> State:
        """Return (tensors, values) for a checkpoint; `more` are penalties, which may have buffers."""
        tensors = {f"net.{k}": v for k, v in net.state_dict().items()}
        tensors |= {f"more{i}.{k}": v for i, module in enumerate(more) for k, v in module.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best_state.items()}
        tensors |= {f"optimizer.{i}.{k}": v for i, k, v in _optimizer_tensors(optimizer)}
        tensors |= {"history": self.history, "totals": self.totals}
        if self.totals.any():  # every epoch starts with a seed of its own
            tensors |= {f"random.{i}": g.get_state() for i, g in enumerate(_generators(optimizer))}
        names = ("epoch", "step", "seconds", "best_epoch", "best_accuracy", "stopped")
        return tensors, {k: getattr(self, k) for k in names}

    def restore(
        self, state: State, net: nn.Module, optimizer: torch.optim.Optimizer, more: Sequence[nn.Module]
    ) -> None:
        """Restore run, network, optimiser and penalties from a checkpoint."""
        tensors, values = state
        net.load_state_dict(_under("net.", tensors))
        for i, module in enumerate(more):
            module.load_state_dict(_under(f"more{i}.", tensors))
        self.best_state = _under("best.", tensors)
        self.history = tensors["history"]
        self.totals = tensors.get("totals", self.totals)  # eigencode 0.1 wrote checkpoints only between two epochs
        for generator, random in zip(_generators(optimizer), _under("random.", tensors).values(), strict=False):
            generator.set_state(random)
        for name, value in values.items():
            setattr(self, name, value)
        slots: dict[int, dict[str, Any]] = {}
        for name, value in _under("optimizer.", tensors).items():
            index, key = name.split(".", 1)
            slots.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})


def module_digest(net: nn.Module) -> str:
    """Hash of all weights and buffers of a module."""
    return sha256(*chain.from_iterable(sorted(net.state_dict().items())))


def _generators(optimizer: torch.optim.Optimizer) -> list[torch.Generator]:
    """The global generators from which layers such as Dropout draw, see `base.seeding.lent`."""
    device = optimizer.param_groups[0]["params"][0].device
    return [torch.default_generator, *([torch.cuda.default_generators[device.index]] if device.type == "cuda" else [])]


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> list[tuple[int, str, Tensor]]:
    state = optimizer.state_dict()["state"]
    return [(i, k, v) for i, slots in state.items() for k, v in slots.items() if isinstance(v, Tensor)]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
