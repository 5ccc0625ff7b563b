"""A network with one logit as a network with two classes."""

import torch
from torch import Tensor, nn

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.models._wrapped import Wrapped


class TwoClasses(Wrapped):
    """`net` with its single logit z turned into the two logits [0, z]: class 1 where z > 0.

    The softmax of [0, z] is the sigmoid of z, so cross-entropy, confidence and decision boundary are those of a
    network that was trained on binary cross-entropy.  The places of `net` keep their names.

    Args:
        net: any `nn.Module` that returns one number per image, `N` or `N 1`, before the sigmoid.

    Raises:
        InputError: in use, another output.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    >>> x = torch.rand(3, 1, 2, 2)
    >>> bool((TwoClasses(net)(x)[:, 1:] == net(x)).all()), TwoClasses(net)(x).shape
    (True, torch.Size([3, 2]))
    """

    def __init__(self, net: nn.Module) -> None:
        admit(TwoClasses.__init__, locals())
        super().__init__(net)

    def forward(self, x: Tensor) -> Tensor:
        z: object = self.net(x)
        if not isinstance(z, Tensor) or z.shape not in ((len(x),), (len(x), 1)):
            raise InputError(
                f"{type(self.net).__name__} has no single logit",
                got=tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__,
                wanted=f"({len(x)},) or ({len(x)}, 1)",
                fix="leave out TwoClasses",
            )
        z = z.reshape(len(x), 1)
        return torch.cat([torch.zeros_like(z), z], 1)
