"""A borrowed module comes back as it was, also when something inside goes wrong."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import torch
from torch import nn

from eigencode.representation._modes import Holding, borrowed, evaluating


def mixed() -> nn.Sequential:
    """Modes and flags that no uniform `train()` or `requires_grad_()` could restore."""
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3), nn.Dropout()), nn.Linear(3, 1))
    net[1][0].eval()
    net[2].weight.requires_grad_(False)
    return net


def state(net: nn.Module) -> tuple[list[bool], list[bool]]:
    return [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]


@pytest.mark.parametrize("context", [evaluating, borrowed])
@pytest.mark.parametrize("fail", [False, True])
def test_everything_is_restored(context, fail: bool) -> None:
    net, other = mixed(), mixed().eval()
    before = state(net), state(other)
    with suppress(KeyError), context(net, other, torch.relu):
        assert not any(m.training for m in (*net.modules(), *other.modules()))
        if fail:
            raise KeyError
    assert (state(net), state(other)) == before


@pytest.mark.parametrize("context", [evaluating, borrowed])
def test_an_exception_is_not_swallowed(context) -> None:
    with pytest.raises(ZeroDivisionError), context(mixed()):
        1 / 0


def test_only_borrowing_switches_gradients_off() -> None:
    net = mixed()
    with evaluating(net):
        assert net[0].weight.requires_grad
    with borrowed(net):
        assert not any(p.requires_grad for p in net.parameters())
        x = torch.ones(1, 2, requires_grad=True)
        net(x).sum().backward()
    assert x.grad is not None
    assert all(p.grad is None for p in net.parameters())


def test_contexts_nest() -> None:
    net = mixed()
    before = state(net)
    with borrowed(net):
        with evaluating(net), borrowed(net, net):
            pass
        assert not any(m.training for m in net.modules())
        assert not any(p.requires_grad for p in net.parameters())
    assert state(net) == before


def test_batch_norm_is_not_updated_inside() -> None:
    net = mixed()
    net.train()
    with evaluating(net):
        net(torch.randn(10, 2))
    assert int(net[1][0].num_batches_tracked) == 0


class Derived(nn.Module):
    """Counts how often it derives something from its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.count, self.kept = 0, None

    @contextmanager
    def holding(self) -> Iterator[None]:
        before, self.kept = self.kept, self.weight.detach() * 3
        self.count += 1
        try:
            yield
        finally:
            self.kept = before


@pytest.mark.parametrize("fail", [False, True])
def test_what_modules_derive_from_their_weights_is_held_while_borrowed(fail: bool) -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(Derived()))
    inner = net[1][0]
    assert isinstance(inner, Holding)
    assert not isinstance(net[0], Holding)
    with suppress(KeyError), borrowed(net, torch.relu):
        assert inner.kept.tolist() == [3, 3]
        with borrowed(net):
            assert inner.count == 2
        assert inner.kept is not None
        if fail:
            raise KeyError
    assert inner.kept is None
    with evaluating(net):
        assert inner.kept is None
