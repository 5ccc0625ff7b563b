"""Spectra of neural codes: covariance eigenvalues, power laws, dimension."""

from eigencode.spectra.alternatives import Comparison
from eigencode.spectra.cvpca import cvpca, shuffled_control
from eigencode.spectra.dimension import (
    effective_rank,
    entropy_rank,
    lidar,
    participation_ratio,
    rankme,
)
from eigencode.spectra.heldout import heldout_spectrum, injected_noise_spectrum
from eigencode.spectra.leading import leading_spectrum
from eigencode.spectra.places import spectra_at
from eigencode.spectra.power_law import PowerLaw
from eigencode.spectra.spectrum import Spectrum, spectrum
from eigencode.spectra.widths import spectra_by_width
from eigencode.spectra.windows import LocalSlope, WindowMap

__all__ = [
    "Comparison",
    "LocalSlope",
    "PowerLaw",
    "Spectrum",
    "WindowMap",
    "cvpca",
    "effective_rank",
    "entropy_rank",
    "heldout_spectrum",
    "injected_noise_spectrum",
    "leading_spectrum",
    "lidar",
    "participation_ratio",
    "rankme",
    "shuffled_control",
    "spectra_at",
    "spectra_by_width",
    "spectrum",
]
