"""A module around somebody's network, whose places keep their names."""

from torch import nn

from eigencode.representation._place import aliases_of


class Wrapped(nn.Module):
    """Base of modules that change the input or the output of a network `net`, which is shared, not copied."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.training = net.training  # not `train()`, which would change the modes of its submodules

    @property
    def places(self) -> dict[str, str]:
        """The places of `net` under their own names."""
        names = {name: name for name, _ in self.net.named_modules(remove_duplicate=False) if name}
        return {name: f"net.{place}" for name, place in {**names, **aliases_of(self.net)}.items()}


def unwrapped(net: nn.Module) -> nn.Module:
    """The network itself, without what is around it.

    >>> unwrapped(Wrapped(Wrapped(nn.ReLU())))
    ReLU()
    """
    return unwrapped(net.net) if isinstance(net, Wrapped) else net
