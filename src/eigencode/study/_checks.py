"""Check a study for mistakes before anything runs."""

import inspect
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from eigencode.base.errors import InputError, StudyError, nearest
from eigencode.data.catalogue import TABLE
from eigencode.models.files import builder
from eigencode.models.layers import UnitNorm
from eigencode.models.local_network import initialise, local_layers
from eigencode.representation.at import at
from eigencode.robustness.protocol import Perturbation
from eigencode.study._architecture import ARGUMENTS, architecture, built, smallest
from eigencode.study._catalogue import make
from eigencode.study._choice import Choice
from eigencode.study._course import EXTREMES, about
from eigencode.study._extensions import extensions, variants
from eigencode.study._measurements import DATA_ITSELF, details, measured, measurements, names
from eigencode.study.config import SHORTHAND, Claim, Local, Model, Study, Supervised
from eigencode.study.relations._checks import check_claim_about_relation, check_relations
from eigencode.training.readout import readout_layer

ONE_LAYER_ONLY = ("units", "p", "n", "radius", "spread", "norm_p", "batch_norm", "activation", "dropout")
"""Settings of a model with one hidden layer; other kinds and a `factory` of one's own have `settings` instead."""

INAPPLICABLE = {
    "krotov_hopfield": ("batch_norm", "activation", "dropout"),
    "perceptron": ("p", "radius", "spread"),
    **dict.fromkeys(ARGUMENTS, ONE_LAYER_ONLY),
}
"""Settings of a model that do not apply to networks of a kind."""


def check(study: Study) -> None:
    """Check names and settings of plugins, places, duplicate names and claims, and run the checks of extensions.

    Raises:
        StudyError: the first mistake.
    """
    for label, model in study.models.items():
        _check_model(label, model)
    _check_spaces(study)
    check_relations(study)
    for claim in study.claims:
        _check_claim(study, claim)
    known = list(variants())
    for name in (d.id for d in study.deviations if d.id not in known):
        raise StudyError("a deviation of an unknown id", got=name, wanted=", ".join(known), fix=nearest(name, known))
    for extension in extensions():
        if extension.check is not None:
            extension.check(study)
    unique: dict[str, Sequence[object]] = {
        "seeds": study.seeds,
        "data": study.datasets,
        "quantities": names(study),
    }
    for kind, values in unique.items():
        if not values and study.models:
            raise StudyError(f"the study has no {kind}", wanted="at least one")
        duplicates = sorted({str(v) for v in values if values.count(v) > 1})
        if duplicates:
            fix = "give each measurement a `name`" if kind == "quantities" else f"name each of the {kind} once"
            raise StudyError(f"the same name twice among the {kind}", got=", ".join(duplicates), fix=fix)


def _check_spaces(study: Study) -> None:
    """Raise `StudyError` if a measure in unit space is asked of a network that does not start with a norm."""
    for p in (p for p in measurements(study) if p.measure.needs_norm):
        for label, model in ((label, m) for label, m in study.models.items() if p.fits(m)):
            try:
                at(smallest(model), "logits", "unit")
            except InputError:
                wanted = "a network whose first layer is a child `norm`"
                raise StudyError(
                    f"{p.name}: models.{label} has no unit space", got=label, wanted=wanted, fix='space = "pixel"'
                ) from None


