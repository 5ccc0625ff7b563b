"""Mistakes of a study that are found before anything runs."""

from collections.abc import Sequence

from eigencode.base.errors import StudyError, nearest
from eigencode.data.catalogue import TABLE
from eigencode.robustness.protocol import Perturbation
from eigencode.study.catalogue import make
from eigencode.study.choice import Choice
from eigencode.study.config import Claim, Deviation, Model, Study, Supervised
from eigencode.study.departures import departures, differences
from eigencode.study.quantities import DATA_ITSELF, certified_name, critical_name, details, measured, names
from eigencode.study.steps.published import attack
from eigencode.training.schedule import Schedule

OF_OTHER_KIND = {"krotov_hopfield": ("batch_norm",), "perceptron": ("p", "radius", "spread")}
"""Settings of a model that the networks of a kind do not have."""

PLACES = ("input", "encoder", "latent", "logits", "batch_norm")


def check(study: Study) -> None:
    """Names and settings that only the plugin folders know, places that no network has, names used twice, claims that
    cannot be judged, deviations that are more than one.

    Raises:
        StudyError: the first mistake.
    """
    for label, model in study.models.items():
        if label == DATA_ITSELF:
            raise StudyError(f"a model may not be called {DATA_ITSELF!r}: that is the data's own row")
        if model.local is not None and model.kind != "krotov_hopfield":
            raise StudyError(f"models.{label}: local training needs kind = 'krotov_hopfield'", got=model.kind)
        for name in OF_OTHER_KIND[model.kind]:
            if (value := getattr(model, name)) != Model.model_fields[name].default:
                raise StudyError(f"models.{label}: a {model.kind} network has no such setting", got=f"{name} = {value}")
        if model.prune and model.local is None:
            raise StudyError(f"models.{label}: nothing to prune without local training")
        if "D6" in model.published and not model.prune:
            raise StudyError(f"models.{label}: D6 is about pruning", wanted="prune = true")
        if "D17" in model.published and not model.batch_norm:
            raise StudyError(f"models.{label}: D17 is about BatchNorm", wanted="batch_norm = true")
        if model.local is not None:
            make("rules", model.local.rule, p=model.p, radius=model.radius)
        if model.supervised is not None:
            _check_supervised(label, model.supervised)
    for c in study.critical:
        _check_attack(c.attack, c.published, on_grid=c.grid is not None)
        if c.published and c.grid is None:
            got, wanted = ", ".join(c.published), "grid = { eps = [1e-6, 8.25], points = 400 }, say"
            raise StudyError("a published critical size without the grid it is defined on", got=got, wanted=wanted)
    for v in study.curves:
        _check_attack(v.attack, v.published, on_grid=bool(v.published))
    for kind, place in [("spectra", s.place) for s in study.spectra] + [
        ("landscapes", m.place) for m in study.landscapes
    ]:
        if place not in PLACES:
            raise StudyError(f"{kind}.place is unknown", got=place, fix=nearest(place, PLACES))
    for claim in study.claims:
        _check_claim(study, claim)
    for deviation in study.deviations:
        _check_deviation(study, deviation)
    several: dict[str, Sequence[object]] = {
        "seeds": study.seeds,
        "data": study.datasets,
        "quantities": names(study),
    }
    for kind, values in several.items():
        if not values and study.models:
            raise StudyError(f"the study has no {kind}", wanted="at least one")
        twice = sorted({str(v) for v in values if values.count(v) > 1})
        if twice:
            fix = "give each measurement a `name`" if kind == "quantities" else f"name each of the {kind} once"
            raise StudyError(f"the same name twice among the {kind}", got=", ".join(twice), fix=fix)


def _check_attack(chosen: Choice, published: tuple[str, ...], on_grid: bool) -> None:
    if on_grid:
        attack(chosen.model_dump(), published)
    else:
        make("robustness", chosen)


