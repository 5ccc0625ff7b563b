"""Snapshots of a training: complete states from which it goes on to the same bits, also after a SIGKILL."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_rules import stack

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import krotov_hopfield, perceptron
from eigencode.penalties import Spectral
from eigencode.training import Schedule, train_local, train_supervised

TRAIN = Images(torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 3)
pytestmark = pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
Train = Callable[..., Any]


def local(net: nn.Module, **files: Any) -> Any:
    return train_local(net, TRAIN, epochs=4, batch_size=25, seed=1, **files)


def greedy(net: nn.Module, **files: Any) -> Any:
    return train_local(net, TRAIN, epochs=2, batch_size=25, seed=1, **files)


def supervised(net: nn.Module, **files: Any) -> Any:
    penalties = [(0.5, Spectral(alpha=1.0, place="latent", refresh=4))]
    settings = {"schedule": Schedule("cosine"), "validation": TRAIN[40:], "keep": "best", "penalties": penalties}
    return train_supervised(net, TRAIN, epochs=6, lr=1e-2, batch_size=25, seed=1, **settings, **files)


CASES: dict[str, tuple[Callable[[], nn.Module], Train, int]] = {
    "local": (lambda: krotov_hopfield(TRAIN, units=8), local, 4),
    "greedy": (stack, greedy, 6),
    "supervised": (lambda: perceptron(TRAIN, units=8, batch_norm=True), supervised, 6),
}


def paths(folder: Path, *epochs: int) -> dict[int, Path]:
    return {n: folder / f"{n}.safetensors" for n in epochs}


def assert_same(found: nn.Module, wanted: nn.Module) -> None:
    torch.testing.assert_close(found.state_dict(), wanted.state_dict(), rtol=0, atol=0)


def test_a_training_that_stops_early_has_the_weights_of_that_epoch_and_not_the_best_so_far(tmp_path: Path) -> None:
    """The best weights are those of the whole training: here the first epoch, after which the rate is far too large."""
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 20, "validation": TRAIN[40:], "seed": 0}
    rate = Schedule("piecewise", boundaries=(1,), factors=(1.0, 1e4))
    last, best, stopped = (perceptron(TRAIN, units=8) for _ in range(3))
    train_supervised(last, TRAIN, lr=1e-3, schedule=rate, stop=2, **settings)
    train_supervised(stopped, TRAIN, lr=1e-3, schedule=rate, stop=2, keep="best", **settings)
    found = train_supervised(best, TRAIN, lr=1e-3, schedule=rate, keep="best", **settings)
    assert found.best_epoch == 0
    assert_same(stopped, last)
    assert not torch.equal(best.readout.weight, stopped.readout.weight)


@pytest.mark.parametrize("case", CASES)
def test_any_snapshot_continues_to_the_same_bits(case: str, tmp_path: Path) -> None:
    make, train, epochs = CASES[case]
    whole, plain = make(), make()
    files = paths(tmp_path / "new", *range(epochs + 1))
    wanted = train(whole, snapshots=files)
    train(plain)
    assert_same(whole, plain)  # writing them changes nothing
    assert all(path.is_file() for path in files.values())
    for n in (0, 1, epochs // 2 + 1, epochs):
        copied = tmp_path / "copy.safetensors"
        shutil.copy(files[n], copied)
        net = make()
        record = train(net, checkpoint=copied)
        assert_same(net, whole)
        for name, values in wanted.tensors().items():
            torch.testing.assert_close(record.tensors()[name], values, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("case", CASES)
def test_stopped_and_continued_is_uninterrupted(case: str, tmp_path: Path) -> None:
    make, train, epochs = CASES[case]
    whole, checkpoint = make(), tmp_path / "c.safetensors"
    full = train(whole)
    for stop in (0, 1, 3, epochs):
        net = make()
        record = train(net, checkpoint=checkpoint, stop=stop)
        assert record.epochs == stop
        curve = "norm" if case != "supervised" else "loss"
        torch.testing.assert_close(getattr(record, curve), getattr(full, curve)[:stop], rtol=0, atol=0)
    assert_same(net, whole)
    with pytest.raises(InputError, match=rf"gone too far(?s:.*)got:    {epochs} epochs"):
        train(make(), checkpoint=checkpoint, stop=1)


@pytest.mark.parametrize("case", CASES)
def test_stopping_is_the_state_of_that_moment(case: str, tmp_path: Path) -> None:
    """With the schedule of the whole training: the same as the snapshot of a run that goes on."""
    from safetensors.torch import load_file

    make, train, _ = CASES[case]
    train(make(), snapshots=paths(tmp_path, 2))
    net = make()
    train(net, stop=2, checkpoint=tmp_path / "c.safetensors")
    found, wanted = load_file(tmp_path / "c.safetensors"), load_file(tmp_path / "2.safetensors")
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize("case", ["local", "greedy"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("fatal", [2, 4, 7])
def test_killed_while_a_file_is_put_in_place(case: str, after: bool, fatal: int, tmp_path: Path) -> None:
    """A death just before or just after the n-th rename leaves complete files, and the rest is made up for."""
    make, train, _ = CASES[case]
    asked = paths(tmp_path / "killed", 0, 1, 3)
    files = {"checkpoint": tmp_path / "c.safetensors", "checkpoint_every": 1, "snapshots": asked}
    child = os.fork()
    if child == 0:
        replace, calls = Path.replace, [0]

        def deadly(self: Path, target: Path) -> Path:
            calls[0] += 1
            if calls[0] == fatal and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            moved = replace(self, target)
            if calls[0] == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return moved

        Path.replace = deadly  # type: ignore[method-assign, assignment]
        try:
            train(make(), **files)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    net, whole = make(), make()
    train(net, **files)
    uninterrupted = paths(tmp_path / "whole", 0, 1, 3)
    train(whole, snapshots=uninterrupted)
    assert_same(net, whole)
    from safetensors.torch import load_file

    for n, path in asked.items():
        torch.testing.assert_close(load_file(path), load_file(uninterrupted[n]), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("case", CASES)
def test_a_snapshot_that_can_no_longer_be_written_is_told(case: str, tmp_path: Path) -> None:
    make, train, _ = CASES[case]
    checkpoint = tmp_path / "c.safetensors"
    train(make(), checkpoint=checkpoint, stop=3)
    with pytest.raises(InputError, match=r"(?s)gone too far.*write the snapshot of epoch 2.*delete"):
        train(make(), checkpoint=checkpoint, snapshots=paths(tmp_path, 2))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"stop": -1}, "stop is out of range"),
        ({"stop": 99}, "stop is out of range"),
        ({"snapshots": {-1: "a"}}, "snapshots is out of range"),
        ({"snapshots": {99: "a"}}, "snapshots is out of range"),
        ({"snapshots": {3: "a"}, "stop": 2}, "snapshots is out of range(?s:.*)0 to 2"),
    ],
)
def test_epochs_that_do_not_exist(case: str, wrong: dict[str, Any], says: str) -> None:
    make, train, _ = CASES[case]
    net = make()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(InputError, match=says):
        train(net, **wrong)
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)


def test_a_snapshot_of_another_run_is_refused(tmp_path: Path) -> None:
    local(krotov_hopfield(TRAIN, units=8), snapshots=paths(tmp_path, 1))
    with pytest.raises(InputError, match="belongs to another run"):
        train_local(
            krotov_hopfield(TRAIN, units=8), TRAIN, epochs=4, batch_size=25, checkpoint=tmp_path / "1.safetensors"
        )


def test_weights_of_a_snapshot_are_those_of_that_epoch(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    seen: list[Tensor] = [krotov_hopfield(TRAIN, units=8).encoder.weight.detach().clone()]
    for stop in range(1, 5):
        net = krotov_hopfield(TRAIN, units=8)
        local(net, stop=stop)
        seen.append(net.encoder.weight.detach().clone())
    local(krotov_hopfield(TRAIN, units=8), snapshots=paths(tmp_path, *range(5)))
    for n, weight in enumerate(seen):
        torch.testing.assert_close(load_file(tmp_path / f"{n}.safetensors")["encoder.weight"], weight, rtol=0, atol=0)
