"""Spectra of neural codes: covariance eigenvalues, power laws, dimension."""

from eigencode.spectra.dimension import participation_ratio, rankme
from eigencode.spectra.power_law import PowerLaw
from eigencode.spectra.spectrum import Spectrum, spectrum

__all__ = ["PowerLaw", "Spectrum", "participation_ratio", "rankme", "spectrum"]
