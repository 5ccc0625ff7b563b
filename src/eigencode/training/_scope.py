"""Select the parameters that learn, and restore flags, modes, penalties and the global generator after a training."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from eigencode.base.errors import InputError, nearest
from eigencode.base.seeding import lent
from eigencode.representation._modes import evaluating


def learners(net: nn.Module, parameters: str) -> list[nn.Parameter]:
    """Select the parameters that require a gradient, of the whole network ("all") or of the submodule `parameters`."""
    if parameters == "all":
        learn = [p for p in net.parameters() if p.requires_grad]
    else:
        modules = dict(net.named_modules())
        if not parameters or parameters not in modules:
            raise InputError(
                "no such part to train", got=parameters, fix=nearest(parameters, ["all", *(m for m in modules if m)])
            )
        learn = [p for p in modules[parameters].parameters() if p.requires_grad]
    if any(p.is_meta for p in net.parameters()):
        raise InputError("the network has no values (device meta)", wanted="a network with weights on a device")
    if not learn:
        raise InputError(
            f"nothing to train in {parameters!r}",
            wanted="parameters with requires_grad=True",
            fix="net.requires_grad_()",
        )
    return learn


def names_of(net: nn.Module, learn: list[nn.Parameter]) -> list[str]:
    """Dotted names of the parameters in `learn`, in the order of the network."""
    chosen = {id(p) for p in learn}
    return [name for name, p in net.named_parameters() if id(p) in chosen]


@contextmanager
def learning(
    net: nn.Module, part: nn.Module, learn: Sequence[nn.Parameter], penalties: Sequence[nn.Module]
) -> Iterator[Callable[[torch.Generator], None]]:
    """Set gradients and training mode for the parameters in `learn` only; yields a function that seeds Dropout.

    Afterwards the flags, the modes and the state of the penalties are restored, so that a second training with the
    same objects starts like the first.
    """
    device = learn[0].device
    with ExitStack() as stack:
        stack.enter_context(_gradients_for(net, learn))
        stack.enter_context(evaluating(net))
        stack.enter_context(_restored(penalties))
        part.train()
        for module in part.modules():
            own = list(module.parameters(recurse=False))
            if own and not any(p.requires_grad for p in own):
                module.training = False  # a frozen BatchNorm in training mode would update its running statistics
        yield stack.enter_context(lent(device))


@contextmanager
def _gradients_for(net: nn.Module, learn: Sequence[nn.Parameter]) -> Iterator[None]:
    """Set `requires_grad` for the parameters in `learn` and for no others; restores all flags afterwards."""
    flags = [(p, p.requires_grad) for p in net.parameters()]
    chosen = {id(p) for p in learn}
    try:
        for parameter, _ in flags:
            parameter.requires_grad_(id(parameter) in chosen)
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


@contextmanager
def _restored(penalties: Sequence[nn.Module]) -> Iterator[None]:
    before = [copy.deepcopy(penalty.state_dict()) for penalty in penalties]
    try:
        yield
    finally:
        for penalty, state in zip(penalties, before):
            penalty.load_state_dict(state)
