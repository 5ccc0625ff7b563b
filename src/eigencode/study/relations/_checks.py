"""Check relations, and the claims about them, before anything runs."""

from typing import NoReturn

from eigencode.base.errors import StudyError, nearest
from eigencode.study._measurements import details, measured
from eigencode.study.config import Claim, Study
from eigencode.study.relations._schema import BUILT_IN, FEWEST, JOINT


def check_relations(study: Study) -> None:
    """Refuse a relation of unknown quantities, of too few groups, or with the name of another.

    Raises:
        StudyError: the first of them.
    """
    known = [*measured(study), *details(study)]
    for i, relation in enumerate(study.relations):
        for v in relation.variables:
            names = known if v is relation.outcome else [*known, *BUILT_IN]
            if v.quantity not in names:
                _refuse("a relation of a quantity that is not measured", v.quantity, names)
        groups = list(dict.fromkeys(relation.group_of(name, m.family) for name, m in study.models.items()))
        if len(groups) < FEWEST:
            raise StudyError(
                f"a relation over too few groups: {relation.name}",
                got=f"{len(groups)}: {', '.join(groups)}",
                wanted=f'at least {FEWEST}, better a dozen: family = "..." of models, or groups = ["model"]',
            )
        if relation.name in [r.name for r in study.relations[:i]]:
            raise StudyError("two relations of the same name", got=relation.name, wanted="one name for each")


def check_claim_about_relation(study: Study, claim: Claim) -> None:
    """Refuse a claim about a relation that does not name one of its effects.

    Raises:
        StudyError: it does not.
    """
    found = {r.name: r for r in study.relations}
    if claim.relation not in found:
        _refuse("a claim about an unknown relation", claim.relation, list(found))
    relation = found[claim.relation]
    others = ("quantity", "model", "other", "other_quantity", "order", "share", "largest", "smallest")
    given = [name for name in others if getattr(claim, name) not in ("", None, ())]
    if given or claim.effect is None or (claim.comparison == "within" and claim.value is None):
        raise StudyError(
            "a claim about a relation that cannot be judged",
            got=f"{claim.statement}: {', '.join(given) or 'no effect, or within nothing'}",
            wanted="relation, effect, comparison and value, and a predictor if there are several; nothing about models",
        )
    if claim.predictor and claim.effect in JOINT:
        raise StudyError(
            f"{claim.effect} is a number of all predictors together",
            got=f"{claim.statement}: predictor = {claim.predictor}",
            wanted="a claim without `predictor`",
        )
    if claim.predictor and claim.predictor not in relation.known:
        _refuse(f"a claim about no predictor of the relation {relation.name}", claim.predictor, list(relation.known))


def _refuse(what: str, got: str, known: list[str]) -> NoReturn:
    raise StudyError(what, got=got, wanted=", ".join(known), fix=nearest(got, known))
