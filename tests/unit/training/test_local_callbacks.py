"""Callbacks of local training: told after every step and epoch, with a network that answers as it is at that moment."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from toy_rules import stack

import eigencode as ec
from eigencode.base.errors import ConvergenceWarning, InputError
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.data import load
from eigencode.models import LocalDense, krotov_hopfield
from eigencode.rules import KrotovHopfield
from eigencode.training import Callback, Progress, _feed as feeding, train_local

TRAIN = Images(torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 3)
pytestmark = pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")


class Diary(Callback):
    def __init__(self, stop_after: int | None = None) -> None:
        self.steps: list[Progress] = []
        self.epochs: list[Progress] = []
        self.outputs: list[Tensor] = []
        self.measured: list[Tensor] = []
        self.wins: list[int] = []
        self.stop_after = stop_after

    def on_step(self, progress: Progress) -> None:
        self.steps.append(progress)
        self.wins.append(int(progress.net.get_submodule(progress.layer).wins.sum()))
        with torch.no_grad():
            self.outputs.append(progress.net(TRAIN.x))
        self.measured.append(ec.at(progress.net, "logits")(TRAIN.x))

    def on_epoch(self, progress: Progress) -> bool | None:
        self.epochs.append(progress)
        return progress.epoch == self.stop_after


def test_what_callbacks_are_told() -> None:
    net, diary, second = krotov_hopfield(TRAIN, units=8), Diary(), Diary()
    record = train_local(net, TRAIN, epochs=4, lr=0.04, batch_size=20, callbacks=iter([diary, second]))
    assert [(p.epoch, p.step) for p in diary.steps] == [(e, 3 * e + i) for e in range(4) for i in (1, 2, 3)]
    assert [(p.epoch, p.step) for p in diary.epochs] == [(0, 3), (1, 6), (2, 9), (3, 12)]
    assert [p.lr for p in diary.epochs] == record.step_size.tolist() == [0.04 * (1 - e / 4) for e in range(4)]
    assert all(p.net is net and p.losses == {} and p.layer == "encoder" for p in diary.steps)
    assert diary.wins == [20, 40, 50, 70, 90, 50, 70, 90, 50, 70, 90, 50]
    assert len(second.steps) == 12


@pytest.mark.parametrize("room", [feeding.KEPT_BYTES, 0])
def test_the_network_answers_as_it_is_and_watching_changes_nothing(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the inputs of the layer are computed batch by batch, for which the matrices are held."""
    monkeypatch.setattr(feeding, "KEPT_BYTES", room)
    net, plain, diary = stack(), stack(), Diary()
    train_local(net, TRAIN, epochs=2, batch_size=20, callbacks=[diary])
    train_local(plain, TRAIN, epochs=2, batch_size=20)
    torch.testing.assert_close(net.state_dict(), plain.state_dict(), rtol=0, atol=0)
    assert [p.layer for p in diary.steps] == [n for n in ("conv1", "conv2", "dense") for _ in range(6)]
    assert [p.epoch for p in diary.epochs] == list(range(6))
    for n in range(1, 19):
        then = stack()
        train_local(then, TRAIN, epochs=2, batch_size=20, stop=n / 3)
        wanted = ec.at(then, "logits")(TRAIN.x)
        torch.testing.assert_close(diary.outputs[n - 1], wanted, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(diary.measured[n - 1], wanted, rtol=1e-5, atol=1e-5)


def test_a_callback_ends_the_training_of_all_layers_also_when_it_is_continued(tmp_path: Path) -> None:
    net, wanted, diary = stack(), stack(), Diary(stop_after=2)
    files = {"checkpoint": tmp_path / "c", "checkpoint_every": 100}
    record = train_local(net, TRAIN, epochs=2, batch_size=20, callbacks=[diary, Diary()], **files)
    train_local(wanted, TRAIN, epochs=2, batch_size=20, stop=3)
    torch.testing.assert_close(net.state_dict(), wanted.state_dict(), rtol=0, atol=0)
    assert (record.epochs, record.steps, len(record.norm)) == (3, 9, 3)
    again = stack()
    assert train_local(again, TRAIN, epochs=2, batch_size=20, **files).epochs == 3
    torch.testing.assert_close(again.state_dict(), wanted.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("p", [2.0, 3.0])
def test_weights_that_a_callback_changes_are_those_that_learn_on(p: float) -> None:
    """Also of units that the step before did not change, whose synapses are kept."""
    train = load("digits")[0][:100]

    def made() -> nn.Module:
        rule = KrotovHopfield(p=p)
        weight = rule.init(12, 64, torch.Generator().manual_seed(1))
        return nn.Sequential(nn.Flatten(), LocalDense(weight, rule), nn.Linear(12, 10))

    class Clip(Callback):
        def on_step(self, progress: Progress) -> None:
            if progress.step == 3:
                with torch.no_grad():
                    progress.net[1].weight.clamp_(-0.8, 0.8)

    net, known = made(), made()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        train_local(net, train, epochs=1, batch_size=20, decay="constant", lr=0.05, callbacks=[Clip()])
    layer, order = known[1], torch.randperm(100, generator=stream(0, "order", 0))
    with torch.no_grad():
        for k in range(5):
            x = train.x[order[20 * k : 20 * k + 20]].flatten(1)
            layer.rule.step(layer.weight, layer.rule.rows(x, layer.weight), 0.05)
            if k == 2:
                layer.weight.clamp_(-0.8, 0.8)
    torch.testing.assert_close(net[1].weight, layer.weight, rtol=0, atol=1e-6)


def test_layers_that_share_their_weights_are_refused() -> None:
    rule = KrotovHopfield()
    one, two = (LocalDense(torch.randn(16, 16), rule) for _ in range(2))
    two.weight = one.weight
    net = nn.Sequential(nn.Flatten(), one, nn.ReLU(), two)
    train = Images(torch.rand(20, 1, 4, 4), torch.arange(20) % 2)
    with pytest.raises(InputError, match=r"share their weights[\s\S]*1, 3"):
        train_local(net, train, epochs=1, batch_size=10)
