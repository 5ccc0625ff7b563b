"""Smoothness of a representation: Jacobian norms, Lipschitz bounds, landscapes."""

from eigencode.geometry.jacobian import JacobianNorm, jacobian_norm
from eigencode.geometry.landscape import landscape, landscape_through
from eigencode.geometry.lipschitz import LipschitzUpper, lipschitz_upper
from eigencode.geometry.maps import Landscape
from eigencode.geometry.spectral_norm import SpectralNorm, spectral_norm

__all__ = [
    "JacobianNorm",
    "Landscape",
    "LipschitzUpper",
    "SpectralNorm",
    "jacobian_norm",
    "landscape",
    "landscape_through",
    "lipschitz_upper",
    "spectral_norm",
]
