"""Subnormal weights: zero during a measurement and during a step, and nowhere else."""

import pytest
import torch
from torch import nn

from eigencode.base.flush import flushing
from eigencode.representation._modes import borrowed, evaluating

SUBNORMAL = 1e-39


def doubled() -> float:
    return float((torch.full((1,), SUBNORMAL) * 2).item())


def test_zero_inside_and_restored_outside() -> None:
    assert doubled() > 0
    with flushing():
        assert doubled() == 0
        with flushing():
            assert doubled() == 0
        assert doubled() == 0
    assert doubled() > 0


def test_whatever_type_new_tensors_have() -> None:
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        with flushing():
            with flushing():
                pass
            assert float((torch.full((1,), SUBNORMAL, dtype=torch.float32) * 2).item()) == 0
    finally:
        torch.set_default_dtype(before)


def test_restored_after_an_error() -> None:
    with pytest.raises(KeyError), flushing():
        raise KeyError
    assert doubled() > 0


def test_every_measurement_reads_subnormal_weights_as_zero() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, SUBNORMAL)
    x = torch.full((1, 1), 4.0)
    assert net(x).item() > 0
    for mode in (evaluating, borrowed):
        with mode(net):
            assert net(x).item() == 0
