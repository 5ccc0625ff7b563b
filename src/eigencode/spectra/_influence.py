"""Influence of each image on each eigenvalue, and from it the sampling error of functions of the spectrum."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.groups import Groups
from eigencode.base.seeding import stream
from eigencode.base.symmetric import gram
from eigencode.spectra._population import population

GROUPS = 256
"""Number of parts of the images, of equal size; 256 give a standard error to 4 %."""

NUMBERS = 1 << 25
"""Responses of groups to read again for an interval, 256 MiB in float64, unless single rows would be more."""

FEWEST = 8
"""Smallest number of directions for which a population spectrum is estimated."""

DEPENDENT = 1e-5
"""Directions whose residual standard deviation, given all leading ones, is below this fraction are unidentified."""


def rows_wanted(units: int) -> int:
    """Number of images to read again for an interval; more would not improve it."""
    return max(4096, 4 * units)


def subsample(n: int, wanted: int, units: int, seed: int, groups: Groups | None = None) -> Int[Tensor, " some"]:
    """Sorted numbers of `wanted` random rows out of n, or of the rows of as many groups within bounds of memory."""
    generator = stream(seed, "rows")
    if groups is not None:
        return groups.some(wanted, max(wanted, NUMBERS // units), generator)
    return torch.randperm(n, generator=generator)[:wanted].sort().values


@dataclass(frozen=True)
class Sampling:
    """Sampling error and sampling bias of log λ.

    direct: group means of the influence of image i on the corrected log λₙ, at the directions of this sample.
    mixed: the same at the population directions that the sample directions mix.
    log_bias: E[log λ̂ₙ] − log λₙ, NaN where it was not estimated.
    log_bias_error: standard error of `log_bias`; the errors of all ranks are perfectly correlated.
    group_size: images per group, on average.
    """

    direct: Float[Tensor, "groups rank"]
    mixed: Float[Tensor, "groups rank"]
    log_bias: Float[Tensor, " rank"]
    log_bias_error: Float[Tensor, " rank"]
    group_size: float


def sampling(
    z: Float[Tensor, "rows units"],
    directions: Float[Tensor, "units rank"],
    eigenvalues: Float[Tensor, " rank"],
    n: int,
    usable: int,
    seed: int,
    groups: Groups | None = None,
    every: int = 0,
    standardised: bool = False,
) -> Sampling:
    """Compute influences (vₙ·zᵢ)²/λₙ − 1 of the images and the bias of log λ from centred responses `z`.

    d log λₙ = Σᵢ dwᵢ [(vₙ·zᵢ)²/λₙ − 1] for weights wᵢ of the images (Critchley 1985): a statistic Σ aₙ log λₙ has one
    number per image, and their variance / N is its sampling variance to first order.  Two versions bracket it.
    `direct` uses the sample directions, as a jackknife does, and counts the second-order part of the statistic
    twice; `mixed` uses the expected directions and leaves that part out (the linear part of Hoeffding's
    decomposition).  The mean of the two variances counts it once.

    Args:
        z: some or all centred responses.
        directions, eigenvalues: eigenvectors and eigenvalues of the covariance of all `n` samples.
        usable: number of leading eigenvalues above the rounding floor.
        standardised: units were divided by their standard deviation, which the images influence too: λₙ then changes
            by (vₙ·zᵢ)²/λₙ − Σⱼ vₙⱼ² zᵢⱼ².
        groups: of the rows of `z` that belong together, each as a whole; `every`: number of groups of all samples.

    The bias is exact for Gaussian responses, up to resampling noise.  The non-Gaussian part is only an estimate, from
    fourth moments, so all of it counts as standard error.  With groups it resamples groups, see `population`.

    Returns:
        A `Sampling`; the bias is NaN with no more samples, or groups of them, than units, at ranks beyond `usable`, and
        from the first direction that `z` does not identify.
    """
    top = max(1, usable)
    expected = z.square() @ directions[:, :top].square() if standardised else z.new_ones(len(z), 1)
    if groups is None:
        order = torch.randperm(len(z), generator=stream(seed, "groups")).to(z.device)
        count = min(GROUPS, len(z))
        size: float = len(z) // count
        scores = z[order] @ directions[:, :top]
        squares = scores[: count * int(size)].square().div_(eigenvalues[:top])
        direct = squares.sub_(expected[order[: count * int(size)]]).reshape(count, int(size), top).mean(1)
    else:
        scores = z @ directions[:, :top]
        squares = scores.square().div_(eigenvalues[:top])
        direct, size = parts_of(squares - expected, groups, seed)
    mixed, bias = direct, direct.new_full((top,), torch.nan)
    bias_error = bias
    if min(n, every or n) > top + 1 and len(z) > top + 1:
        white = _whitened(scores.div_(eigenvalues[:top].sqrt()))
        del z, scores, squares  # each as large as the responses
        known = white.shape[1]
        if known >= FEWEST:
            found = population(eigenvalues[:known], white, n, stream(seed, "resampling"), groups)
            mixed, direct = direct.clone(), direct.clone()
            mixed[:, :known] = direct[:, :known] @ found.mixing.T @ found.response.T
            direct[:, :known] = direct[:, :known] @ found.response.T
            bias = _padded(found.bias, bias)
            bias_error = _padded(found.non_gaussian, bias)
    direct, mixed, bias, bias_error = (_padded(part, eigenvalues) for part in (direct, mixed, bias, bias_error))
    return Sampling(direct, mixed, bias, bias_error, size)


def parts_of(influence: Float[Tensor, "rows rank"], groups: Groups, seed: int) -> tuple[Tensor, float]:
    """Influences summed over whole groups, in at most `GROUPS` parts, and the mean number of rows of a part.

    The sums are divided by that number, so that those of parts of equal size are their means.
    """
    sums = groups.sums(influence - influence.mean(0))
    count = min(GROUPS, groups.count)
    part = torch.randperm(groups.count, generator=stream(seed, "groups")) % count
    size = len(influence) / count
    return sums.new_zeros(count, sums.shape[1]).index_add_(0, part.to(sums.device), sums) / size, size


def _whitened(scores: Tensor) -> Tensor:
    """Orthonormalise the columns of centred scores of about unit variance, leading directions first.

    In a subsample of the images a direction may be unidentified (a unit that responds to a few other images only).
    Only the leading columns before the first such direction are then returned.
    """
    centred = scores - scores.mean(0)
    moments = gram(centred)
    factor, stopped = torch.linalg.cholesky_ex(moments)
    known = int(stopped) - 1 if int(stopped) else len(moments)
    if known < len(moments):
        factor = torch.linalg.cholesky_ex(moments[:known, :known]).L
    lost = (factor.diagonal() < DEPENDENT * len(scores) ** 0.5).nonzero()
    known = int(lost[0]) if len(lost) else known
    white: Tensor = torch.linalg.solve_triangular(factor[:known, :known], centred[:, :known].T, upper=False).T
    return white


def _padded(values: Tensor, eigenvalues: Tensor) -> Tensor:
    """Pad with NaN at the ranks that are not usable."""
    missing = len(eigenvalues) - values.shape[-1]
    return torch.nn.functional.pad(values, (0, missing), value=torch.nan)
