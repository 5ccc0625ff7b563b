"""Perturbations, accuracy curves, critical and certified sizes of any function from images to logits."""

from eigencode.robustness.adapters import AutoAttack as AutoAttack, Foolbox as Foolbox
from eigencode.robustness.certified import CertifiedSizes as CertifiedSizes, certified_size as certified_size
from eigencode.robustness.critical import CriticalSizes as CriticalSizes, critical_size as critical_size
from eigencode.robustness.curve import Curve as Curve, curve as curve
from eigencode.robustness.ddn import DDN as DDN
from eigencode.robustness.ensemble import worst_case as worst_case
from eigencode.robustness.fgsm import FGSM as FGSM
from eigencode.robustness.fmn import FMN as FMN
from eigencode.robustness.masking import Masking as Masking, masking_checks as masking_checks
from eigencode.robustness.minimal import MinimumNorm as MinimumNorm
from eigencode.robustness.noise import Gaussian as Gaussian, Sphere as Sphere
from eigencode.robustness.pgd import PGD as PGD
from eigencode.robustness.protocol import Perturbation as Perturbation, Perturbed as Perturbed
from eigencode.robustness.square import Square as Square
from eigencode.robustness.subject import common_correct as common_correct
from eigencode.robustness.survival import quantile as quantile, wilson as wilson