def _check_supervised(label: str, plan: Supervised) -> None:
    for penalty in plan.penalties:
        make("penalties", penalty)
    Schedule(**plan.schedule.model_dump())
    if plan.adversarial is not None and not isinstance(make("robustness", plan.adversarial.attack), Perturbation):
        got, wanted = plan.adversarial.attack.name, "an attack of a given size, such as PGD"
        raise StudyError(f"models.{label}: this attack cannot be trained against", got=got, wanted=wanted)


def _check_claim(study: Study, claim: Claim) -> None:
    """A claim names what is measured, and says one thing."""
    models = [*claim.order, *(n for n in (claim.model, claim.other) if n)]
    _known(study, "claim", models, [q for q in (claim.quantity, claim.other_quantity) if q])
    against = [claim.other is not None, claim.value is not None].count(True)
    wrong = bool(claim.model) == bool(claim.order) or (claim.order and (against or len(claim.order) < 2))
    wrong = wrong or bool(claim.other_quantity and claim.other is None)
    if wrong or (claim.model and (against != 1 or (claim.comparison == "within" and claim.value is None))):
        raise StudyError(
            "a claim that cannot be judged",
            got=claim.statement,
            wanted="model with comparison and other or value; or an order of two models or more",
        )
    _check_bounds(study, claim)
    known = [*TABLE, *study.data]
    if claim.data and claim.data not in known:
        fix = nearest(claim.data, known)
        raise StudyError("a claim about unknown data", got=f"{claim.statement}: {claim.data}", fix=fix)
    shown = {d.id for d in study.deviations}
    for name in claim.explained_by:
        if name not in shown:
            wanted = f'an entry of [[deviations]] with id = "{name}"'
            raise StudyError(
                "a claim is explained by what is not shown", got=f"{claim.statement}: {name}", wanted=wanted
            )


def _check_bounds(study: Study, claim: Claim) -> None:
    """A certified and a found size bound each other only if both are L2 sizes of the same points."""
    pair = {claim.quantity, claim.other_quantity}
    for b in (b for b in study.certified if certified_name(b) in pair):
        for other in pair - {certified_name(b), ""}:
            found = next((c for c in study.critical if other == critical_name(c)), None)
            if found is None or (b.norm, found.space, found.images) != ("l2", "unit", b.images):
                got = f"{certified_name(b)} ({b.norm}, unit space, images = {b.images}) against {other}"
                wanted = 'a certified size with norm = "l2" and a critical size in unit space, of the same `images`'
                raise StudyError(f"these two sizes do not bound each other: {claim.statement}", got=got, wanted=wanted)


def _check_deviation(study: Study, deviation: Deviation) -> None:
    """It names what is measured, and its two numbers differ in this departure and in nothing else."""
    both = deviation.corrected, deviation.as_published
    _known(study, "deviation", [m for m, _ in both], [q for _, q in both])
    off, on = (departures(study, *place) for place in both)
    others = [text for text in (*on.ids ^ off.ids, *differences(on.rest, off.rest)) if text != deviation.id]
    if others or deviation.id not in on.ids - off.ids:
        raise StudyError(
            f"these two numbers do not show what {deviation.id} alone does",
            got=", ".join(sorted(others))
            or f"{deviation.id} is on in {'both' if deviation.id in on.ids else 'neither'}",
            wanted=f"the same model and measurement with and without {deviation.id}",
        )


def _known(study: Study, who: str, models: Sequence[str], quantities: Sequence[str]) -> None:
    known = [*measured(study), *details(study)]
    for name in quantities:
        if name not in known:
            fix = nearest(name, known)
            raise StudyError(f"a {who} about what is not measured", got=name, wanted=", ".join(known), fix=fix)
    rows = [*study.models, DATA_ITSELF]
    for name in models:
        if name not in rows:
            raise StudyError(f"a {who} about an unknown model", got=name, fix=nearest(name, rows))
