"""Spectral norm of the Jacobian at every image."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError, warn
from eigencode.base.groups import groups_of
from eigencode.base.inputs import inputs_of
from eigencode.base.progress import progress
from eigencode.base.record import Estimate, Record, host
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.geometry._intervals import known, median_estimate
from eigencode.geometry._products import linearised
from eigencode.geometry._trust import PROBED, disagreement, units_of, unusable
from eigencode.representation._foreign import watch
from eigencode.representation._modes import borrowed
from eigencode.representation.at import Code, representation_of


@dataclass(frozen=True)
class SpectralNorm(Record):
    """‖J‖₂ per image by power iteration on JᵀJ.

    Attributes:
        value: σ = ‖J v‖ for the unit vector v found, float64: never above the true norm, up to rounding.
        residual: ‖JᵀJ v − σ² v‖ / σ²; some singular value s of J fulfils |s² − σ²| <= residual · σ².
        converged: residual <= tolerance.
        iterations: largest number over all batches.
        direction: v, flattened: the direction of largest gain.
        groups: number of the group of each image, over which the interval is; None: images are independent.
    """

    value: Float[Tensor, " image"]
    residual: Float[Tensor, " image"]
    converged: Bool[Tensor, " image"]
    direction: Float[Tensor, "image input"]
    iterations: int
    tolerance: float
    place: str
    space: str
    seed: int
    norm: str = "spectral, L2 to L2"
    groups: Int[Tensor, " image"] | None = None

    @property
    def median(self) -> Estimate:
        """Median over the images that have a derivative, with a 95 % interval of order statistics."""
        return median_estimate(*known(self.value, self.groups))

    def __len__(self) -> int:
        return len(self.value)


def spectral_norm(
    code: nn.Module | Callable[[Tensor], Tensor],
    x: Images | Array,
    *,
    iterations: int = 500,
    tolerance: float = 1e-4,
    points: bool = False,
    batch_size: int = 500,
    seed: int = 0,
    groups: Array | None = None,
) -> SpectralNorm:
    """Largest singular value of ∂z/∂x at every image.

    Power iteration v ← JᵀJ v / ‖JᵀJ v‖ from a random start, for all images of a batch together, until every
    residual is below `tolerance`.  Two top singular values close to each other take many iterations, which shows in
    the residual.

    Args:
        code, x, points, batch_size, seed, groups: as in `jacobian_norm`.
        iterations: at most; each costs a product with J and one with Jᵀ.
        tolerance: of the residual, which tells that some singular value is this close to σ.  Where many lie just below
            the largest one, σ may be one of them; where it stands apart, the relative error is about residual².

    Raises:
        InputError: no images, NaN in one, settings out of range, or a network without second derivatives.

    Warns:
        EigencodeWarning: as `jacobian_norm`.

    >>> result = spectral_norm(lambda x: x * torch.tensor([3.0, -7.0]), torch.rand(4, 2))
    >>> result.value.round(decimals=4).tolist(), bool(result.converged.all())
    ([7.0, 7.0, 7.0, 7.0], True)
    """
    admit(spectral_norm, locals())
    given, x = x, inputs_of(code, x, points)
    together = groups_of(given, groups, len(x))
    if len(x) == 0 or iterations < 1 or batch_size < 1 or not tolerance > 0:
        raise InputError(
            "spectral norm: nothing to iterate",
            got=f"{len(x)} images, iterations {iterations}, batch_size {batch_size}, tolerance {tolerance}",
            wanted="at least one of each, tolerance > 0",
        )
    code = representation_of(code)
    parts, done = [], 0
    with borrowed(code), torch.no_grad():
        some = x[: min(PROBED, batch_size)].detach()
        some = code.points(some) if isinstance(code, Code) and not points else some
        watch(code, some, batch_size, refuse=True)
        units_of(code, some[:1])
        doubts = disagreement(code, some)
        for first in progress(range(0, len(x), batch_size), "spectral norm"):
            batch = x[first : first + batch_size].detach()
            batch = code.points(batch) if isinstance(code, Code) and not points else batch
            generator = stream(seed, "spectral norm", first, device=batch.device)
            with torch.enable_grad():  # which recurrent layers keep what a derivative needs for
                *tensors, count = _power_iteration(code, batch, iterations, tolerance, generator)
            parts.append([host(t) for t in tensors])
            done = max(done, count)
    value, residual, direction = (torch.cat(column) for column in zip(*parts))
    for said in (*unusable(value), *doubts):
        warn(said)
    place, space = (code.place, code.space) if isinstance(code, Code) else ("", "")
    converged = residual <= tolerance
    return SpectralNorm(
        *(value, residual, converged, direction),
        done,
        tolerance,
        place=place,
        space=space,
        seed=seed,
        groups=together,
    )


def _power_iteration(
    code: Callable[[Tensor], Tensor], x: Tensor, iterations: int, tolerance: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, int]:
    try:
        _, pull, push = linearised(code, x)
        push(torch.zeros_like(x))
    except RuntimeError as failure:  # recurrent layers, checkpoints, fused attention
        raise InputError(
            "the representation has no second derivatives, which a spectral norm needs",
            got=str(failure).split("\n")[0][:200],
            fix="jacobian_norm(net, x), which is at least as large",
        ) from failure

    def length(v: Tensor) -> Tensor:
        size: Tensor = torch.linalg.vector_norm(v.flatten(1), dim=1, dtype=torch.float64)
        return size

    def unit(v: Tensor) -> Tensor:
        size = length(v).to(v.dtype).clamp_min(torch.finfo(v.dtype).tiny)
        return v / size.reshape(-1, *[1] * (v.ndim - 1))

    v = unit(torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device))
    for count in range(1, iterations + 1):
        stretched = push(v)
        sigma, w = length(stretched), pull(unit(stretched))  # w = Jᵀ J v / σ: its numbers are of the size of σ
        error = length(w - sigma.to(v.dtype).reshape(-1, *[1] * (v.ndim - 1)) * v)
        residual = error / sigma.clamp_min(1e-300)  # both are zero for a zero derivative
        if bool((residual <= tolerance).all()) or count == iterations:
            break
        moves = (sigma > 0) & sigma.isfinite()
        v = torch.where(moves.reshape(-1, *[1] * (v.ndim - 1)), unit(w), v)
    return sigma, residual, v.flatten(1), count
