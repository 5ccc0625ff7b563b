"""Some of the models of a study: what fits today; the whole finds their steps finished."""

from collections.abc import Sequence

from eigencode.base.errors import StudyError, nearest
from eigencode.study._measurements import DATA_ITSELF
from eigencode.study.config import Claim, Study


def part(study: Study, models: Sequence[str]) -> Study:
    """The study with these models only, in its own order, without the claims and deviations that speak of others.

    Every other setting is kept, so the steps are those of the whole study.

    Raises:
        StudyError: a model the study does not have, or none at all.
    """
    for name in models:
        if name not in study.models:
            known = list(study.models)
            raise StudyError(
                f"the study has no model {name}", got=name, wanted=", ".join(known), fix=nearest(name, known)
            )
    if not models:
        raise StudyError("no model is left of the study", wanted=", ".join(study.models))
    here = {*models, DATA_ITSELF}
    deviations = tuple(d for d in study.deviations if {d.model, d.as_published[0]} <= here)
    shown = {d.id for d in deviations}
    claims = tuple(
        c.model_copy(update={"explained_by": tuple(i for i in c.explained_by if i in shown)})
        for c in study.claims
        if _models(c) <= here
    )
    kept = {name: model for name, model in study.models.items() if name in models}
    return study.model_copy(update={"models": kept, "claims": claims, "deviations": deviations})


def _models(claim: Claim) -> set[str]:
    return {name for name in (claim.model, claim.other, *claim.order) if name}
