"""Training by local learning rules or by gradient; a resumed run gives bit-identical weights."""

from eigencode.training.adversarial import Adversarial as Adversarial
from eigencode.training.callbacks import Callback as Callback, Progress as Progress, TensorBoard as TensorBoard
from eigencode.training.local import LocalTraining as LocalTraining, train_local as train_local
from eigencode.training.log import Log as Log
from eigencode.training.moments import moments as moments
from eigencode.training.readout import ReadoutFit as ReadoutFit, fit_readout as fit_readout
from eigencode.training.schedule import Schedule as Schedule
from eigencode.training.supervised import (
    SupervisedTraining as SupervisedTraining,
    train_supervised as train_supervised,
)