def _check_model(label: str, model: Model) -> None:
    if label == DATA_ITSELF:
        raise StudyError(f"a model may not be called {DATA_ITSELF!r}: the name stands for the images themselves")
    for name in ONE_LAYER_ONLY if model.factory else INAPPLICABLE[model.kind]:
        if (value := getattr(model, name)) != Model.model_fields[name].default:
            kind = model.factory or f"a {model.kind} network"
            raise StudyError(f"models.{label}: {kind} has no such setting", got=f"{name} = {value}")
    if model.activation == "tanh" and model.n is not None:
        raise StudyError(f"models.{label}: tanh has no power n", got=f"n = {model.n:g}", fix="leave out `n`")
    if model.settings and not model.factory and model.kind not in ARGUMENTS:
        wanted = f"kind = {' or '.join(map(repr, ARGUMENTS))}, or a `factory` of your own"
        raise StudyError(f"models.{label}: a {model.kind} network has no `settings`", got=model.settings, wanted=wanted)
    if not model.factory and model.kind in ARGUMENTS:
        _check_arguments(label, model)
    if model.weights and not model.factory:
        raise StudyError(
            f"models.{label}: weights of a built-in network are trained, not read",
            got=f"weights = {model.weights!r}",
            wanted="a `factory` that builds the network they belong to",
        )
    if model.weights and not Path(model.weights).expanduser().is_file():
        raise StudyError(
            f"models.{label}: there is no such file of weights",
            got=str(Path(model.weights).expanduser().absolute()),
            wanted="a path relative to the working directory, or an absolute one",
        )
    if model.prune and (model.local is None or model.factory or model.kind != "krotov_hopfield"):
        wanted = "kind = 'krotov_hopfield' with local training"
        raise StudyError(f"models.{label}: nothing to prune", got=model.factory or model.kind, wanted=wanted)
    if model.readout_n is not None:
        _check_readout_n(label, model)
    for name in model.published:
        variant = variants().get(name)
        if variant is None or variant.network is None:
            known = [n for n, v in variants().items() if v.network is not None]
            raise StudyError(f"models.{label}.published: not a variant of a model", got=name, wanted=", ".join(known))
        if variant.needs and not getattr(model, variant.needs):
            raise StudyError(f"models.{label}: {name} needs {variant.needs}", wanted=f"{variant.needs} = true")
    if model.local is not None:
        _check_local(label, model, model.local)
    elif model.radius != Model.model_fields["radius"].default:
        raise StudyError(f"models.{label}: `radius` is for local training, and there is none", got=model.radius)
    if model.supervised is not None:
        _check_supervised(label, model, model.supervised)
    if model.ridge is not None:
        try:
            readout_layer(built(architecture(model)), model.ridge.at)
        except InputError as error:
            raise StudyError(f"models.{label}.ridge: {error}") from None
    if model.supervised is not None and model.ridge is not None:
        got, wanted = f"models.{label}.supervised and models.{label}.ridge", "one of them"
        raise StudyError(f"models.{label}: two ways to train its read-out", got=got, wanted=wanted)


def _check_readout_n(label: str, model: Model) -> None:
    """A layer trained before its rectifier changes, and measured at no moment between."""
    if model.local is None or model.factory or model.kind != "krotov_hopfield":
        raise StudyError(
            f"models.{label}: `readout_n` is the power of the rectifier after local training",
            got=model.factory or model.kind,
            wanted="kind = 'krotov_hopfield' with local training",
        )
    if model.local.snapshots:
        raise StudyError(
            f"models.{label}: the snapshots of a local training have the power `n`, not `readout_n`",
            got=f"readout_n = {model.readout_n:g}",
            wanted="no snapshots in `local`, or no `readout_n`",
        )


def _check_arguments(label: str, model: Model) -> None:
    """Arguments that the function which builds the network takes."""
    known = [n for n in inspect.signature(builder(model.kind)).parameters if n not in ("train", "seed")]
    for name in model.settings:
        if name not in known:
            wanted, fix = ", ".join(known), nearest(name, known)
            raise StudyError(f"models.{label}.settings: models.{model.kind} has no {name}", wanted=wanted, fix=fix)
    try:
        built(architecture(model))
    except (InputError, TypeError) as error:
        raise StudyError(f"models.{label}.settings: {error}") from None


def _check_local(label: str, model: Model, local: Local) -> None:
    """Local layers to train, and a rule that fits them and draws their initial weights."""
    net = built(architecture(model))
    if not local_layers(net):
        wanted = "layers such as models.LocalConv2d, as in kind = 'krotov_hopfield'"
        raise StudyError(f"models.{label}: local training of a network without local layers", wanted=wanted)
    if local.rule is None:
        return
    if model.spread != Model.model_fields["spread"].default:
        raise StudyError(
            f"models.{label}: a rule draws the initial weights of a network that it trains",
            got=f"spread = {model.spread}",
            fix=f"--set models.{label}.spread=1.0 --set models.{label}.local.rule={_toml(local.rule, model.spread)}",
        )
    try:
        for name, layer in local_layers(net).items():
            rule = make("rules", local.rule, **layer.rule.layer_settings)  # type: ignore[arg-type]
            initialise(net, rule, at=name)
            rule.rows(torch.ones(1, layer.weight.shape[1]), layer.weight.detach())
    except InputError as error:
        raise StudyError(f"models.{label}.local.rule: {error}") from None


def _toml(rule: Choice, spread: float) -> str:
    """A rule with another spread, as an override writes it."""
    entries = {"name": rule.name, **rule.settings(), "spread": spread}
    return "{" + ",".join(f"{k}={json.dumps(v)}" for k, v in entries.items()) + "}"


