"""A step as text, and its execution in a worker that gets this text and shares nothing but the store with the run."""

import dataclasses
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import chdir, nullcontext
from functools import reduce
from pathlib import Path
from typing import Any

from eigencode.base.errors import EigencodeError, InputError
from eigencode.base.progress import quiet
from eigencode.study._attempt import Ended, attempt
from eigencode.study._claim import Claims
from eigencode.study._order import ordered
from eigencode.study.step import Source, Step
from eigencode.study.steps.data import Data, data
from eigencode.study.store import Store

LATE_S = 60.0
"""Seconds after which a file that one machine has written is visible to all others that share a disk."""

_one_at_a_time = threading.Lock()
SAME = "install the same version, put the same files there, and start the worker again"
"""What helps a worker whose code or data differ."""


def request(step: Step, store: Store, claim: int) -> str:
    """The text that makes a worker perform a step and take over the run's claim on it.

    Raises:
        InputError: the step has a field that no text can represent.
    """
    steps = [{"key": s.key, "code": s.code, "is": _written(s, top=True)} for s in ordered([step])]
    here = {"folder": str(Path.cwd()), "path": [p for p in sys.path if p]}
    return json.dumps({"steps": steps, "store": str(store.root.resolve()), "claim": claim, **here})


def perform(text: str) -> str:
    """Perform the step of a request; the answer is how it ended, as text."""
    asked = json.loads(text)
    sys.path.extend(p for p in asked["path"] if p not in sys.path)
    folder = Path(asked["folder"])
    with _one_at_a_time, quiet(), chdir(folder) if folder.is_dir() else nullcontext():
        try:
            ended = _perform(asked)
        except Exception as error:  # a module is not found here, say
            ended = Ended(str(error) if isinstance(error, EigencodeError) else f"{type(error).__name__}: {error}")
    return json.dumps(dataclasses.asdict(ended))


def appears(there: Callable[[], bool]) -> bool:
    """True as soon as this is there, which may take a while on a network disk."""
    end = time.monotonic() + LATE_S
    while not (found := there()) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def _perform(asked: dict[str, Any]) -> Ended:
    import torch

    if threads := os.environ.get("OMP_NUM_THREADS", ""):
        torch.set_num_threads(int(threads))
    step, store = _read(asked["steps"]), Store(Path(asked["store"]))
    with Claims(store.root / "claims") as claims:
        mine = claims.path(step.key, asked["claim"])
        if not appears(lambda: mine.exists() or claims.path(step.key, asked["claim"] + 1).exists()):
            raise InputError("this worker does not see the store", got=store.root, wanted="a folder of a shared disk")
        for needed in step.inputs():
            appears(store.folder(needed).exists)
        if not claims.follow(step.key, asked["claim"]):
            return Ended(taken=True, elsewhere=True)
        return dataclasses.replace(attempt(step, store), taken=True)


def _read(steps: list[dict[str, Any]]) -> Step:
    """The last of these steps, after comparing code and data with those of the run."""
    known: dict[str, Step] = {}
    step: Step
    for entry in steps:
        step = _value(entry["is"], known)
        for field in dataclasses.fields(step):
            if isinstance(wanted := getattr(step, field.name), Data):
                found = data(wanted.name, wanted.data_dir, wanted.train_images, wanted.test_images)
                _compare(f"data set {wanted.name}", found.sha256, wanted.sha256)
        _compare(f"code of {step.describe()}", step.code, entry["code"])
        _compare(f"settings of {step.describe()}", step.key, entry["key"])
        known[step.key] = step
    return step


def _compare(what: str, here: str, wanted: str) -> None:
    if here != wanted:
        raise InputError(f"the {what} of this worker is not that of the run", got=here, wanted=wanted, fix=SAME)


def _written(value: Any, top: bool = False) -> Any:
    """A field of a step as JSON: tables and tuples are marked, inputs are keys, other objects name their class."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Step) and not top:
        return {"step": value.key}
    if isinstance(value, Step | Source):
        fields = {f.name: _written(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"class": [type(value).__module__, type(value).__qualname__], "fields": fields}
    if isinstance(value, tuple):
        return {"tuple": [_written(v) for v in value]}
    if isinstance(value, list):
        return [_written(v) for v in value]
    if isinstance(value, dict):
        return {"dict": [[_written(k), _written(v)] for k, v in value.items()]}
    raise InputError("a step with this field cannot be sent to a worker", got=repr(value)[:200], wanted="text, numbers")


def _value(written: Any, known: dict[str, Step]) -> Any:
    """The inverse of `_written`, given the steps that are inputs."""
    if isinstance(written, list):
        return [_value(v, known) for v in written]
    if not isinstance(written, dict):
        return written
    if "step" in written:
        return known[written["step"]]
    if "tuple" in written:
        return tuple(_value(v, known) for v in written["tuple"])
    if "dict" in written:
        return {_value(k, known): _value(v, known) for k, v in written["dict"]}
    module, name = written["class"]
    made: Any = reduce(getattr, name.split("."), importlib.import_module(module))
    return made(**{k: _value(v, known) for k, v in written["fields"].items()})
