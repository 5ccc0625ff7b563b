"""Spectra of neural codes: covariance eigenvalues, power laws, dimension."""

from eigencode.spectra.cvpca import cvpca, shuffled_control
from eigencode.spectra.dimension import (
    alpha_req,
    effective_rank,
    entropy_rank,
    lidar,
    participation_ratio,
    rankme,
    stringer_bound,
)
from eigencode.spectra.heldout import heldout_spectrum, injected_noise_spectrum
from eigencode.spectra.power_law import PowerLaw
from eigencode.spectra.spectrum import Spectrum, spectrum
from eigencode.spectra.two_nn import two_nn

__all__ = [
    "PowerLaw",
    "Spectrum",
    "alpha_req",
    "cvpca",
    "effective_rank",
    "entropy_rank",
    "heldout_spectrum",
    "injected_noise_spectrum",
    "lidar",
    "participation_ratio",
    "rankme",
    "shuffled_control",
    "spectrum",
    "stringer_bound",
    "two_nn",
]
