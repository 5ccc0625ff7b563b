"""Record the representations that penalties need during the forward pass of a training loop."""

from collections.abc import Iterable, Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.types import Space
from eigencode.penalties.protocol import Batch, Penalty, active
from eigencode.representation._place import Listener, resolve


class Watch:
    """Recorder of representations during the forward passes of a `with` block, made by `watch`."""

    def __init__(self, net: nn.Module, places: Iterable[str]) -> None:
        self.net = net
        self._listener = Listener([resolve(net, place) for place in dict.fromkeys(places)])

    @property
    def seen(self) -> dict[str, Tensor]:
        """The recorded tensors, by place."""
        return self._listener.seen

    def __enter__(self) -> "Watch":
        self._listener.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.__exit__(*error)

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
        """The batch of the last forward pass inside the block; see `Batch` for the arguments.

        Raises:
            InputError: a watched place was not reached, or with another number of images.
        """
        places, self._listener.seen = self.seen, {}
        logits = places.get("logits") if logits is None else logits
        for found in self._listener.places:
            place = found.name
            if found.shared and found.module is not None and self._listener.calls.get(found.module, 0) > 1:
                found.refuse_second_name()
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


def watch(net: nn.Module, penalties: Penalty | Sequence[Penalty | tuple[float, Penalty]]) -> Watch:
    """Record the representations that penalties need during the forward passes of a `with` block.

    Args:
        penalties: a penalty, a list of them, or a list of pairs (coefficient, penalty); those with coefficient 0 are
            not watched.

    Returns:
        A `Watch`, to be reused in every step:

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
    admit(watch, locals())
    given = [penalties] if isinstance(penalties, Penalty) else penalties
    kept = [p for _, p in active([(1.0, p) if isinstance(p, Penalty) else p for p in given])]
    return Watch(net, [p.place for p in kept if p.watches and p.place is not None])
