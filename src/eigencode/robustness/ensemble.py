"""Several attacks on the same images: the worst case per image, with the time it will take said first."""

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.progress import clock
from eigencode.base.types import Images, Space
from eigencode.robustness.critical import CriticalSizes, critical_size
from eigencode.robustness.masking import Masking
from eigencode.robustness.minimal import MinimumNorm
from eigencode.robustness.protocol import Perturbation
from eigencode.robustness.subject import Subject, Subset

WORTH_SAYING = 10.0


def worst_case(results: Sequence[CriticalSizes]) -> CriticalSizes:
    """Per image the nearest adversarial image of several attacks in one norm; censored where all of them failed.

    `evaluations` and `gradients` are sums; `attack` lists all attacks.

    Raises:
        InputError: other images, norms or spaces.
    """
    if not results:
        raise InputError("no result to take the worst case of")
    first = results[0]
    for other in results[1:]:
        if (other.norm, other.space) != (first.norm, first.space) or not torch.equal(other.index, first.index):
            raise InputError(
                "these results are not of the same images in the same norm and space",
                got=f"{other.attack}: {other.norm}, {other.space}, {len(other.index)} images",
                wanted=f"{first.norm}, {first.space}, {len(first.index)} images as in {first.attack}",
            )
    lost = torch.stack([torch.where(r.censored, torch.inf, r.distance) for r in results])
    best = lost.argmin(0)

    def of_best(name: str) -> Float[Tensor, " image"]:
        return torch.stack([getattr(r, name) for r in results]).gather(0, best[None])[0]

    return dataclasses.replace(
        first,
        eps=of_best("eps"),
        size=of_best("size"),
        distance=of_best("distance"),
        censored=torch.stack([r.censored for r in results]).all(0),
        attack="worst of: " + "; ".join(r.attack for r in results),
        eps_max=max(r.eps_max for r in results),
        tolerance=max(r.tolerance for r in results),
        evaluations=sum(r.evaluations for r in results),
        gradients=sum(r.gradients for r in results),
    )


def ensemble(
    net: object,
    test: Images,
    attacks: Sequence[Perturbation | MinimumNorm],
    space: Space = "pixel",
    *,
    subset: Subset = None,
    eps_max: float | None = None,
    seed: int = 0,
    batch_size: int = 1000,
    say: Callable[[str], None] | None = None,
) -> CriticalSizes:
    """`critical_size` by each attack (all of one norm), and the smallest per image.

    Args:
        net, test, space, subset, eps_max, seed, batch_size: as in `critical_size`.
        attacks: the attacks, e.g. `[PGD("l2"), DDN(), Foolbox("CW"), Foolbox("BB")]`.
        say: where the estimated time goes if it is over ten seconds; by default standard error, if a person watches.
    """
    if len({a.norm for a in attacks}) != 1:
        raise InputError(
            "an ensemble needs attacks of one norm", got=[a.norm for a in attacks], wanted="one or more, one norm"
        )
    seconds = sum(estimated_seconds(net, test, a, space, subset=subset, seed=seed) for a in attacks)
    if seconds > WORTH_SAYING:
        (say or _tell)(f"{len(attacks)} attacks, about {clock(seconds)}")
    results: list[CriticalSizes] = []
    check: bool | Masking = True
    for attack in attacks:
        result = critical_size(
            net,
            test,
            attack,
            space,
            eps_max=eps_max,
            subset=subset,
            seed=seed,
            batch_size=batch_size,
            check=check,
        )
        results.append(result)
        check = result.masking if result.masking.n else check
    return worst_case(results)


def estimated_seconds(
    net: object,
    test: Images,
    attack: Perturbation | MinimumNorm,
    space: Space = "pixel",
    *,
    subset: Subset = None,
    seed: int = 0,
    pilot: int = 8,
) -> float:
    """About how long `critical_size` takes: a pilot run on a few images, scaled to all that would be attacked.

    An upper estimate, since larger batches cost less per image.
    """
    todo = Subject(net, test, space, subset).attacked()
    if len(todo) <= pilot:
        return 0.0
    chosen = todo[torch.linspace(0, len(todo) - 1, pilot).long()]
    began = time.perf_counter()
    critical_size(net, test, attack, space, subset=chosen, seed=seed, check=False)
    return (time.perf_counter() - began) * len(todo) / pilot


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(line + "\n")
