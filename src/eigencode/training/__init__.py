"""Training: local rules and gradient descent, resumable to the bit."""

from eigencode.training.adversarial import Adversarial
from eigencode.training.callbacks import Callback, Progress, TensorBoard
from eigencode.training.local import LocalTraining, train_local
from eigencode.training.schedule import Schedule
from eigencode.training.supervised import SupervisedTraining, train_supervised

__all__ = [
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
