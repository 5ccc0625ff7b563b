"""How fast and along which directions a representation changes: Jacobians, Lipschitz constants, landscapes."""

from eigencode.geometry.boundary import BoundaryDistance, boundary_distance
from eigencode.geometry.jacobian import JacobianNorm, jacobian_norm
from eigencode.geometry.landscape import landscape, landscape_through
from eigencode.geometry.maps import Landscape

__all__ = [
    "BoundaryDistance",
    "JacobianNorm",
    "Landscape",
    "boundary_distance",
    "jacobian_norm",
    "landscape",
    "landscape_through",
]
