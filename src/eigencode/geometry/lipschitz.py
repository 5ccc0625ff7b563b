"""Upper bound of the Lipschitz constant of a representation."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.inputs import inputs_of
from eigencode.base.record import Record
from eigencode.base.seeding import stream
from eigencode.base.types import Images, Space
from eigencode.representation._declared import Declared, declared
from eigencode.representation._modes import borrowed
from eigencode.representation.at import at
from eigencode.representation.layers import OneLayer


@dataclass(frozen=True)
class LipschitzUpper(Record):
    """Upper bound of ‖z(x) − z(x')‖₂ / ‖x − x'‖₂ over a region: a product of one factor per layer.

    Attributes:
        value: product of `factors`; inf where no bound exists on this region.
        factors: one per layer: the spectral norm of its matrix times the steepest slope of its nonlinearity within
            reach (with the scales of a BatchNorm multiplied in); for images in pixels the unit norm comes first.
        included: description of each factor.
        radius: the region is the ball ‖x‖₂ <= radius of `space` (pixels: ‖x‖_p >= smallest as well); inf: everywhere.
        place, space: of the representation and of x.
    """

    value: float
    factors: Float[Tensor, " layer"]
    included: tuple[str, ...]
    radius: float
    place: str
    space: str
    norm: str = "L2 to L2"


def lipschitz_upper(
    net: nn.Module,
    place: str = "logits",
    space: Space = "unit",
    radius: float = math.inf,
    smallest: float = 0.0,
    x: Images | Array | None = None,
) -> LipschitzUpper:
    """Lipschitz bound as a product of exact layer bounds; usually far above the true constant.

    A layer s · relu(A x + b)^n + t with n = 1 has the factor ‖diag(s) A‖₂.  With n > 1 it is not Lipschitz on the
    whole space (its slope grows without limit), so `radius=inf` gives inf; on a ball ‖x‖₂ <= r the factor is
    ‖diag(d) A‖₂ with d_μ = |s_μ| n H_μ^(n−1) and H_μ = relu(‖a_μ‖₂ r + b_μ), the largest pre-activation there.  The
    radius of the ball before the next layer is the largest possible norm of the output.

    Args:
        net: a network that declares its layers (`as_layers`), or an `nn.Sequential` of linear, ReLU and
            BatchNorm layers (evaluation form).
        place: representation, as in `ec.at`.
        space: "unit": x is a point after the network's `norm`; "pixel": x is an image; then the norm's own factor is
            included, at most 2 d^|1/2 − 1/p| / smallest for x/‖x‖_p, which is inf unless `smallest` > 0.
        radius: of the ball around 0 in `space`; images in pixels have ‖x‖₂ <= sqrt(d).
        smallest: smallest ‖x‖_p of an image, for space="pixel".
        x: some images `N C H W`, to compare the network with its declared layers; by default random ones of the
            shape `net.shape`, or flat.

    Raises:
        InputError: the layers are not known, or there is no unit space.

    >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU())
    >>> _ = net[0].weight.data.copy_(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    >>> lipschitz_upper(net, "1", space="pixel").value
    4.0
    """
    admit(lipschitz_upper, locals())
    found = _declared(net, place, space, None if x is None else inputs_of(net, x))
    layers, norm_p = found.layers, found.norm_p
    if not radius > 0 or not smallest >= 0:
        raise InputError(
            "not a region", got=f"radius {radius}, smallest {smallest}", wanted="radius > 0, smallest >= 0"
        )
    factors, words, reach = [], [], radius
    with borrowed(net), torch.no_grad():
        if space == "pixel" and norm_p is not None:
            inputs = layers[0].weight.shape[1]
            stretch = inputs ** abs(0.5 - 1 / norm_p)
            factors.append(2 * stretch / smallest if smallest > 0 else math.inf)
            words.append(f"x/‖x‖_{norm_p:g} for ‖x‖_{norm_p:g} >= {smallest:g}")
            reach = inputs ** max(0.0, 0.5 - 1 / norm_p)  # the largest L2 norm of a point of unit Lp norm
        for number, layer in enumerate(layers, 1):
            factor, reach, text = _layer(layer, reach)
            factors.append(factor)
            words.append(f"layer {number}: {text}")
    value = math.prod(factors) if 0.0 not in factors else 0.0
    return LipschitzUpper(value, torch.tensor(factors, dtype=torch.float64), tuple(words), radius, place, space)


def _declared(net: nn.Module, place: str, space: Space, x: Tensor | None) -> Declared:
    """The declared layers up to `place`; an `InputError` where there are none."""
    code, fix = at(net, place, space), "use spectral_norm, a bound from below"
    got = "layers of unknown order or kind, or not the ones that the network computes"
    try:
        with borrowed(net):
            found = declared(code, code.points(_images(net) if x is None else x))
    except Exception as error:  # a network may raise anything for random images of a shape that it does not take
        if x is not None:
            raise
        found, got, fix = (
            None,
            str(error).splitlines()[0] if str(error) else type(error).__name__,
            "pass some images as x=",
        )
    if found is None:
        raise InputError(
            f"no product bound for {type(net).__name__} at {place!r} in {space} space",
            got=got,
            wanted="an nn.Sequential of linear, ReLU and BatchNorm layers, or a network whose `as_layers` it computes",
            fix=fix,
        )
    return found


def _images(net: nn.Module) -> Tensor:
    """Two random images of shape `net.shape`, or with the inputs of its first linear layer."""
    weights = next(iter(net.parameters()), torch.zeros(1, 1))
    shape = getattr(net, "shape", weights.shape[1:] if weights.ndim == 2 else None)
    if not isinstance(shape, tuple):
        raise ValueError("the shape of the images is not known")
    return torch.rand(2, *shape, generator=stream(0, "images"), dtype=torch.float32).to(weights)


def _layer(layer: OneLayer, reach: float) -> tuple[float, float, str]:
    """(factor, largest L2 norm of the output, description) for inputs with ‖x‖₂ <= reach."""
    weight = layer.weight.double()
    zero = torch.zeros(len(weight), dtype=torch.float64, device=weight.device)
    bias = zero if layer.bias is None else layer.bias.double()
    shift = zero if layer.shift is None else layer.shift.double()
    scale = zero + 1 if layer.scale is None else layer.scale.double().abs()
    rows = torch.linalg.vector_norm(weight, dim=1)
    highest = torch.where(rows > 0, rows * reach, 0.0)  # reach may be infinite
    if layer.power is None:
        return _spectral_norm(weight), float((highest + bias.abs()).norm()), "‖A‖₂"
    highest = (highest + bias).clamp_min(0)
    steep = (highest > 0).double() if layer.power == 1 else layer.power * highest ** (layer.power - 1)
    slope = torch.where(scale > 0, scale * steep, 0.0)
    if layer.power < 1 or not bool(torch.isfinite(slope).all()):
        return math.inf, math.inf, f"relu^{layer.power:g} has no bounded slope there"
    output = (torch.where(scale > 0, scale * highest**layer.power, 0.0) + shift.abs()).norm()
    return _spectral_norm(slope[:, None] * weight), float(output), f"‖diag(slope) A‖₂, relu^{layer.power:g}"


def _spectral_norm(matrix: Tensor) -> float:
    return float(torch.linalg.matrix_norm(matrix, 2))
