"""Networks survive the disk bit by bit; files that are not ours are named."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import Stack, krotov_hopfield, load, perceptron, save

TRAIN = Images(torch.full((2, 1, 3, 4), 0.5), torch.tensor([0, 1]), ("a", "b", "c"))


def used(net: Stack) -> Stack:
    """With weights and buffers that no constructor gives."""
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.copy_(torch.randint(0, 1000, tensor.shape) if not tensor.is_floating_point() else tensor + 0.25)
    return net


@pytest.mark.parametrize(
    "net",
    [
        krotov_hopfield(TRAIN, 5, 2.5, 3.0, radius=2.0, spread=0.1, norm_p=2.0, seed=3),
        perceptron(TRAIN, 6, n=2.0),
        perceptron(TRAIN, 6, batch_norm=True, seed=9),
    ],
    ids=["krotov_hopfield", "perceptron", "batch_norm"],
)
def test_round_trip(net: Stack, tmp_path: Path) -> None:
    used(net)
    save(net, tmp_path / "a.safetensors")
    save(net, str(tmp_path / "b.safetensors"))
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    before = torch.random.get_rng_state()
    back = load(tmp_path / "a.safetensors")
    torch.testing.assert_close(torch.random.get_rng_state(), before, rtol=0, atol=0)
    torch.testing.assert_close(back.state_dict(), net.state_dict(), rtol=0, atol=0)
    assert (repr(back), back.spec, back.shape) == (repr(net), net.spec, net.shape)
    assert [p.requires_grad for p in back.parameters()] == [p.requires_grad for p in net.parameters()]
    x = torch.rand(4, 1, 3, 4)
    torch.testing.assert_close(back.eval()(x), net.eval()(x), rtol=0, atol=0)


def written(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save(perceptron(TRAIN, 6), path)
    return path


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_truncated_file(tmp_path: Path, keep: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"net\.safetensors is not a readable"):
        load(path)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "notes.safetensors"
    path.write_text("nothing of the sort" * 100)
    with pytest.raises(InputError, match=r"notes\.safetensors is not a readable"):
        load(path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(InputError, match="no such file of weights"):
            load(path)


def test_weights_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.ones(3)}, str(path))
    with pytest.raises(InputError, match=r"does not say which network(?s:.*)load_state_dict"):
        load(path)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "header",
    [
        "not json",
        "[1, 2]",
        "{}",
        '{"kind": "transformer", "units": 6, "shape": [1, 3, 4], "classes": 3}',
        '{"kind": "perceptron", "units": 6, "shape": [1, 3, 4], "classes": 3, "colour": "red"}',
        '{"kind": "perceptron", "units": 7, "shape": [1, 3, 4], "classes": 3}',
    ],
)
def test_a_header_that_does_not_describe_the_weights(tmp_path: Path, header: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_file(perceptron(TRAIN, 6).state_dict(), str(path), metadata={"eigencode": header})
    with pytest.raises(InputError, match=r"odd\.safetensors"):
        load(path)
