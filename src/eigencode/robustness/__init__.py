"""Perturbations, accuracy curves, critical and certified sizes of any function from images to logits."""

from eigencode.robustness.adapters import AutoAttack, Foolbox
from eigencode.robustness.certified import CertifiedSizes, certified_size
from eigencode.robustness.critical import CriticalSizes, critical_size
from eigencode.robustness.curve import Curve, curve
from eigencode.robustness.ddn import DDN
from eigencode.robustness.ensemble import worst_case
from eigencode.robustness.fgsm import FGSM
from eigencode.robustness.fmn import FMN
from eigencode.robustness.masking import Masking, masking_checks
from eigencode.robustness.minimal import MinimumNorm
from eigencode.robustness.noise import Gaussian, Sphere
from eigencode.robustness.pgd import PGD
from eigencode.robustness.protocol import Perturbation, Perturbed
from eigencode.robustness.square import Square
from eigencode.robustness.subject import common_correct
from eigencode.robustness.survival import quantile, wilson

__all__ = [
    "AutoAttack",
    "DDN",
    "FGSM",
    "FMN",
    "PGD",
    "CertifiedSizes",
    "CriticalSizes",
    "Curve",
    "Foolbox",
    "Gaussian",
    "Masking",
    "MinimumNorm",
    "Perturbation",
    "Perturbed",
    "Sphere",
    "Square",
    "certified_size",
    "common_correct",
    "critical_size",
    "curve",
    "masking_checks",
    "quantile",
    "wilson",
    "worst_case",
]
