"""Certified sizes: no perturbation up to this size changes the prediction, whatever the attack."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.record import Estimate, Record, host
from eigencode.base.types import Bounds, Images, Norm, Space
from eigencode.representation._modes import borrowed
from eigencode.robustness._balls import check_norm, diameter
from eigencode.robustness._certificate import certificate
from eigencode.robustness._search import Ladder
from eigencode.robustness.critical import LOWEST, joined
from eigencode.robustness.subject import Subject, Subset
from eigencode.robustness.survival import quantile


@dataclass(frozen=True)
class CertifiedSizes(Record):
    """Certified size of each correctly classified image: no perturbation up to it changes the prediction.

    Attributes:
        index: number of each image in the data set.
        eps: the certified size, in units of `space` and of `norm`; 0 where the smallest size could not be proved.
        n, n_correct: number of images considered, and of those classified correctly.
        norm, space: of the sizes.
        tolerance: relative accuracy of eps, which is rounded down.
        dtype: format in which the network computes; its rounding is bounded at every point of the ball, see
            `Certificate`.  "" if no image is classified correctly.
        groups, wrong_groups: as in `CriticalSizes`.
    """

    index: Int[Tensor, " image"]
    eps: Float[Tensor, " image"]
    n: int
    n_correct: int
    norm: Norm
    space: Space
    tolerance: float
    dtype: str = ""
    groups: Int[Tensor, " image"] | None = None
    wrong_groups: Int[Tensor, " wrong"] | None = None

    @property
    def median(self) -> Estimate:
        """Median of `eps` with its 95 % interval over images; a lower bound of the median for any attack."""
        return self.quantile(0.5)

    def quantile(self, q: float, errors_as_zero: bool = False, confidence: float = 0.95) -> Estimate:
        """Quantile of `eps`; with `errors_as_zero` misclassified images count as size 0."""
        admit(CertifiedSizes.quantile, locals())
        wrong = self.n - self.n_correct if errors_as_zero else 0
        values = torch.cat([self.eps.new_zeros(wrong), self.eps])
        groups = joined(self.wrong_groups, self.groups) if errors_as_zero else self.groups
        return quantile(values, torch.zeros_like(values, dtype=torch.bool), q, confidence, groups)


def certified_size(
    net: object,
    test: Images | Array,
    norm: Norm = "l2",
    space: Space = "pixel",
    *,
    eps_min: float = LOWEST,
    eps_max: float | None = None,
    tolerance: float = 1e-2,
    subset: Subset = None,
    batch_size: int = 1000,
) -> CertifiedSizes:
    """Lower bound of the smallest perturbation that changes the prediction of each image: see `Certificate`.

    Together with `critical_size`, an upper bound, it encloses the true size.  If the certified median of one network
    is above the median critical size of another, the order of the true medians is proved.  The bound also covers
    perturbed images outside [0, 1], which makes it smaller than necessary, not wrong.

    The bound is about the network as it computes: rounding errors in its own format are bounded a priori over the
    whole ball, for any order of summation, and subtracted from the margins.  That takes a network that computes its
    declared layers one after the other in the format of its weights; where it computes them in another way (a
    low-rank product, half precision inside), rounding is known at the images only.

    Args:
        net: a module that declares its layers: one hidden layer relu^n, n >= 1, perhaps a BatchNorm, and a linear
            read-out.
        test, subset, batch_size: as in `curve`.
        space: "pixel", for a network without a unit norm; "unit": points `net.norm(image)`.
        eps_min, eps_max: smallest and largest size; by default up to the diameter of [0, 1]^inputs.
        tolerance: relative accuracy.

    Raises:
        InputError: a network without a certificate, settings out of range.

    >>> net = torch.nn.Sequential(torch.nn.Flatten(), *(torch.nn.Linear(2, 2, bias=False) for _ in range(2)))
    >>> net = net.insert(2, torch.nn.ReLU())
    >>> for layer in (net[1], net[3]):
    ...     _ = layer.weight.data.copy_(torch.eye(2))
    >>> test = Images(torch.tensor([[0.6, 0.4], [0.5, 0.9]]).reshape(2, 1, 1, 2), torch.tensor([0, 1]))
    >>> certified_size(net, test, "linf", tolerance=1e-3).eps.round(decimals=2)
    tensor([0.1000, 0.2000], dtype=torch.float64)

    Source: Zhang et al. 2018 (arXiv 1811.00866), CROWN; the search over eps as there, section 4.
    """
    test = Images.of(test, "test")
    admit(certified_size, locals())
    check_norm(norm)
    eps_max = diameter(norm, test.inputs) if eps_max is None else float(eps_max)
    if not 0 < eps_min < eps_max < float("inf") or not 1e-6 <= tolerance < 1:
        raise InputError(
            "certified sizes: a setting is out of range",
            got=f"eps {eps_min} .. {eps_max}, tolerance {tolerance}",
            wanted="0 < eps_min < eps_max < inf, tolerance 1e-6 .. 1",
        )
    subject = Subject(net, test, space, subset, batch_size=batch_size)
    grid = Ladder.geometric(eps_min, eps_max, tolerance).values
    found, dtype = [torch.zeros(0, dtype=torch.float64)], ""
    with borrowed(subject.model.logits), torch.no_grad():
        for batch in subject.batches("certified sizes", Bounds.none()):
            proof = certificate(net, space, batch.x)
            if proof is None:
                raise InputError(
                    "nothing can be proved about this network",
                    got=f"{type(net).__name__} in {space} space",
                    wanted="one hidden layer relu^n, n >= 1, and a linear read-out (`as_layers` or an nn.Sequential)",
                    fix="space='unit' for a network with a unit norm; else critical_size with several attacks",
                )
            dtype = str(proof.dtype).removeprefix("torch.")
            rungs = proof.rungs(batch.x, batch.goal.y, grid, norm).cpu()
            found.append(torch.where(rungs > 0, grid[(rungs - 1).clamp_min(0)], 0.0))
    return CertifiedSizes(
        index=subject.attacked(),
        eps=host(torch.cat(found)),
        n=subject.n,
        n_correct=subject.n_correct,
        norm=norm,
        space=space,
        tolerance=tolerance,
        dtype=dtype,
        groups=subject.groups(subject.correct),
        wrong_groups=subject.groups(~subject.correct),
    )
