"""Hash of the code behind a result: the modules a step imports, without comments, docstrings or layout."""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "eigencode"


def fingerprint(modules: tuple[str, ...]) -> str:
    """Hash of these modules and of every module of this package that they import, directly or not.

    Only imports written at the top of a module count: what a step chooses by name at run time it must list in
    `Step.uses`.

    >>> fingerprint(("eigencode.base.errors",)) == fingerprint(("eigencode.base.errors",))
    True
    """
    digest = hashlib.sha256()
    for name in sorted(closure(modules)):
        digest.update(f"{name}:{_digest(name)}\n".encode())
    return digest.hexdigest()


def closure(modules: tuple[str, ...]) -> frozenset[str]:
    """The modules and everything of this package they import at top level."""
    found: set[str] = set()
    waiting = [m for m in modules if _path(m) is not None]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports(name)
    return frozenset(found)


@cache
def imports(module: str) -> tuple[str, ...]:
    """Modules of this package imported at the top of `module`; `from package import name` counts `package.name`
    if that is a module, and otherwise the package's table of contents."""
    names: set[str] = set()
    for node in _tree(module).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.add(inner if _path(inner) else node.module)
    return tuple(sorted(n for n in names if n.startswith(f"{PACKAGE}.") and _path(n)))


@cache
def _digest(module: str) -> str:
    tree = _tree(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _tree(module: str) -> ast.Module:
    path = _path(module)
    assert path is not None
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _path(module: str) -> Path | None:
    if not module.startswith(PACKAGE):
        return None
    base = ROOT.joinpath(*module.split(".")[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
