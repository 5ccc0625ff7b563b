"""Errors with advice (`fix`) of the source, and a check that following it works."""

import ast
import traceback
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import eigencode as ec
from eigencode.base.errors import InputError

SOURCE = Path(ec.__file__).parent

Run = Callable[..., object]


@cache
def advice() -> tuple[str, ...]:
    """Module and function of every error with a fix, without those that only suggest the nearest known name.

    The second of a function is numbered 2.
    """
    return tuple(_advice())


def _advice() -> Iterator[str]:
    for path in sorted(SOURCE.rglob("*.py")):
        seen: dict[str, int] = {}
        for call, scope in _calls(ast.parse(path.read_text("utf-8")), ()):
            fix = next((k.value for k in call.keywords if k.arg == "fix"), None)
            suggests = isinstance(fix, ast.Call) and getattr(fix.func, "id", "") == "nearest"
            if call.args and fix is not None and not suggests:
                name = f"{path.relative_to(SOURCE)}: {'.'.join(scope)}"
                seen[name] = seen.get(name, 0) + 1
                yield name if seen[name] == 1 else f"{name} {seen[name]}"


def _calls(node: ast.AST, scope: tuple[str, ...]) -> Iterator[tuple[ast.Call, tuple[str, ...]]]:
    for child in ast.iter_child_nodes(node):
        inner = (*scope, child.name) if isinstance(child, ast.FunctionDef | ast.ClassDef) else scope
        if isinstance(child, ast.Call):
            yield child, inner
        yield from _calls(child, inner)


def follows(said: str, wrong: Run, right: Run) -> object:
    """What `right` returns for the text of the fix of the error `said`, which `wrong` must raise."""
    with pytest.raises(InputError) as caught:
        wrong()
    lines = str(caught.value).split("  fix:    ")
    assert len(lines) == 2, "the error has no fix"
    raised = [e for e in (caught.value, caught.value.__cause__) if e is not None]
    files = {Path(frame.filename) for e in raised for frame in traceback.extract_tb(e.__traceback__)}
    assert SOURCE / said.partition(":")[0] in files, "another error"
    found = right(lines[1].strip())
    assert found is not None, "the fix says something else"
    return found
