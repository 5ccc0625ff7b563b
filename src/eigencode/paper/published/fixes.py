"""Which departures a published variant is asked to repair."""

from collections.abc import Collection, Iterable

from eigencode.base.errors import InputError, nearest


def fixes(fix: Iterable[str], known: Collection[str]) -> frozenset[str]:
    """The ids to repair, checked against those a variant has."""
    chosen = frozenset(fix)
    for name in chosen:
        if name not in known:
            raise InputError(
                "no such departure here", got=name, wanted=", ".join(known), fix=nearest(name, list(known))
            )
    return chosen