def _check_supervised(label: str, model: Model, plan: Supervised) -> None:
    for penalty in plan.penalties:
        make("penalties", penalty)
    if plan.adversarial is not None and plan.adversarial.space == "unit":
        first = next((layer for _, layer in smallest(model).named_children()), None)
        if not isinstance(first, UnitNorm):
            where, fix = f"models.{label}.supervised.adversarial", "space = 'pixel'"
            raise StudyError(f"{where}: no unit space", got="a network that does not start with a UnitNorm", fix=fix)
    if plan.adversarial is not None and not isinstance(make("robustness", plan.adversarial.attack), Perturbation):
        got, wanted = plan.adversarial.attack.name, "an attack of a given size, such as PGD"
        raise StudyError(f"models.{label}: this attack cannot be trained against", got=got, wanted=wanted)


def _check_claim(study: Study, claim: Claim) -> None:
    """Refuse a claim about unknown names, and one that does not state exactly one comparison."""
    if claim.relation or claim.effect or claim.predictor:
        check_claim_about_relation(study, claim)
    else:
        _check_comparison(study, claim)
    known = [*TABLE, *study.data]
    if claim.data and claim.data not in known:
        fix = nearest(claim.data, known)
        raise StudyError("a claim about unknown data", got=f"{claim.statement}: {claim.data}", fix=fix)
    shown = {d.id for d in study.deviations}
    for name in claim.explained_by:
        if name not in shown:
            wanted = f'an entry of [[deviations]] with id = "{name}"'
            raise StudyError(
                "a claim is explained by a departure the study does not show",
                got=f"{claim.statement}: {name}",
                wanted=wanted,
            )


def _check_comparison(study: Study, claim: Claim) -> None:
    """Refuse a claim that does not compare models with one another or with a constant."""
    models = [*claim.order, *(n for n in (claim.model, claim.other) if n)]
    named = (claim.quantity, claim.other_quantity, claim.largest, claim.smallest)
    check_known(study, "claim", models, [q for q in named if q])
    against = [claim.other is not None, claim.value is not None].count(True)
    wrong = (
        not claim.quantity
        or bool(claim.model) == bool(claim.order)
        or (claim.order and (against or len(claim.order) < 2))
    )
    wrong = wrong or bool(claim.other_quantity and claim.other is None)
    wrong = wrong or bool(claim.order and (claim.share is not None or claim.chooses))
    wrong = wrong or bool(claim.largest and claim.smallest) or bool(claim.chooses and claim.share is not None)
    compares = claim.comparison != "within" or (claim.value is not None) > bool(claim.chooses)
    if wrong or (claim.model and (against != (not claim.chooses) or not compares)):
        raise StudyError(
            "a claim that cannot be judged",
            got=claim.statement,
            wanted="model with comparison and other or value; model with `largest` or `smallest`, > or <; or an order "
            "of two models or more",
        )
    _check_sizes(study, claim)


def _check_sizes(study: Study, claim: Claim) -> None:
    """Refuse to compare two sizes unless they are in one norm and space, of the same images."""
    if not claim.other_quantity:
        return
    found = {
        p.measure.quantity(p.name, what): p.measure.size_of(what)
        for p in measurements(study)
        for what in p.measure.names()
    }
    found |= {about(name, extreme): size for name, size in found.items() for extreme in EXTREMES}
    one, other = found.get(claim.quantity), found.get(claim.other_quantity)
    if one != other:
        got = f"{claim.quantity}: {_told(one)}; {claim.other_quantity}: {_told(other)}"
        wanted = "two sizes in the same norm and space, of the same images"
        raise StudyError(f"these two numbers cannot be compared: {claim.statement}", got=got, wanted=wanted)


def _told(size: tuple[str, ...] | None) -> str:
    return "no size" if size is None else ", ".join(size)


def check_moments(study: Study) -> None:
    """Refuse a measurement at snapshots if no model has any."""
    if any(model.has_snapshots for model in study.models.values()):
        return
    for table in (*SHORTHAND, "measure"):
        for i, entry in enumerate(getattr(study, table)):
            if entry.when:
                raise StudyError(
                    f"{table}.{i}.when: no model of the study has snapshots",
                    got=entry.when,
                    wanted='snapshots = "log:24", say, in `local` or `supervised` of a model',
                )


def check_known(study: Study, who: str, models: Sequence[str], quantities: Sequence[str]) -> None:
    """Refuse models and quantities that the study does not have."""
    known = [*measured(study), *details(study)]
    for name in quantities:
        if name not in known:
            fix = nearest(name, known)
            raise StudyError(
                f"a {who} about a quantity that is not measured", got=name, wanted=", ".join(known), fix=fix
            )
    rows = [*study.models, DATA_ITSELF]
    for name in models:
        if name not in rows:
            raise StudyError(f"a {who} about an unknown model", got=name, fix=nearest(name, rows))
