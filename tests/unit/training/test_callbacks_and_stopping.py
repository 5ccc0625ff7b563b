"""Callbacks hear everything in order; patience and `keep` do what they say."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import perceptron
from eigencode.training import Callback, Log, Progress, Schedule, TensorBoard, train_supervised
from eigencode.training._run import Run

TRAIN = Images(torch.rand(80, 1, 5, 5, generator=torch.Generator().manual_seed(0)), torch.arange(80) % 3)
VALIDATION = TRAIN[60:]


class Diary(Callback):
    def __init__(self, stop_after: int | None = None) -> None:
        self.steps: list[Progress] = []
        self.epochs: list[Progress] = []
        self.weights: list[torch.Tensor] = []
        self.stop_after = stop_after

    def on_step(self, progress: Progress) -> None:
        self.steps.append(progress)

    def on_epoch(self, progress: Progress) -> bool | None:
        self.epochs.append(progress)
        self.weights.append(progress.net.readout.weight.detach().clone())
        return progress.epoch == self.stop_after


def test_what_callbacks_are_told() -> None:
    net, diary, second = perceptron(TRAIN, units=8), Diary(), Diary()
    record = train_supervised(
        net,
        TRAIN,
        epochs=3,
        lr=0.01,
        batch_size=30,
        schedule=Schedule("linear"),
        validation=VALIDATION,
        callbacks=iter([diary, second]),
    )
    assert [(p.epoch, p.step) for p in diary.steps] == [(e, 3 * e + i) for e in range(3) for i in (1, 2, 3)]
    assert [(p.epoch, p.step) for p in diary.epochs] == [(0, 3), (1, 6), (2, 9)]
    assert [p.lr for p in diary.epochs] == pytest.approx([0.01, 0.02 / 3, 0.01 / 3])
    assert [p.validation_accuracy for p in diary.epochs] == record.validation_accuracy.tolist()
    assert all(p.net is net and set(p.losses) == {"cross-entropy"} for p in diary.steps)
    assert len(second.steps) == 9
    sizes = torch.tensor([30.0, 30, 20], dtype=torch.float64)
    losses = torch.tensor([p.losses["cross-entropy"] for p in diary.steps[:3]], dtype=torch.float64)
    torch.testing.assert_close(record.loss[0], (sizes * losses).sum() / 80)


def test_any_callback_can_stop_and_all_are_still_told() -> None:
    first, second = Diary(stop_after=1), Diary()
    record = train_supervised(perceptron(TRAIN, units=8), TRAIN, epochs=9, callbacks=[first, second])
    assert (record.epochs, len(first.epochs), len(second.epochs)) == (2, 2, 2)
    assert len(record.loss) == 2


def judged(accuracies: list[float], patience: int | None, keep_best: bool = False) -> tuple[Run, int]:
    net = nn.Linear(1, 1)
    run = Run(torch.zeros(4, len(accuracies)))
    for epoch, accuracy in enumerate(accuracies):
        with torch.no_grad():
            net.weight.fill_(epoch)
        run.epoch = epoch + 1
        run.judge(net, accuracy, patience, keep_best)
        if run.stopped:
            return run, epoch
    return run, len(accuracies)


@pytest.mark.parametrize(
    ("accuracies", "patience", "best", "stop"),
    [
        ([0.1, 0.2, 0.3], 1, 2, 3),
        ([0.1, 0.3, 0.3, 0.4], 1, 1, 2),  # as good is not better
        ([0.1, 0.3, 0.2, 0.2, 0.4], 2, 1, 3),
        ([0.1, 0.3, 0.2, 0.4, 0.3, 0.3], 2, 3, 5),
        ([0.3, 0.2, 0.1], None, 0, 3),
        ([float("nan")] * 3, None, -1, 3),
    ],
)
def test_patience(accuracies: list[float], patience: int | None, best: int, stop: int) -> None:
    run, stopped_at = judged(accuracies, patience, keep_best=True)
    assert (run.best_epoch, stopped_at) == (best, stop)
    if best >= 0:
        assert float(run.best_state["weight"]) == best
    assert judged(accuracies, patience)[0].best_state == {}


def run_to_the_end(**settings: Any) -> tuple[Any, Any, Diary]:
    net, diary = perceptron(TRAIN, units=8), Diary()
    record = train_supervised(
        net, TRAIN, epochs=12, lr=0.3, batch_size=20, validation=VALIDATION, callbacks=[diary], **settings
    )
    return net, record, diary


def test_keep_last_and_keep_best() -> None:
    last, record, diary = run_to_the_end()
    assert record.best_epoch == int(record.validation_accuracy.argmax()) < 11
    torch.testing.assert_close(last.readout.weight.detach(), diary.weights[-1], rtol=0, atol=0)
    best, again, _ = run_to_the_end(keep="best")
    torch.testing.assert_close(again.loss, record.loss, rtol=0, atol=0)
    torch.testing.assert_close(best.readout.weight.detach(), diary.weights[record.best_epoch], rtol=0, atol=0)


def test_patience_ends_a_training() -> None:
    _, record, _ = run_to_the_end(patience=2)
    accuracy = record.validation_accuracy.tolist()
    assert record.epochs < 12
    assert record.epochs == record.best_epoch + 3
    assert max(accuracy) == accuracy[record.best_epoch]


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    board = TensorBoard(str(tmp_path))
    train_supervised(perceptron(TRAIN, units=8), TRAIN, epochs=1, validation=VALIDATION, callbacks=[board])
    assert any(tmp_path.iterdir())


class Wandb:
    """As `wandb.log`: numbers of one step are one row, and steps do not go back."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, float]] = {}

    def log(self, data: dict[str, float], step: int | None = None) -> None:
        assert step is not None
        assert all(type(v) is float and isinstance(k, str) for k, v in data.items())
        assert step >= max(self.rows, default=0)
        self.rows.setdefault(step, {}).update(data)


def test_a_log_has_what_callbacks_are_told() -> None:
    board, diary = Wandb(), Diary()
    log = Log(board.log, measure=lambda net: {"norm": net.readout.weight.detach().norm()})
    settings = {"epochs": 2, "lr": 0.1, "batch_size": 30, "schedule": Schedule("linear"), "validation": VALIDATION}
    train_supervised(perceptron(TRAIN, units=8), TRAIN, **settings, callbacks=[diary, log])
    for told in diary.steps:
        row = {k: v for k, v in board.rows[told.step].items() if k in ("cross-entropy", "lr")}
        assert row == {**told.losses, "lr": told.lr}
    for told, weights in zip(diary.epochs, diary.weights, strict=True):
        assert board.rows[told.step]["validation accuracy"] == told.validation_accuracy
        assert board.rows[told.step]["norm"] == pytest.approx(float(weights.norm()))
    assert len(board.rows) == 6


def test_a_log_changes_no_training() -> None:
    def trained(*callbacks: Callback) -> torch.Tensor:
        net = perceptron(TRAIN, units=8)
        train_supervised(net, TRAIN, epochs=2, callbacks=callbacks)
        return net.readout.weight.detach()

    seen: list[int] = []
    torch.testing.assert_close(trained(Log(lambda numbers, step: seen.append(step))), trained(), rtol=0, atol=0)
    assert seen == [1, 2]


@pytest.mark.usefixtures("unchecked")
def test_logs_that_cannot_be() -> None:
    with pytest.raises(InputError, match="log is of the wrong type"):
        Log("run.log")
    with pytest.raises(InputError, match="nothing would be logged"):
        Log(print, every=0)
