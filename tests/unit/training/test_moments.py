"""Moments inside an epoch: named in epochs, whole numbers of steps, and any of them continues to the same bits."""

import copy
import math
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from toy_rules import stack

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import Stack, krotov_hopfield, perceptron
from eigencode.penalties import Jacobian, Spectral
from eigencode.robustness import PGD
from eigencode.training import Adversarial, Schedule, moments, train_local, train_supervised

TRAIN = Images(torch.rand(61, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(61) % 3)
pytestmark = pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")


def with_dropout() -> nn.Module:
    torch.manual_seed(3)
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.4), nn.Flatten())
    return nn.Sequential(body, nn.Dropout(0.2), nn.Linear(144, 3))


def greedy(net: nn.Module, **files: Any) -> Any:
    return train_local(net, TRAIN, epochs=2, batch_size=20, seed=1, **files)


def dropout(net: nn.Module, **files: Any) -> Any:
    penalties = [(0.01, Jacobian("0.0", projections=2))]
    more = {"schedule": Schedule("linear"), "penalties": penalties, "validation": TRAIN[40:]}
    return train_supervised(net, TRAIN, epochs=2, lr=1e-2, batch_size=20, seed=1, **more, **files)


def adversarial(net: nn.Module, **files: Any) -> Any:
    attack = Adversarial(PGD(steps=2, random_start=True), 0.05, "unit")
    return train_supervised(net, TRAIN, epochs=2, lr=1e-2, batch_size=20, adversarial=attack, **files)


def spectral(net: nn.Module, **files: Any) -> Any:
    penalties = [(0.5, Spectral(alpha=1.0, place="latent", refresh=2))]
    more = {"penalties": penalties, "validation": TRAIN[40:], "keep": "best", "optimizer": "sgd"}
    return train_supervised(net, TRAIN, epochs=2, lr=1e-2, batch_size=20, seed=1, **more, **files)


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[..., Any], int]] = {
    "greedy": (stack, greedy, 3 * 2 * 4),
    "dropout, BatchNorm, adam": (with_dropout, dropout, 2 * 3),
    "adversarial": (lambda: perceptron(TRAIN, units=8, batch_norm=True), adversarial, 2 * 3),
    "spectral, sgd": (lambda: perceptron(TRAIN, units=8, batch_norm=True), spectral, 2 * 3),
}
"""Network, training, steps: an epoch of 61 images has 4 batches, by gradient 3, without that of one image."""


