"""The checks that many tests lean on can fail."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

Trace = Callable[[nn.Module, Tensor], object]


def forgetful_hook(net: nn.Module, _: Tensor) -> object:
    return net.register_forward_hook(lambda *_: None)


TRACES: dict[str, Trace] = {
    "weight": lambda net, _: net[0].weight.data.add_(1e-6),
    "buffer": lambda net, _: net[1].running_mean.add_(1e-6),
    "mode": lambda net, _: net[1].eval(),
    "gradient flag": lambda net, _: net.requires_grad_(False),
    "gradient": lambda net, x: net(x).sum().backward(),
    "hook": forgetful_hook,
    "points": lambda _, x: x.mul_(1.001),
    "flag of the points": lambda _, x: x.requires_grad_(),
    "random numbers": lambda *_: torch.rand(1),
}


@pytest.mark.parametrize("trace", TRACES)
def test_every_trace_is_seen(trace: str, leaves_no_trace: Callable[..., None]) -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    x = torch.rand(5, 3)
    leaves_no_trace(net, x, lambda: None)
    with pytest.raises(AssertionError):
        leaves_no_trace(net, x, lambda: TRACES[trace](net, x))
