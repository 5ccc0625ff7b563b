"""Somebody's file of weights: every usual form is read, nothing in it is run, what does not fit is explained."""

import argparse
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from eigencode.base.errors import InputError
from eigencode.models import load_weights


def network(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(4 * width, 2))


@pytest.fixture
def source() -> nn.Module:
    net = network()
    net.train()(torch.rand(5, 1, 4, 4))  # running statistics that no constructor gives
    return net


def renamed(state: dict, prefix: str) -> dict:
    return {prefix + k: v for k, v in state.items()}


FORMS = {
    "state-dict": lambda s: s,
    "state_dict": lambda s: {"epoch": 3, "state_dict": s, "optimizer": {"lr": 0.1}},
    "model": lambda s: {"model": s},
    "nested": lambda s: {"model": {"state_dict": s}},
    "data parallel": lambda s: renamed(s, "module."),
    "compiled and parallel": lambda s: {"model": renamed(s, "_orig_mod.module.")},
    "with a number": lambda s: {**s, "epoch": 7},
}
SAID = {
    "state-dict": (),
    "state_dict": ("took 'state_dict', not epoch, optimizer",),
    "model": ("took 'model'",),
    "nested": ("took 'model'", "took 'state_dict'"),
    "data parallel": ("dropped the prefix 'module.' of all names",),
    "compiled and parallel": ("took 'model'", "dropped the prefix '_orig_mod.module.' of all names"),
    "with a number": ("left out epoch, which is no tensor",),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_and_what_was_done_is_said(form: str, source: nn.Module, tmp_path: Path) -> None:
    torch.save(FORMS[form](source.state_dict()), tmp_path / "w.pt")
    net = network()
    assert load_weights(net, tmp_path / "w.pt") == tuple(f"w.pt: {said}" for said in SAID[form])
    torch.testing.assert_close(dict(net.state_dict()), dict(source.state_dict()), rtol=0, atol=0)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_safetensors(prefix: str, source: nn.Module, tmp_path: Path) -> None:
    save_file(renamed(source.state_dict(), prefix), tmp_path / "w.safetensors")
    net = network()
    assert len(load_weights(net, str(tmp_path / "w.safetensors"))) == len(prefix[:1])
    torch.testing.assert_close(dict(net.state_dict()), dict(source.state_dict()), rtol=0, atol=0)


def test_old_files_without_counters_and_tied_tensors_are_complete(tmp_path: Path) -> None:
    net = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.BatchNorm1d(2)})
    net["c"] = nn.Linear(2, 2, bias=False)
    net["c"].weight = net["a"].weight
    state = {k: v + 1.0 for k, v in net.state_dict().items() if k not in ("c.weight", "b.num_batches_tracked")}
    save_file(state, tmp_path / "w.safetensors")
    load_weights(net, tmp_path / "w.safetensors")
    torch.testing.assert_close(net["c"].weight, state["a.weight"])


def test_a_first_layer_called_module_is_not_a_prefix(tmp_path: Path) -> None:
    net = nn.Sequential()
    net.add_module("module", nn.Linear(2, 2))
    torch.save(net.state_dict(), tmp_path / "w.pt")
    assert load_weights(net, tmp_path / "w.pt") == ()


def fails(net: nn.Module, path: Path) -> str:
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(InputError) as error:
        load_weights(net, path)
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)
    return str(error.value)


def test_missing_and_left_over_names_are_told_with_the_nearest(source: nn.Module, tmp_path: Path) -> None:
    state = source.state_dict()
    state = {k.replace("3.", "head."): v for k, v in state.items()}
    torch.save(state, tmp_path / "w.pt")
    said = fails(network(), tmp_path / "w.pt")
    assert "w.pt does not fit Sequential" in said
    assert "the network has no head.weight, head.bias" in said
    assert "3.weight (2, 12) (nearest in the file: head.weight)" in said


def test_other_shapes_are_told_with_both(source: nn.Module, tmp_path: Path) -> None:
    torch.save(source.state_dict(), tmp_path / "w.pt")
    said = fails(network(width=5), tmp_path / "w.pt")
    assert "0.weight (3, 1, 3, 3), the network has (5, 1, 3, 3)" in said
    assert "--arg name=value" in said


def test_one_missing_tensor_is_enough(source: nn.Module, tmp_path: Path) -> None:
    state = dict(source.state_dict())
    del state["3.bias"]
    torch.save(state, tmp_path / "w.pt")
    assert "wanted: 3.bias (2,)" in fails(network(), tmp_path / "w.pt")


def test_a_file_with_objects_is_not_run(source: nn.Module, tmp_path: Path) -> None:
    torch.save({"state_dict": source.state_dict(), "args": argparse.Namespace(lr=1)}, tmp_path / "w.pt")
    said = fails(network(), tmp_path / "w.pt")
    assert "argparse.Namespace" in said
    assert "save the weights alone" in said
    torch.save(source, tmp_path / "whole.pt")
    assert "torch.nn.modules.container.Sequential" in fails(network(), tmp_path / "whole.pt")


@pytest.mark.parametrize("content", [{"epoch": 3, "optimizer": {}}, [1, 2], torch.rand(3), {}])
def test_a_file_without_weights_is_told(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pt")
    assert "holds no weights" in fails(network(), tmp_path / "w.pt")


@pytest.mark.parametrize("content", [b"", b"PK rubbish", b"\x80\x02 rubbish", b"{}", b"\x00" * 100])
def test_rubbish_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(content)
    said = fails(network(), tmp_path / "w.bin")
    assert "w.bin" in said
    assert "wanted" in said


def test_a_wrong_name_is_answered_with_the_nearest(source: nn.Module, tmp_path: Path) -> None:
    torch.save(source.state_dict(), tmp_path / "weights.pt")
    assert "did you mean 'weights.pt'" in fails(network(), tmp_path / "weight.pt")
    assert "no such file" in fails(network(), tmp_path / "nowhere" / "weights.pt")
    assert "no such file" in fails(network(), tmp_path)
