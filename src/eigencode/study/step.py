"""A step: a piece of work whose result is stored under a hash of its settings, inputs and code."""

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Source:
    """An input from outside the store, such as a data set, identified by the hash of its content."""

    label: str
    sha256: str

    @property
    def key(self) -> str:
        """The hash of the content; the label is only for display."""
        return self.sha256


@dataclass(frozen=True)
class Step(ABC):
    """One piece of work, whose settings and inputs are the fields of a frozen dataclass.

    Settings are numbers, strings, and tuples and dictionaries of these; inputs are steps, sources, or tuples of steps.

    The key hashes name, version, settings, the keys of all inputs, and the code: the module of the step and those in
    `uses()`, with everything they import.  Comments, docstrings, formatting and the texts of errors and warnings are
    not part of the code, and the version of Python is not either.  Same key, same result; so a stored result is never
    overwritten.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    label_only: ClassVar[tuple[str, ...]] = ()
    """Fields that do not affect the result, such as the folder of the data."""

    @abstractmethod
    def run(self, folder: Path, inputs: "Inputs") -> None:
        """Do the work and write the result into `folder`; write elsewhere only to `inputs.scratch`."""

    def uses(self) -> tuple[str, ...]:
        """Further modules whose code is part of the key: those of the rule, penalty or attack that the step names."""
        return ()

    def describe(self) -> str:
        """A short label for the progress display."""
        return self.name

    def inputs(self) -> "Iterator[Step]":
        """The steps that this one depends on directly."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Step):
                yield value
            elif isinstance(value, tuple):
                yield from (v for v in value if isinstance(v, Step))

    def settings(self) -> dict[str, Any]:
        """The fields that affect the result, with inputs replaced by their keys."""
        fields = (f.name for f in dataclasses.fields(self) if f.name not in self.label_only)
        return {name: _canonical(getattr(self, name)) for name in fields}

    @cached_property
    def code(self) -> str:
        """Hash of the code this step depends on."""
        # imported in the function: the code that makes keys is not part of them
        from eigencode.study._fingerprint import fingerprint

        return fingerprint((type(self).__module__, *self.uses()))

    @cached_property
    def key(self) -> str:
        """Name and hash of the step; also the name of the folder of its result."""
        content = {"name": self.name, "version": self.version, "settings": self.settings(), "code": self.code}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:20]}"


@dataclass(frozen=True)
class Inputs:
    """Folders for a running step: those of its inputs, and a scratch folder kept if the process is killed."""

    folders: dict[str, Path]
    scratch: Path

    def folder(self, step: Step) -> Path:
        """The folder with the result of an input step."""
        return self.folders[step.key]


def _canonical(value: Any) -> Any:
    if isinstance(value, Step | Source):
        return value.key
    if isinstance(value, dict):
        return {str(k): _canonical(v) for k, v in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_canonical(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 1 and 1.0 in a study file are the same setting
    return value
