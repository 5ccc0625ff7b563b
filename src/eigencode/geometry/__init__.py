"""How fast and along which directions a representation changes: Jacobians, Lipschitz constants, landscapes."""

from eigencode.geometry.boundary import BoundaryDistance, boundary_distance
from eigencode.geometry.distribution import JacobianDistribution, jacobian_distribution
from eigencode.geometry.jacobian import JacobianNorm, jacobian_norm
from eigencode.geometry.landscape import landscape, landscape_through
from eigencode.geometry.lipschitz import LipschitzLower, LipschitzUpper, lipschitz_lower, lipschitz_upper
from eigencode.geometry.maps import Landscape
from eigencode.geometry.spectral_norm import SpectralNorm, spectral_norm

__all__ = [
    "BoundaryDistance",
    "JacobianDistribution",
    "JacobianNorm",
    "Landscape",
    "LipschitzLower",
    "LipschitzUpper",
    "SpectralNorm",
    "boundary_distance",
    "jacobian_distribution",
    "jacobian_norm",
    "landscape",
    "landscape_through",
    "lipschitz_lower",
    "lipschitz_upper",
    "spectral_norm",
]
