"""A network with test images: which of them it classifies correctly, and these in batches."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.inputs import at_least
from eigencode.base.progress import progress
from eigencode.base.types import Bounds, Images, Space
from eigencode.representation._foreign import probabilities, watch
from eigencode.representation._modes import borrowed, device_of
from eigencode.representation.at import logits_of
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle

LEAST = 250
Subset = Tensor | Sequence[int] | None


@dataclass(frozen=True)
class Batch:
    """A batch of correctly classified images as points of the space."""

    index: Int[Tensor, " n"]
    x: Tensor
    goal: Goal
    draws: Draws


class Subject:
    """A network on test images: the images considered (`index`), those classified correctly (`correct`), batches.

    Arguments as in `curve`.  With `examine` it warns of a network that mixes the images of a batch.  `squashed` is
    True if all outputs are probabilities.
    """

    def __init__(
        self,
        net: object,
        test: Images | Array,
        space: Space,
        subset: Subset = None,
        target: Int[Tensor, " n"] | None = None,
        seed: int = 0,
        batch_size: int = 1000,
        examine: bool = True,
    ) -> None:
        at_least(1, batch_size=batch_size)
        test = Images.of(test, "test")
        logits, self.points = logits_of(net, space)
        self.net, self.test, self.space, self.target = net, test, space, target
        self.seed, self.batch_size = seed, int(batch_size)
        self.model = Oracle(logits, net)
        self.index = chosen(subset, len(test))
        if target is not None and (target.shape != test.y.shape or bool((target == test.y).any())):
            raise InputError("targets do not fit", wanted="one class per image of the data set, never its own label")
        if examine:
            with borrowed(self.model.logits), torch.no_grad():
                watch(self.model.logits, self._points(self.index[:2]), batch_size)
        self.squashed = True
        self.correct = self._correct()

    @property
    def n(self) -> int:
        """Number of images considered."""
        return len(self.index)

    @property
    def n_correct(self) -> int:
        """Number of images classified correctly without perturbation."""
        return int(self.correct.sum())

    def attacked(self) -> Int[Tensor, " n_correct"]:
        """Numbers, in the data set, of the images considered and classified correctly."""
        return self.index[self.correct]

    def groups(self, kept: Bool[Tensor, " n"]) -> Int[Tensor, " m"] | None:
        """Numbers of the groups of some of the images considered; None if the images are independent."""
        numbers = self.test.groups
        return None if numbers is None else numbers.cpu()[self.index[kept]]

    def batches(self, label: str, bounds: Bounds) -> Iterator[Batch]:
        """Iterate over the correctly classified images; if many, in at least four batches for the progress bar."""
        attacked = self.attacked()
        size = min(self.batch_size, max(LEAST, math.ceil(len(attacked) / 4)))
        parts = torch.split(attacked, size) if len(attacked) else ()
        for index in progress(parts, label):
            with torch.no_grad():
                x = self._points(index)
            if not bounds.contains(x):
                raise InputError(
                    f"the points of {self.space} space leave the box of the attack",
                    got=f"{float(x.min()):.4g} .. {float(x.max()):.4g}",
                    wanted=f"{bounds.lower} .. {bounds.upper}",
                    fix="measure in pixel space, where every image lies in [0, 1]",
                )
            x = bounds.clip(x)
            target = None if self.target is None else self.target[index].to(x.device)
            goal = Goal(self.test.y[index].to(x.device), target)
            yield Batch(index, x, goal, Draws(self.seed, index.tolist()))

    def _points(self, index: Tensor) -> Tensor:
        x: Tensor = self.points(self.test[index].x.to(device_of(self.net, self.test.pixels.device)))
        return x

    @torch.no_grad()
    def _correct(self) -> Bool[Tensor, " n"]:
        right = []
        with borrowed(self.model.logits):
            for index in torch.split(self.index, self.batch_size):
                y = self.test.y[index]
                x = self._points(index)
                logits = self.model(x)
                if logits.shape[1] <= int(y.max()):
                    raise InputError(
                        "the network has fewer classes than the labels",
                        got=f"{logits.shape[1]} logits, label {int(y.max())}",
                        wanted="one logit per class",
                        fix="ec.Images(x, y - 1), if labels begin at 1; else a network with as many outputs",
                    )
                self.squashed = self.squashed and probabilities(logits)
                right.append(logits.argmax(1).cpu() == y.cpu())
        return torch.cat(right)


def common_correct(nets: Sequence[object], test: Images | Array, space: Space = "pixel") -> Int[Tensor, " m"]:
    """Indices of the images that all `nets` classify correctly, as the `subset` for a fair comparison.

    >>> test = Images(torch.rand(4, 1, 1, 2).add(0.1).clamp(max=1), torch.tensor([0, 1, 0, 1]))
    >>> always_0 = lambda x: torch.tensor([[1.0, 0.0]]).expand(len(x), 2)
    >>> common_correct([always_0], test)
    tensor([0, 2])
    """
    admit(common_correct, locals())
    if not nets:
        raise InputError("no network to compare", wanted="at least one")
    test = Images.of(test, "test")
    right = torch.stack([Subject(net, test, space).correct for net in nets]).all(0)
    return right.nonzero()[:, 0]


def chosen(subset: Subset, n: int) -> Int[Tensor, " m"]:
    """Convert a boolean mask, a list of indices, or None (all `n`) to sorted indices."""
    if subset is None:
        return torch.arange(n)
    picked = torch.as_tensor(subset).cpu()
    if picked.dtype == torch.bool and picked.shape == (n,):
        picked = picked.nonzero()[:, 0]
    good = picked.ndim == 1 and len(picked) and not picked.is_floating_point() and picked.dtype != torch.bool
    if not good or int(picked.min()) < 0 or int(picked.max()) >= n or len(torch.unique(picked)) != len(picked):
        raise InputError(
            "subset does not fit the images",
            got=f"{tuple(picked.shape)} of {picked.dtype}",
            wanted=f"a mask of {n}, or different indices in 0..{n - 1}, at least one",
        )
    return picked.long().sort().values
