"""Covariance spectra at many places of a network, in one pass over the images: `spectra_at(net, x, places)`."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.groups import Groups, groups_of
from eigencode.base.inputs import at_least, inputs_of
from eigencode.base.progress import progress
from eigencode.base.types import Images
from eigencode.representation._foreign import numbers, watch
from eigencode.representation._modes import borrowed
from eigencode.representation.at import PIXEL, Reader
from eigencode.representation.reduce import Reduce, named
from eigencode.spectra._arithmetic import arithmetic_errors
from eigencode.spectra._covariance import Accumulator, Scale
from eigencode.spectra._influence import rows_wanted, subsample
from eigencode.spectra._responses import of_rows
from eigencode.spectra.spectrum import Spectrum, assembled


def spectra_at(
    net: nn.Module,
    x: Images | Array,
    places: Sequence[str],
    *,
    start: str = PIXEL,
    reduce: Reduce = "flatten",
    interval: bool = True,
    batch_size: int = 1000,
    scale: Scale = "none",
    seed: int = 0,
    groups: Array | None = None,
) -> dict[str, Spectrum]:
    """Covariance spectra of several places, with one forward pass per batch for all of them.

    Args:
        net: any `nn.Module`; it is left unchanged.
        x: images `N C H W` in [0, 1].
        places, start, reduce: as in `between`.
        interval, batch_size, scale, seed, groups: as in `spectrum`.

    Returns:
        A `Spectrum` by place, equal to `spectrum(between(net, start, place, reduce), x)`.

    Raises:
        InputError: as `trace` and `spectrum`.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3))
    >>> {name: s.n_units for name, s in spectra_at(net, torch.rand(50, 1, 3, 3), ["1", "2", "logits"]).items()}
    {'1': 6, '2': 6, 'logits': 3}
    """
    admit(spectra_at, locals())
    at_least(1, batch_size=batch_size)
    reader = Reader(net, start, places, reduce)
    given, x = x, inputs_of(net, x)
    labels = groups_of(given, groups, len(x))
    seen = {place.name: Accumulator() for place in reader.targets}

    with borrowed(reader), torch.no_grad():
        watch(reader, reader.points(x[:2]), batch_size)

    def run(images: Tensor) -> dict[str, Tensor]:
        with borrowed(reader), torch.no_grad():
            return {name: numbers(z) for name, z in reader(reader.points(images)).items()}

    parts: dict[str, _Part] = {}
    rows: dict[str, list[Tensor]] = {name: [] for name in seen}
    for index in progress(torch.split(torch.arange(len(x)), int(batch_size)), f"responses at {len(seen)} places"):
        for name, z in run(x[index.to(x.device)]).items():
            seen[name].add(z)
            positions = len(z) // len(index)
            if name not in parts:
                parts[name] = _Part.of(labels, len(x), positions, z.shape[1], seed)
            if interval:
                rows[name].append(z[parts[name].images[index].repeat_interleave(positions).to(z.device)])
    errors = (arithmetic_errors(reader, x, int(batch_size), reader.points) or {}) if interval else {}
    found = {name: s.eigen(interval, scale).with_errors(errors.get(name)) for name, s in seen.items()}
    return {
        name: assembled(
            found[name],
            torch.cat(rows[name]) if interval else None,
            {"source": f"{name} of {type(net).__name__}", "space": reader.space, "reduce": named(reduce)},
            seed,
            parts[name].groups,
            parts[name].index,
        )
        for name in found
    }


@dataclass(frozen=True)
class _Part:
    """Rows of a place that are kept for its interval: their numbers, which images have them, and groups of all rows."""

    groups: Groups | None
    index: Tensor
    images: Tensor

    @classmethod
    def of(cls, labels: Tensor | None, images: int, positions: int, units: int, seed: int) -> "_Part":
        groups = Groups.of(of_rows(labels, images, positions))
        index = subsample(images * positions, rows_wanted(units), units, seed, groups)
        return cls(groups, index, torch.isin(torch.arange(images), index // positions))