def same(found: Any, wanted: Any) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("case", CASES)
def test_every_step_continues_to_the_same_bits(case: str, tmp_path: Path) -> None:
    """Snapshots after every step: each continues to the weights and curves of the whole, and is what `stop` gives."""
    make, train, steps = CASES[case]
    per = 4 if case == "greedy" else 3
    plain, whole = make(), make()
    train(plain)
    files = {n / per: tmp_path / f"{n}.safetensors" for n in range(steps + 1)}
    torch.manual_seed(7)  # nobody else's random numbers count
    wanted = train(whole, snapshots=files)
    same(whole.state_dict(), plain.state_dict())
    assert wanted.steps == steps
    for n, path in enumerate(files.values()):
        copied = tmp_path / "copy.safetensors"
        shutil.copy(path, copied)
        net = make()
        record = train(net, checkpoint=copied)
        same(net.state_dict(), whole.state_dict())
        same(record.tensors(), wanted.tensors())
        assert (record.steps, record.epochs) == (steps, wanted.epochs)
        stopped = make()
        part = train(stopped, stop=n / per, snapshots={n / per: tmp_path / "stop.safetensors"})
        assert (part.steps, part.epochs) == (n, n // per)
        from safetensors.torch import load_file

        same(load_file(tmp_path / "stop.safetensors"), load_file(path))


def test_a_chain_of_all_steps_is_the_whole(tmp_path: Path) -> None:
    """Every part of a training of two layers starts where the one before stopped."""
    for case, (make, train, steps) in CASES.items():
        per, whole, net = 4 if case == "greedy" else 3, make(), make()
        train(whole)
        for n in range(steps + 1):
            net = make()
            train(net, checkpoint=tmp_path / f"{case}.safetensors", stop=n / per)
        same(net.state_dict(), whole.state_dict())


def test_wins_inside_an_epoch_are_those_since_the_last_one_began() -> None:
    def wins(stop: float) -> torch.Tensor:
        net = krotov_hopfield(TRAIN, units=6)
        train_local(net, TRAIN, epochs=3, batch_size=20, stop=stop)
        return net.encoder.wins.clone()

    assert [int(wins(n / 4).sum()) for n in range(9)] == [-6, 20, 40, 60, 61, 81, 101, 121, 61]
    assert bool((wins(1.5) >= wins(1)).all())


@pytest.mark.parametrize("steps", [1, 2, 7, 5000, 45_000])
@pytest.mark.parametrize("n", [2, 3, 24, 100])
def test_log_moments(steps: int, n: int) -> None:
    found = moments(f"log:{n}", steps)
    assert found[0] == 0
    assert found[-1] == steps
    assert list(found) == sorted(set(found))
    assert len(found) <= n + 1
    if steps < 9:  # in whole numbers: the smallest k with k^(n − 1) >= steps^i
        assert set(found) == {0} | {next(k for k in range(1, 9) if k ** (n - 1) >= steps**i) for i in range(n)}
    assert all(b <= math.ceil(a * steps ** (1 / (n - 1))) for a, b in pairwise(found[1:]))


def test_exact_powers_are_not_rounded_up() -> None:
    assert moments("log:4", 1000) == (0, 1, 10, 100, 1000)
    assert moments("log:7", 10**6) == (0, 1, 10, 100, 1000, 10**4, 10**5, 10**6)


@pytest.mark.parametrize("wrong", ["log", "log:1", "log:x", "lin:5", [0.33], [-1.0], [5.0], [math.nan], [math.inf]])
def test_moments_that_do_not_exist(wrong: Any) -> None:
    with pytest.raises(InputError, match="moment"):
        moments(wrong, 40, epochs=4)


@pytest.mark.parametrize("files", [{"stop": 0.3}, {"snapshots": {0.5: "a", 0.51: "b"}}])
def test_a_moment_between_two_steps_is_refused(files: Any) -> None:
    with pytest.raises(InputError, match=r"between two steps(?s:.*)a multiple of 1/4"):
        greedy(stack(), **files)
    with pytest.raises(InputError, match=r"between two steps(?s:.*)a multiple of 1/3"):
        train_supervised(perceptron(TRAIN, units=4), TRAIN, epochs=2, batch_size=20, stop=0.25)


def test_a_moment_may_be_off_by_rounding(tmp_path: Path) -> None:
    train_local(stack(), TRAIN, epochs=1, batch_size=9, snapshots={3 / 7: tmp_path / "a", 3 / 7 + 1e-9: tmp_path / "b"})
    assert (tmp_path / "a").is_file()
    assert (tmp_path / "b").is_file()


def test_a_checkpoint_beyond_a_moment_is_told_in_epochs(tmp_path: Path) -> None:
    greedy(stack(), checkpoint=tmp_path / "c", stop=1.5)
    with pytest.raises(InputError, match=r"gone too far(?s:.*)1.5 epochs(?s:.*)at most 1.25"):
        greedy(stack(), checkpoint=tmp_path / "c", stop=1.25)


def test_a_layer_with_statistics_before_the_one_that_learns(tmp_path: Path) -> None:
    norm = nn.BatchNorm2d(6)
    with torch.no_grad():
        norm.running_mean += 0.1
        norm.running_var *= 2
    layers = dict(stack().named_children())
    first = {name: layers.pop(name) for name in ("norm", "conv1")}
    made = Stack({**first, "bn": norm, **layers}, shape=(1, 8, 8))
    whole, part, again = (copy.deepcopy(made) for _ in range(3))
    greedy(whole)
    greedy(part, checkpoint=tmp_path / "c", stop=2.75)
    greedy(again, checkpoint=tmp_path / "c")
    same(again.state_dict(), whole.state_dict())
    assert not torch.equal(part.conv2.weight, whole.conv2.weight)
