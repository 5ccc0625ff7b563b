"""Interrupted anywhere and continued, a training ends where it would have; other trainings are refused."""

import json
import math
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from damages import without_steps
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from eigencode.base.errors import InputError, TrainingError
from eigencode.base.types import Images
from eigencode.models import krotov_hopfield, perceptron
from eigencode.penalties import Batch, Lp, Penalty, Spectral
from eigencode.rules import KrotovHopfield
from eigencode.training import Callback, Progress, Schedule, train_local, train_supervised
from eigencode.training._state import Checkpoint, fingerprint

TRAIN = Images(torch.rand(80, 1, 5, 5, generator=torch.Generator().manual_seed(0)), torch.arange(80) % 3)
VALIDATION = TRAIN[60:]
pytestmark = pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")


class Interrupt(Callback):
    def __init__(self, *steps: int) -> None:
        self.steps = steps

    def on_step(self, progress: Progress) -> None:
        if progress.step in self.steps:
            raise KeyboardInterrupt


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return make()


def dropout() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(25, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))


def cnn() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))


def small(**settings: Any) -> nn.Module:
    return perceptron(TRAIN, units=8, **settings)


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (dropout, {}),
        (cnn, {"optimizer": "sgd", "validation": VALIDATION, "keep": "best"}),
        (small, {"parameters": "readout", "schedule": Schedule("cosine")}),
        (small, {"precision": "bfloat16", "optimizer": "adamw", "weight_decay": 0.1}),
        (small, {"penalties": [(1.0, Spectral(refresh=5)), (1e-3, Lp())], "batch_size": 40}),
        (small, {"validation": VALIDATION, "patience": 2, "lr": 0.3}),
    ],
)
@pytest.mark.parametrize("every", [1, 2])
def test_an_interrupted_training_ends_where_it_would_have(
    make: Callable[[], nn.Module], settings: dict[str, Any], every: int, tmp_path: Path
) -> None:
    common = {"epochs": 6, "lr": 1e-2, "batch_size": 20, **settings}
    whole = seeded(make)
    wanted = train_supervised(whole, TRAIN, **common)
    path, interrupted = tmp_path / "deep" / "c.safetensors", 0
    for step in (3, 7, 10, 15):
        try:
            train_supervised(
                seeded(make), TRAIN, checkpoint=path, checkpoint_every=every, callbacks=[Interrupt(step)], **common
            )
        except KeyboardInterrupt:
            interrupted += 1
            torch.rand(5)
    assert interrupted >= 2
    parts = seeded(make)
    found = train_supervised(parts, TRAIN, checkpoint=path, checkpoint_every=every, **common)
    torch.testing.assert_close(dict(parts.state_dict()), dict(whole.state_dict()), rtol=0, atol=0)
    torch.testing.assert_close(found.tensors(), wanted.tensors(), rtol=0, atol=0, equal_nan=True)
    assert {**found.scalars(), "seconds": 0} == {**wanted.scalars(), "seconds": 0}
    assert [p.name for p in path.parent.iterdir()] == ["c.safetensors"]


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    class Never(Callback):
        def on_step(self, progress: Progress) -> None:
            raise AssertionError

    path = tmp_path / "c"
    first, second = small(), small()
    settings = {"epochs": 9, "batch_size": 20, "validation": VALIDATION, "patience": 1, "lr": 0.3, "checkpoint": path}
    stopped = train_supervised(first, TRAIN, **settings)
    assert stopped.epochs < 9
    again = train_supervised(second, TRAIN, **settings, callbacks=[Never()])
    torch.testing.assert_close(dict(second.state_dict()), dict(first.state_dict()), rtol=0, atol=0)
    assert again.epochs == stopped.epochs


