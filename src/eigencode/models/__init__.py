"""Build, save and load networks; the layers they are made of; pruning of locally trained layers."""

from eigencode.models.builders import krotov_hopfield as krotov_hopfield, perceptron as perceptron
from eigencode.models.checkpoint import load_weights as load_weights
from eigencode.models.factory import build as build
from eigencode.models.files import save as save
from eigencode.models.layers import (
    Dense as Dense,
    Readout as Readout,
    RePU as RePU,
    SampledBatchNorm2d as SampledBatchNorm2d,
    SoftWTA as SoftWTA,
    Triangle as Triangle,
    UnitNorm as UnitNorm,
)
from eigencode.models.local import (
    LocalConv2d as LocalConv2d,
    LocalDense as LocalDense,
    LocalLayer as LocalLayer,
)
from eigencode.models.local_network import (
    convergence as convergence,
    initialise as initialise,
    local_layer as local_layer,
    local_layers as local_layers,
)
from eigencode.models.opening import load as load
from eigencode.models.pruning import Pruning as Pruning, prune as prune
from eigencode.models.softhebb import softhebb as softhebb, softhebb_dense as softhebb_dense
from eigencode.models.stack import Stack as Stack
from eigencode.models.standardised import Standardised as Standardised, as_expected as as_expected
from eigencode.models.two_classes import TwoClasses as TwoClasses
from eigencode.representation.at import Code as Code, at as at
