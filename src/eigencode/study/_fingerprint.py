"""Hash of the code behind a result: the modules a step imports, without comments, docstrings, layout or error texts."""

import ast
import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "eigencode"
SHOWN_ONLY = frozenset({"eigencode.base.progress"})
"""Modules that only show something to a person and decide no number: not part of any fingerprint."""

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages: their versions are in the provenance of a result, not in its key."""

UNSEEN = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}
"""Fields of a syntax tree that say nothing about the result, or that not every version of Python has."""


@cache
def fingerprint(modules: tuple[str, ...]) -> str:
    """Hash of these modules and of everything they import that is not installed, directly or not; once per process.

    Imports inside functions do not count: they are for code that does not decide the result (how data are read, whose
    hash is known), and for what a step chooses by name at run time, which it must list in `Step.uses`.

    >>> fingerprint(("eigencode.base.errors",)) == fingerprint(("eigencode.base.errors",))
    True
    """
    digest = hashlib.sha256()
    for name in sorted(closure(modules)):
        digest.update(f"{name}:{_read(name)[0]}\n".encode())
    return digest.hexdigest()


def closure(modules: tuple[str, ...]) -> frozenset[str]:
    """The modules, and what they import outside of functions: of this package, and of others that are not installed."""
    found: set[str] = set()
    waiting = [m for m in modules if _path(m) is not None]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in SHOWN_ONLY:
            found.add(name)
            waiting += _read(name)[1]
    return frozenset(found)


def canonical(node: object, told: bool = False) -> str:
    """A syntax tree as text, equal in every version of Python; `told`: inside an error, where text does not count.

    Left out are docstrings, the arguments of errors and warnings, positions, and fields that are empty.

    >>> canonical(ast.parse("x = f'a{b}'  # c")) == canonical(ast.parse("x = ('a'f'{b}')"))
    True
    """
    if isinstance(node, list):
        return f"[{', '.join([canonical(n, told) for n in node if not _is_documentation(n)])}]"
    if not isinstance(node, ast.AST):
        return ascii(node)
    if isinstance(node, ast.Constant):
        return "text" if told and isinstance(node.value, str) else f"Constant({node.value!a})"
    if isinstance(node, ast.JoinedStr):
        return "text" if told else f"JoinedStr({canonical(_joined(node.values))})"
    if isinstance(node, ast.Call) and _is_error(getattr(node.func, "attr", getattr(node.func, "id", ""))):
        return f"Call({canonical(node.func)})"
    told = told or isinstance(node, ast.Raise) or (isinstance(node, ast.ClassDef) and _is_error(node.name))
    fields = [(name, getattr(node, name, None)) for name in node._fields if name not in UNSEEN]
    kept = [f"{name}={canonical(value, told)}" for name, value in fields if value not in (None, [])]
    return f"{type(node).__name__}({', '.join(kept)})"


def _is_documentation(node: object) -> bool:
    """A statement that is only a string: a docstring, or a note under a constant or field."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_error(name: str) -> bool:
    """Errors, warnings and `warnings.warn`: what they are given only changes what somebody reads."""
    return name.endswith(("Error", "Warning")) or name == "warn"


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, neighbouring pieces of text as one: Python 3.12 splits them elsewhere than 3.11."""
    parts: list[ast.expr] = []
    for value in values:
        last = parts[-1] if parts else None
        if isinstance(value, ast.Constant) and isinstance(last, ast.Constant):
            parts[-1] = ast.Constant(f"{last.value!s}{value.value!s}")
        elif not isinstance(value, ast.Constant) or value.value:
            parts.append(value)
    return parts


@cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """Return a digest of the code of a module, and the imported modules that also belong to the key.

    `from package import name` counts `package.name` if that is a module, otherwise the package's table of contents.
    """
    path = _path(module)
    assert path is not None
    tree = ast.parse(path.read_bytes())
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {inner if _path(inner := f"{source}.{alias.name}") else source for alias in node.names}
    counted = tuple(sorted(n for n in names if _counts(n)))
    return hashlib.sha256(canonical(tree).encode()).hexdigest(), counted


def _counts(module: str) -> bool:
    """Code of this package, or that somebody works on; neither installed libraries nor our table of contents."""
    path = _path(module)
    ours = module.startswith(f"{PACKAGE}.")
    return path is not None and module != PACKAGE and (ours or not INSTALLED & {*path.parts})


@cache
def _path(module: str) -> Path | None:
    """The source file of a module of this package or of anybody's, without importing it; None if it has none."""
    top, *inner = module.split(".")
    home = ROOT if top == PACKAGE else _home(top)
    base = home.joinpath(*inner) if home else None
    candidates = (base.with_suffix(".py"), base / "__init__.py") if base else ()
    return next((c for c in candidates if c.is_file()), None)


@cache
def _home(top: str) -> Path | None:
    """The folder of a package, or the file of a single module without its ending; None in the standard library."""
    try:
        spec = None if top in sys.stdlib_module_names else importlib.util.find_spec(top)
    except ValueError:  # `__main__`, or a module that was made by hand
        return None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if folders:
        return Path(folders[0])
    return Path(spec.origin).with_suffix("") if spec and spec.origin else None
