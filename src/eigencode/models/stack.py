"""A sequential network of named layers that can be evaluated from any layer to any later one."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from eigencode.base.border import Admitted
from eigencode.base.errors import InputError, nearest
from eigencode.representation._run import sequential
from eigencode.representation.layers import OneLayer, chain_to


class Stack(Admitted, nn.Module):
    """Sequential network of named layers.  Takes pixels in [0, 1], returns the output of the last layer.

    Every name is a child of the module and a place for `ec.at`; `run` computes the layers between two of them.
    If the first layer is called `norm`, its output space is the unit space of the network (`space="unit"`).

    Args:
        layers: the layers by name, in order; at least one.
        shape: shape C H W of the images; others are refused.  None: no check.
        places: further names of layers, e.g. `{"latent": "activation"}`.
        spec: the arguments of the builder function, for `models.save`; None for a stack put together by hand.

    >>> import torch
    >>> net = Stack({"flat": nn.Flatten(), "hidden": nn.Linear(4, 3), "relu": nn.ReLU()}, places={"latent": "relu"})
    >>> x = torch.rand(5, 1, 2, 2)
    >>> net.run(x, until="hidden").shape
    torch.Size([5, 3])
    >>> bool((net.run(net.run(x, until="hidden"), after="hidden") == net(x)).all())
    True
    """

    def __init__(
        self,
        layers: Mapping[str, nn.Module],
        *,
        shape: tuple[int, int, int] | None = None,
        places: Mapping[str, str] | None = None,
        spec: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.places = dict(places or {})
        self.spec = spec
        for name, layer in layers.items():
            self.add_module(name, layer)
        unknown = [place for place in self.places.values() if place not in layers]
        if not layers or unknown:
            raise InputError(
                "Stack: no layers" if not layers else "Stack: a place that names no layer",
                got=unknown or layers,
                wanted="at least one layer, and places that name layers",
            )

    @sequential
    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)

    def run(self, x: Tensor, *, after: str | None = None, until: str | None = None) -> Tensor:
        """Apply the layers behind `after`, up to and including `until`, to `x`; all layers by default.

        Raises:
            InputError: no such layer, `until` before `after`, or images of the wrong shape.
        """
        names = list(self._modules)
        first = 0 if after is None else self._position(after) + 1
        last = len(names) if until is None else self._position(until) + 1
        if last < first:
            raise InputError(
                "Stack.run: `until` comes before `after`",
                got=f"after={after!r}, until={until!r}",
                wanted="layers in the order in which they run",
            )
        if first == 0 and self.shape is not None and (x.ndim != 4 or tuple(x.shape[1:]) != self.shape):
            raise InputError(
                "the images do not fit this network",
                got=tuple(x.shape),
                wanted=f"(N, {', '.join(map(str, self.shape))})",
                fix="build the network on the data set it is used with",
            )
        for name in names[first:last]:
            x = self.get_submodule(name)(x)
        return x

    def as_layers(self, place: str) -> tuple[OneLayer, ...] | None:
        """The layers from `norm` (or the images) to `place`, if closed forms of `geometry` and `penalties` apply."""
        return chain_to(self, place)

    def _position(self, name: str) -> int:
        names = list(self._modules)
        found = self.places.get(name, name)
        if found not in names:
            known = [*names, *self.places]
            raise InputError("no such layer", got=name, wanted=", ".join(known), fix=nearest(name, known))
        return names.index(found)
