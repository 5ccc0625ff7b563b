"""What the arithmetic inside a network adds to its spectrum, measured by evaluating it once more in float64."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from eigencode.base.modes import borrowed

GROUPS, POINTS = 3, 100


def arithmetic_floor(code: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Largest eigenvalue that rounding inside a network in single or half precision puts into its covariance spectrum.

    A linear code of 64 inputs has 64 eigenvalues; evaluated in float32, the sums of its products are rounded, and
    hundreds of eigenvalues follow that are no more than that: above what rounding of the *responses* alone would
    leave, and steep, so that a fit across the edge finds an exponent that is not the code's.

    From up to `GROUPS` times `POINTS` of the points: E = z − z₆₄ per point, z₆₄ of a copy of the network in float64;
    the largest eigenvalue of the covariance of E within each group of m points, the median of the groups.  Of white
    errors of many units it is a few times what many samples would give, (1 + √(units/m))² (Marchenko and Pastur
    1967): on the safe side.

    Returns:
        The eigenvalue; 0 for what is no module, has no weights below float64, gives other numbers when it is asked
        twice, or cannot be evaluated in float64.
    """
    if not isinstance(code, nn.Module) or len(x) == 0:
        return 0.0
    numbers = [t for t in (*code.parameters(), *code.buffers()) if t.is_floating_point()]
    if not numbers or all(t.dtype == torch.float64 for t in numbers):
        return 0.0
    chosen = torch.linspace(0, len(x) - 1, min(len(x), GROUPS * POINTS)).long().to(x.device)
    try:
        exact = copy.deepcopy(code).double()
        with torch.no_grad(), borrowed(code), borrowed(exact):
            largest = [_largest(code, exact, x[part]) for part in chosen.tensor_split(GROUPS) if len(part) > 1]
    except (RuntimeError, TypeError, NotImplementedError):  # insists on its own type, or cannot be copied
        return 0.0
    found = float(torch.tensor(largest).median()) if largest else 0.0
    return found if math.isfinite(found) else 0.0


def _largest(code: nn.Module, exact: nn.Module, points: Tensor) -> float:
    first, again = code(points), code(points)
    if not torch.equal(first, again):
        return 0.0
    errors = (first.double() - exact(points.double())).flatten(1)
    errors = errors - errors.mean(0)
    return float(torch.linalg.eigvalsh(errors @ errors.T / (len(errors) - 1))[-1])