def one_step(net: nn.Module, path: Path, train: Images = TRAIN, **settings: Any) -> None:
    train_supervised(net, train, checkpoint=path, **{"epochs": 2, "batch_size": 40, **settings})


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 3},
        {"lr": 2e-3},
        {"batch_size": 20},
        {"seed": 1},
        {"schedule": Schedule("linear")},
        {"optimizer": "adamw"},
        {"weight_decay": 0.1},
        {"clip_norm": 1.0},
        {"precision": "bfloat16"},
        {"parameters": "readout"},
        {"penalties": [(1.0, Lp())]},
        {"validation": VALIDATION},
        {"train": TRAIN[:79]},
        {"net": lambda: small(seed=1)},
        {"net": lambda: small(n=2.0)},
        {"net": lambda: small(norm_p=2.0)},
        {"net": lambda: frozen_encoder()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_checkpoint_of_another_training_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    one_step(small(), path)
    before = path.read_bytes()
    settings = dict(change)
    net = settings.pop("net", small)()
    with pytest.raises(InputError, match=r"(?s)c\.safetensors belongs to another run.*delete"):
        one_step(net, path, **settings)
    assert path.read_bytes() == before


def frozen_encoder() -> nn.Module:
    net = small()
    net.encoder.requires_grad_(False)
    return net


def local(path: Path, train: Images = TRAIN, rule: KrotovHopfield | None = None, **settings: Any) -> None:
    shape = {k: settings.pop(k) for k in ("norm_p", "p", "net_seed") if k in settings}
    net = krotov_hopfield(TRAIN, 8, shape.get("p", 3.0), norm_p=shape.get("norm_p", 3.0), seed=shape.get("net_seed", 0))
    train_local(net, train, rule or KrotovHopfield(), checkpoint=path, **{"epochs": 2, "batch_size": 40, **settings})


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 3},
        {"lr": 0.03},
        {"batch_size": 20},
        {"seed": 1},
        {"decay": "constant"},
        {"rule": KrotovHopfield(delta=0.3)},
        {"rule": KrotovHopfield(p=2.0), "p": 2.0},
        {"norm_p": 2.0},
        {"net_seed": 1},
        {"train": TRAIN[:79]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_checkpoint_of_another_local_training_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    local(path)
    local(path)
    with pytest.raises(InputError, match=r"(?s)c\.safetensors belongs to another run.*delete"):
        local(path, **change)


def test_a_checkpoint_of_local_training_by_version_0_1_is_refused(tmp_path: Path) -> None:
    """It counts epochs, no steps."""
    path = tmp_path / "c.safetensors"
    local(path)
    without_steps(path)
    with pytest.raises(InputError, match=r"(?s)c\.safetensors cannot be continued.*eigencode 0\.1.*delete"):
        local(path)
    path.unlink()
    local(path)


@pytest.mark.parametrize("run", [local, lambda path: one_step(small(), path)])
def test_damaged_checkpoints_and_folders(run: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the checkpoint is a folder"):
        run(tmp_path)
    path = tmp_path / "c"
    run(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"(?s)the checkpoint c is damaged.*delete .*start again"):
        run(path)
    path.unlink()
    killed, writing = tmp_path / "c.0.part", tmp_path / "c.1.part"
    for part in (killed, writing):
        part.write_text("of another process")
    os.utime(killed, (0, 0))
    run(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c", "c.1.part"]


def test_a_checkpoint_holds_what_it_was_given(tmp_path: Path) -> None:
    one = Checkpoint(tmp_path / "a" / "c", fingerprint({"lr": 1}))
    assert one.load() is None
    shared = torch.arange(6.0).reshape(2, 3)
    one.save({"x": shared, "same": shared, "turned": shared.T, "row": shared[0]}, {"epoch": 3, "best": -math.inf})
    tensors, values = one.load() or ({}, {})
    wanted = {"x": shared, "same": shared, "turned": shared.T, "row": shared[0]}
    torch.testing.assert_close(tensors, wanted, rtol=0, atol=0)
    assert tensors["turned"].stride() == shared.T.stride()
    assert values == {"epoch": 3, "best": -math.inf}
    with pytest.raises(InputError, match="another run"):
        Checkpoint(one.path, fingerprint({"lr": 2})).load()
    one.remove()
    one.remove()
    assert one.load() is None


def test_a_flipped_bit_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    """It would change all that is trained from there."""
    checkpoint, chance = Checkpoint(tmp_path / "c.safetensors", "a"), random.Random(0)
    tensors = {"w": torch.rand(4, 3).T, "half": torch.rand(5).bfloat16(), "n": torch.tensor(3), "none": torch.empty(0)}
    checkpoint.save(tensors, {"epoch": 2, "lr": 0.25})
    whole, before = checkpoint.path.read_bytes(), checkpoint.load()
    unnoticed = 0
    for place in (*range(0, len(whole), 5), len(whole) - 1):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << chance.randrange(8)
        checkpoint.path.write_bytes(spoilt)
        try:
            found = checkpoint.load()
        except (InputError, ValueError, KeyError):
            continue
        unnoticed += 1
        torch.testing.assert_close(found, before, rtol=0, atol=0)
    assert unnoticed < len(whole) / 50
    checkpoint.path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match=r"c\.safetensors is damaged\n.*other content(.*\n)*.*to start again"):
        checkpoint.load()


def test_a_checkpoint_of_an_older_version_has_no_checksum(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "c.safetensors", "a")
    save_file({"w": torch.ones(2)}, checkpoint.path, {"identity": "a", "values": '{"epoch": 2}', "layout": "{}"})
    found = checkpoint.load()
    assert found is not None
    assert found[1] == {"epoch": 2}


@pytest.mark.parametrize("make", [dropout, small])
def test_a_checkpoint_of_version_0_1_is_continued(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    """It has no sums of the epoch that runs, as it was written between two epochs."""
    common = {"epochs": 4, "lr": 1e-2, "batch_size": 20}
    whole, parts, path = seeded(make), seeded(make), tmp_path / "c.safetensors"
    wanted = train_supervised(whole, TRAIN, **common)
    train_supervised(seeded(make), TRAIN, checkpoint=path, stop=2, **common)
    with safe_open(str(path), "pt") as file:
        header = {k: file.metadata()[k] for k in ("identity", "values", "layout")}
        old = {k: file.get_tensor(k) for k in file.keys() if k != "totals"}  # noqa: SIM118
    assert not any(k.startswith("random.") for k in old)
    save_file(old, path, header)
    found = train_supervised(parts, TRAIN, checkpoint=path, **common)
    torch.testing.assert_close(dict(parts.state_dict()), dict(whole.state_dict()), rtol=0, atol=0)
    torch.testing.assert_close(found.tensors(), wanted.tensors(), rtol=0, atol=0, equal_nan=True)


def test_fingerprints_follow_values_and_not_their_order() -> None:
    assert fingerprint({"a": 1, "b": [1, None]}) == fingerprint({"b": [1, None], "a": 1})
    seen = {fingerprint(json.loads(s)) for s in ("{}", '{"a": 1}', '{"a": 2}', '{"a": "1"}', '{"b": 1}', '{"a": 1.5}')}
    assert len(seen) == 6


class Explodes(Lp):
    """NaN from the second epoch on."""

    def value(self, batch: Any) -> Tensor:
        return super().value(batch) * (math.nan if batch.epoch else 1.0)


@pytest.mark.parametrize("keep", [True, False])
def test_a_loss_that_is_not_finite_stops_the_training(keep: bool, tmp_path: Path) -> None:
    net, path = small(), tmp_path / "c.safetensors"
    settings = {"penalties": [(2.0, Explodes())], "batch_size": 20, "checkpoint_every": 1}
    kept = f"the last good checkpoint is {path}" if keep else "no checkpoint was kept"
    says = rf"(?s)the loss is not finite in epoch 1, step 4: cross-entropy = [\d.]+, Explodes = nan; {kept}.*fix:"
    with pytest.raises(TrainingError, match=says):
        train_supervised(net, TRAIN, epochs=3, checkpoint=path if keep else None, **settings)
    assert path.exists() == keep
    assert all(bool(torch.isfinite(p).all()) for p in net.parameters())
    assert all(m.training for m in net.modules())


@pytest.mark.parametrize("epochs", [1, 3])
def test_weights_that_are_not_finite_never_reach_a_checkpoint(epochs: int, tmp_path: Path) -> None:
    """The loss of a step is that of the weights before it: the last step of an epoch needs a look of its own."""

    class Spoils(Callback):
        def on_step(self, progress: Progress) -> None:
            if progress.step == 4 * epochs:
                with torch.no_grad():
                    progress.net.readout.weight[0, 0] = math.inf

    path = tmp_path / "c.safetensors"
    settings = {"epochs": epochs, "batch_size": 20, "checkpoint_every": 1, "callbacks": [Spoils()]}
    says = rf"a weight is not finite in epoch {epochs - 1}, step {4 * epochs - 1}"
    with pytest.raises(TrainingError, match=says):
        train_supervised(small(), TRAIN, checkpoint=path, **settings)
    assert path.exists() == (epochs > 1)
    settings["callbacks"] = []
    net = small()
    train_supervised(net, TRAIN, checkpoint=path, **settings)
    assert bool(torch.isfinite(net.readout.weight).all())


def test_an_overflow_of_the_optimiser_is_found() -> None:
    with pytest.raises(TrainingError, match=r"not finite in epoch \d, step \d"):
        train_supervised(small(), TRAIN, epochs=3, lr=1e30, batch_size=20, optimizer="sgd")


def test_weights_in_bfloat16_are_refused() -> None:
    """They would lose most steps to rounding; `precision` multiplies in bfloat16 and keeps weights of float32."""
    with pytest.raises(InputError, match=r"fails on these images[\s\S]*net\.float\(\)"):
        train_supervised(seeded(small).bfloat16(), TRAIN, epochs=1)


class Own(Penalty):
    def __init__(self, size: float, then: Callable[[Tensor], Tensor] = torch.sum) -> None:
        super().__init__()
        self.size, self.then, self.calls = size, lambda z: then(z), 0

    def value(self, batch: Batch) -> Tensor:
        self.calls += 1
        return self.size * self.then(batch.net.encoder.weight.square())


def test_a_penalty_of_ones_own_with_other_settings_is_another_training(tmp_path: Path) -> None:
    common = {"epochs": 4, "batch_size": 40, "checkpoint": tmp_path / "c.safetensors"}
    train_supervised(seeded(small), TRAIN, penalties=[(1.0, Own(0.0))], stop=2, **common)
    with pytest.raises(InputError, match="belongs to another run"):
        train_supervised(seeded(small), TRAIN, penalties=[(1.0, Own(5.0))], **common)
    train_supervised(seeded(small), TRAIN, penalties=[(1.0, Own(0.0))], **common)
