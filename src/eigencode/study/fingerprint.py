"""Hash of the code behind a result: the modules a step imports, without comments, docstrings or layout."""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "eigencode"
SHOWN_ONLY = frozenset({"eigencode.base.progress"})
"""Modules that only show something to a person and decide no number: not part of any fingerprint."""


def fingerprint(modules: tuple[str, ...]) -> str:
    """Hash of these modules and of every module of this package that they import, directly or not.

    Imports inside functions do not count: they are for code that does not decide the result (how data are read, whose
    hash is known), and for what a step chooses by name at run time, which it must list in `Step.uses`.

    >>> fingerprint(("eigencode.base.errors",)) == fingerprint(("eigencode.base.errors",))
    True
    """
    digest = hashlib.sha256()
    for name in sorted(closure(modules)):
        digest.update(f"{name}:{_digest(name)}\n".encode())
    return digest.hexdigest()


def closure(modules: tuple[str, ...]) -> frozenset[str]:
    """The modules and everything of this package they import outside of functions, except what is `SHOWN_ONLY`."""
    found: set[str] = set()
    waiting = [m for m in modules if _path(m) is not None]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in SHOWN_ONLY:
            found.add(name)
            waiting += imports(name)
    return frozenset(found)


@cache
def imports(module: str) -> tuple[str, ...]:
    """Modules of this package imported by `module`, outside of functions; `from package import name` counts
    `package.name` if that is a module, and otherwise the package's table of contents."""
    names: set[str] = set()
    waiting: list[ast.AST] = [_tree(module)]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.add(inner if _path(inner) else node.module)
    return tuple(sorted(n for n in names if n.startswith(f"{PACKAGE}.") and _path(n)))


@cache
def _digest(module: str) -> str:
    tree = _WithoutDocumentation().visit(_tree(module))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


class _WithoutDocumentation(ast.NodeTransformer):
    """Drops every statement that is only a string: docstrings, and the notes under constants and fields."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


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
