"""Training: local rules and gradient descent, resumable to the bit."""

from eigencode.training.adversarial import Adversarial
from eigencode.training.callbacks import Callback, Progress, TensorBoard
from eigencode.training.local import LocalTraining, train_local
from eigencode.training.schedule import PAPER_BP, PAPER_SPECREG, Schedule
from eigencode.training.supervised import SupervisedTraining, train_supervised

__all__ = [
    "PAPER_BP",
    "PAPER_SPECREG",
    "Adversarial",
    "Callback",
    "LocalTraining",
    "Progress",
    "Schedule",
    "SupervisedTraining",
    "TensorBoard",
    "train_local",
    "train_supervised",
]
