"""Restrict a study to some of its models; a later run of the whole study reuses their steps."""

from collections.abc import Sequence

from eigencode.base.border import admit
from eigencode.base.errors import StudyError, nearest
from eigencode.study._measurements import DATA_ITSELF
from eigencode.study.config import Claim, Study


def part(study: Study, models: Sequence[str]) -> Study:
    """Return the study with these models only, without claims and deviations about others; its order is kept.

    Relations are about all models, so they and the claims about them are left out if a model is.

    All other settings are kept, so the steps have the same keys and the numbers the same names as in the whole study;
    what none of these models has the place for is not measured.

    Raises:
        StudyError: a model that the study does not have, or no model.
    """
    admit(part, locals())
    for name in models:
        if name not in study.models:
            known = list(study.models)
            raise StudyError(
                f"the study has no model {name}", got=name, wanted=", ".join(known), fix=nearest(name, known)
            )
    if not models:
        raise StudyError("no model is left of the study", wanted=", ".join(study.models))
    here, whole = {*models, DATA_ITSELF}, set(models) == set(study.models)
    deviations = tuple(d for d in study.deviations if {d.model, d.as_published[0]} <= here)
    shown = {d.id for d in deviations}
    claims = tuple(
        c.model_copy(update={"explained_by": tuple(i for i in c.explained_by if i in shown)})
        for c in study.claims
        if _models(c) <= here and (whole or not c.relation)
    )
    kept = {name: model for name, model in study.models.items() if name in models}
    changed = {"models": kept, "claims": claims, "deviations": deviations}
    found = study.model_copy(update=changed if whole else {**changed, "relations": ()})
    found._left_out = (*study._left_out, *(m for name, m in study.models.items() if name not in kept))
    return found


def _models(claim: Claim) -> set[str]:
    return {name for name in (claim.model, claim.other, *claim.order) if name}
