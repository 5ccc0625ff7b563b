"""Smoothness of a representation: Jacobian norms, Lipschitz bounds, landscapes."""

from eigencode.geometry.jacobian import JacobianNorm as JacobianNorm, jacobian_norm as jacobian_norm
from eigencode.geometry.landscape import landscape as landscape, landscape_through as landscape_through
from eigencode.geometry.lipschitz import LipschitzUpper as LipschitzUpper, lipschitz_upper as lipschitz_upper
from eigencode.geometry.maps import Landscape as Landscape
from eigencode.geometry.spectral_norm import SpectralNorm as SpectralNorm, spectral_norm as spectral_norm
from eigencode.geometry.tangents import Tangents as Tangents, tangents as tangents
