"""Rows that belong together (repeats, augmentations, frames of one film): groups, and variances over them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.arrays import Array
from eigencode.base.labels import numbered
from eigencode.base.types import Images

FEWEST = 10
"""Groups below which no interval is given: the variance between so few is hardly known."""


@dataclass(frozen=True)
class Groups:
    """Independent groups of dependent rows.

    Attributes:
        of_row: number of the group of every row, 0 .. count - 1.
        sizes: rows of every group.
    """

    of_row: Int[Tensor, " row"]
    sizes: Int[Tensor, " group"]

    @classmethod
    def of(cls, numbers: Int[Tensor, " row"] | None) -> "Groups | None":
        """Groups from one number per row; None if there are none, or if every row is a group of its own."""
        if numbers is None:
            return None
        _, of_row, sizes = torch.unique(numbers.cpu(), return_inverse=True, return_counts=True)
        return cls(of_row, sizes) if len(sizes) < len(of_row) else None

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.sizes)

    @property
    def effective(self) -> float:
        """Number of groups of equal size whose mean varies as much as theirs, (Σ m)² / Σ m² (Kish 1965).

        It is the number of groups if all have one size.

        >>> Groups(torch.tensor([0] * 8 + [1, 2]), torch.tensor([8, 1, 1])).effective
        1.5151515151515151
        """
        return int(self.sizes.sum()) ** 2 / int(self.sizes.square().sum())

    @property
    def too_few(self) -> str:
        """Why there is no interval; empty if there are enough groups.

        >>> Groups(torch.tensor([0, 0, 1]), torch.tensor([2, 1])).too_few
        '2 groups are too few for an interval'
        """
        said = f"{self.count} group{'s are' if self.count > 1 else ' is'} too few for an interval"
        if self.count >= FEWEST:
            said = (
                f"{self.count} groups of unequal size, which count as {self.effective:.1f}, are too few for an interval"
            )
        return said if self.effective < FEWEST else ""

    def told(self, interval: str) -> str:
        """Description of an interval over these groups, or why there is none."""
        return self.too_few or f"{interval} over {self.count} groups of images"

    def sums(self, values: Float[Tensor, "row *more"]) -> Float[Tensor, "group *more"]:
        """Sum of the values of each group."""
        total = values.new_zeros(self.count, *values.shape[1:])
        return total.index_add_(0, self.of_row.to(values.device), values)

    def variance(self, values: Float[Tensor, " row"]) -> float:
        """Variance of the mean of the values over new groups; NaN for a single group.

        G / (G − 1) Σ_g (Σ_{i∈g} (xᵢ − x̄))² / N², x̄ being the ratio of two sums over groups (Cochran 1977, eq. 9.7;
        Liang and Zeger 1986), with `effective` for G.

        >>> Groups(torch.tensor([0, 0, 1, 1]), torch.tensor([2, 2])).variance(torch.tensor([1.0, 1.0, 3.0, 3.0]))
        1.0
        """
        x = values.double()
        moved = self.sums(x - x.mean()).square().sum()
        if self.count == 1:
            return float("nan")
        return float(moved) / len(x) ** 2 * self.effective / (self.effective - 1)

    def at(self, index: Tensor) -> "Groups":
        """Groups of some of the rows."""
        _, of_row, sizes = torch.unique(self.of_row[index.cpu()], return_inverse=True, return_counts=True)
        return Groups(of_row, sizes)

    def some(self, wanted: int, most: int, generator: torch.Generator) -> Int[Tensor, " row"]:
        """Sorted numbers of the rows of random whole groups: `wanted` groups, but about `most` rows at most."""
        order = torch.randperm(self.count, generator=generator)
        taken = int((self.sizes[order].cumsum(0) <= most).sum())
        kept = torch.zeros(self.count, dtype=torch.bool)
        kept[order[: max(1, min(wanted, taken))]] = True
        return kept[self.of_row].nonzero()[:, 0]


def groups_of(given: Images | Array | None, groups: Array | None, rows: int) -> Int[Tensor, " row"] | None:
    """The number of the group of every row: from `groups`, or else those of `Images`; None if there are neither.

    >>> groups_of(None, ["a", "b", "a"], 3)
    tensor([0, 1, 0])
    """
    if groups is not None:
        return numbered(groups, rows)
    own = given.groups if isinstance(given, Images) else None
    return None if own is None else own.cpu()
