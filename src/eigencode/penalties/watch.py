"""Keep what a forward pass computes at the places penalties act on, so that nothing is computed twice."""

from collections.abc import Iterable, Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from eigencode.base.errors import InputError, nearest
from eigencode.base.types import Space
from eigencode.penalties.protocol import Batch, Penalty


class Watch:
    """Listens to a network inside a `with` block; `batch(...)` hands over what was seen.  Made by `watch`."""

    def __init__(self, net: nn.Module, places: Iterable[str]) -> None:
        self.net = net
        self.targets = {place: _submodule(net, place) for place in dict.fromkeys(places)}
        self.seen: dict[str, Tensor] = {}
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> "Watch":
        self.seen = {}
        self._handles = [module.register_forward_hook(self._keep(place)) for place, module in self.targets.items()]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def batch(
        self,
        x: Float[Tensor, "n *image"],
        y: Int[Tensor, " n"] | None = None,
        logits: Float[Tensor, "n classes"] | None = None,
        *,
        space: Space = "pixel",
        epoch: int | None = None,
        step: int | None = None,
        seed: int = 0,
    ) -> Batch:
        """The batch whose forward pass ran inside the block; see `Batch` for the arguments.

        Raises:
            InputError: a watched place was not reached, or saw another number of images.
        """
        places, self.seen = self.seen, {}
        logits = places.get("logits") if logits is None else logits
        for place in self.targets:
            if place not in places and not (place == "logits" and logits is not None):
                raise InputError(
                    f"no forward pass went through {place!r}",
                    wanted="logits = net(x) inside the `with` block, then .batch(x, y) once",
                )
            if place in places and len(places[place]) != len(x):
                raise InputError(
                    f"another batch went through {place!r}", got=f"{len(places[place])} rows", wanted=f"{len(x)} images"
                )
        return Batch(self.net, x, y, logits, places, space, epoch, step, seed)

    def _keep(self, place: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if not isinstance(output, Tensor):
                raise InputError(
                    f"the output at {place!r} is not a tensor",
                    got=type(output).__name__,
                    fix="name a submodule inside it",
                )
            self.seen.setdefault(place, output)  # a submodule that runs twice is read at its first call, as in `at`

        return hook


def watch(net: nn.Module, penalties: Penalty | Sequence[Penalty | tuple[float, Penalty]]) -> Watch:
    """Keep the representations these penalties need during the forward passes of a `with` block.

    Args:
        net: the network that is trained.
        penalties: a penalty, a list of them, or a list of pairs (coefficient, penalty); those with coefficient 0 are
            not watched.

    Returns:
        A `Watch`, to be used again for every step:

    >>> import torch, torch.nn.functional as F
    >>> from eigencode.penalties import Spectral
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 3))
    >>> x, y = torch.rand(20, 1, 4, 4), torch.arange(20) % 3
    >>> spectral = Spectral(alpha=1.0, place="2")
    >>> spectral.prepare(net, x)                                     # once per epoch, with all training images
    >>> with watch(net, spectral) as seen:
    ...     logits = net(x)
    >>> loss = F.cross_entropy(logits, y) + 0.1 * spectral(seen.batch(x, y, logits))
    >>> loss.backward()

    Raises:
        InputError: the network has no such place.
    """
    pairs = [penalties] if isinstance(penalties, Penalty) else list(penalties)
    kept = [p if isinstance(p, Penalty) else p[1] for p in pairs if isinstance(p, Penalty) or p[0] != 0]
    return Watch(net, [p.place for p in kept if p.watches and p.place is not None])


def _submodule(net: nn.Module, place: str) -> nn.Module:
    if place == "logits":
        return net
    modules: dict[str, nn.Module] = dict(net.named_modules())
    aliases: dict[str, str] = getattr(net, "places", {})
    name = "norm" if place == "input" else aliases.get(place, place)
    if not name or name not in modules:
        known = ["logits", *aliases, *(n for n in modules if n)]
        raise InputError(
            f"{type(net).__name__} has no place {place!r} to put a penalty on",
            got=place,
            wanted="logits, or the dotted name of a submodule",
            fix=nearest(place, known),
        )
    return modules[name]
