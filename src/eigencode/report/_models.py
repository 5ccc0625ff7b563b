"""One line about each model of a study: how it was made; and one about each term of its tables."""

from collections.abc import Iterable
from typing import Any

from eigencode.report._results import finished
from eigencode.study._measurements import DATA_ITSELF

RULES = {
    "krotovhopfield": "Krotov–Hopfield rule (units compete, no labels)",
    "krotovhopfieldsequential": "Krotov–Hopfield rule (units compete, no labels), image by image",
    "softhebb": "SoftHebb rule (soft winner-takes-all)",
    "hardwta": "hard winner-takes-all rule",
}

PENALTIES = {
    "lp": "a penalty on the size of its weights (weight decay)",
    "jacobian": "a penalty on its Jacobian norm",
    "spectral": "a penalty on the distance of the spectrum of its hidden layer from a power law",
}

TERMS = {
    "α": "exponent of the power law λₙ ∝ n^(−α) of the eigenvalues of the covariance; larger: a steeper spectrum",
    "critical size": "length (L2) of the smallest perturbation found that changes the predicted class of an image; the "
    "table has the median",
    "unit space": "lengths are measured on images scaled to unit norm, as the networks see them",
    "pixel space": "lengths are measured on images in [0, 1]",
}
"""Words of the tables and their meaning."""


def explained(results: dict[str, Any]) -> dict[str, str]:
    """One line per model of a study, without those whose settings are unknown, such as a network that was probed."""
    models: dict[str, dict[str, Any]] = results["study"]["models"]
    shown = any(entry["model"] == DATA_ITSELF for entry in results.get("rows", ()))
    lines = {name: described(settings) for name, settings in models.items()}
    known = {DATA_ITSELF: "the images themselves, without a network"} if shown and models else {}
    return known | {name: line for name, line in lines.items() if line}


def terms(runs: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The terms in the headline quantities of some results and in their conventions, with their meaning."""
    said = ""
    for results in runs:
        shown = [s for s in finished(results["summary"]) if s["quantity"] in results["headline"]]
        said += " ".join([*results["headline"], *(s["convention"] for s in shown)])
    return {term: meaning for term, meaning in TERMS.items() if term in said}


def described(model: dict[str, Any]) -> str:
    """How a model was made, in words; "" without settings.

    >>> described({"kind": "perceptron", "units": 100, "local": None, "supervised": None})
    'untrained, random weights; 100 hidden units'
    """
    if not model:
        return ""
    local, supervised = model.get("local"), model.get("supervised")
    said = []
    if local:
        name = _name(local.get("rule") or _own_rule(model))
        layers = "hidden layer" if _blocks(model) == 1 else "hidden layers"
        said.append(f"{layers} trained by the local {RULES.get(_plain(name), f'rule {name}')}")
    if supervised:
        trained = str(supervised.get("parameters", "all"))
        if local and trained == "readout":
            said.append("only its read-out by gradient descent")
        else:
            said.append("trained by backpropagation" if trained == "all" else f"{trained} trained by backpropagation")
        listed = [_penalty(p) for p in supervised.get("penalties", ())]
        if listed:
            said[-1] += f", with {' and '.join(listed)}"
        if against := supervised.get("adversarial"):
            said[-1] += f", on images attacked by {_name(against.get('attack'))} (ε = {against['eps']:g})"
    if not said:
        said.append(f"weights of {model['weights']}" if model.get("weights") else "untrained, random weights")
    if model.get("ridge"):
        said.append("only its read-out by ridge regression")
    made = ", ".join(said)
    more = [model["factory"] if model.get("factory") else _size(model)]
    more += [f"read out behind relu^{model['readout_n']:g}"] if model.get("readout_n") else []
    more += [model["activation"]] if model.get("activation", "relu") != "relu" else []
    more += ["batch normalisation"] if model.get("batch_norm") else []
    more += [f"dropout {model['dropout']:g}"] if model.get("dropout") else []
    more += [f"as published: {', '.join(model['published'])}"] if model.get("published") else []
    return "; ".join([made, *map(str, more)])


def _own_rule(model: dict[str, Any]) -> str:
    """The rule with which the local layers of a network of this package are built."""
    settings = model.get("settings") or {}
    if str(model.get("kind")).startswith("softhebb"):
        return "HardWTA" if settings.get("competition") == "hard" else "SoftHebb"
    return "KrotovHopfield" if model.get("kind") == "krotov_hopfield" else "of its layers"


def _blocks(model: dict[str, Any]) -> int:
    return int((model.get("settings") or {}).get("depth", 3)) if model.get("kind") == "softhebb" else 1


def _size(model: dict[str, Any]) -> str:
    settings = model.get("settings") or {}
    if model.get("kind") == "softhebb":
        width, growth = settings.get("width", 96), settings.get("growth", 4)
        told = ", ".join(str(width * growth**i) for i in range(_blocks(model)))
        more = [f"departures: {', '.join(settings['departures'])}"] if settings.get("departures") else []
        return "; ".join([f"convolutions of {told} units", *more])
    units = settings.get("units", 2000) if model.get("kind") == "softhebb_dense" else model.get("units", "?")
    return f"{units} hidden units"


def _name(choice: Any) -> str:
    """Name of a rule, penalty or attack that a study chose, in results of any version."""
    return str(choice.get("name", "?") if isinstance(choice, dict) else choice or "?")


def _penalty(penalty: Any) -> str:
    name = _plain(_name(penalty))
    known = PENALTIES.get(name.removeprefix("published"), f"the penalty {_name(penalty)}")
    return f"{known}, as published" if name.startswith("published") else known


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
