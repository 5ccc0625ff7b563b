"""Networks on disk: weights as safetensors, the arguments that built them as JSON.  Never a pickle."""

import json
from pathlib import Path
from typing import Any

import torch

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models.network import Network, krotov_hopfield, perceptron


def save(net: Network, path: Path | str) -> None:
    """Write `PATH` (.safetensors) with the weights and, in its header, the arguments that built the network."""
    from safetensors.torch import save_file

    state = {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}
    save_file(state, str(path), metadata={"eigencode": json.dumps(net.spec)})


def load(path: Path | str) -> Network:
    """Read back what `save` wrote.

    Raises:
        InputError: no such file, not a safetensors file, or one that this package did not write.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError("no such file of weights", got=path, wanted="a .safetensors file written by models.save")
    try:
        with safe_open(str(path), "pt") as file:
            header = (file.metadata() or {}).get("eigencode")
            state = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path.name} is not a readable safetensors file", got=error) from None
    if header is None:
        raise InputError(
            f"{path.name} does not say which network it belongs to",
            wanted="a file written by models.save",
            fix="for somebody else's weights build the module yourself and use load_state_dict",
        )
    try:
        net = _build(json.loads(header))
        net.load_state_dict(state)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{path.name}: its header does not describe its weights",
            got=f"{type(error).__name__}: {error}",
            wanted="a file written by models.save of this version",
        ) from error
    return net


def _build(spec: dict[str, Any]) -> Network:
    if spec.get("kind") not in ("perceptron", "krotov_hopfield"):
        raise ValueError(f"unknown kind of network {spec.get('kind')!r}")
    classes = [str(i) for i in range(spec["classes"])]
    like = Images(torch.ones(1, *spec["shape"]), torch.zeros(1, dtype=torch.int64), classes)
    settings = {k: v for k, v in spec.items() if k not in ("kind", "shape", "classes")}
    if spec["kind"] == "perceptron":
        return perceptron(like, **settings)
    settings.pop("batch_norm")
    return krotov_hopfield(like, **settings)
