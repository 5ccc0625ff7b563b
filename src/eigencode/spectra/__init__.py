"""Spectra of neural codes: covariance eigenvalues, power laws, dimension."""

from eigencode.spectra.alternatives import Comparison as Comparison
from eigencode.spectra.cross import cross_spectrum as cross_spectrum
from eigencode.spectra.cvpca import cvpca as cvpca, shuffled_control as shuffled_control
from eigencode.spectra.dimension import (
    effective_rank as effective_rank,
    entropy_rank as entropy_rank,
    lidar as lidar,
    participation_ratio as participation_ratio,
    rankme as rankme,
)
from eigencode.spectra.heldout import (
    heldout_spectrum as heldout_spectrum,
    injected_noise_spectrum as injected_noise_spectrum,
)
from eigencode.spectra.leading import leading_spectrum as leading_spectrum
from eigencode.spectra.places import spectra_at as spectra_at
from eigencode.spectra.power_law import PowerLaw as PowerLaw
from eigencode.spectra.shape import Shape as Shape
from eigencode.spectra.signal import SignalSpectrum as SignalSpectrum, signal_spectrum as signal_spectrum
from eigencode.spectra.spectrum import Spectrum as Spectrum, spectrum as spectrum
from eigencode.spectra.widths import spectra_by_width as spectra_by_width
from eigencode.spectra.windows import LocalSlope as LocalSlope, WindowMap as WindowMap
