"""Hash of the code behind a result: the modules a step imports, without comments, docstrings, layout or error texts."""

import ast
import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "eigencode"
DISPLAY_ONLY = frozenset({"eigencode.base.progress"})
"""Modules that affect only the display and no result; they are not part of any fingerprint."""

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages: their versions are in the provenance of a result, not in its key."""

SAME_RESULT = {
    "824b318f761a76214a93f30c389e2d5098afb0f1640335000f43b0dceacf5d89": "",  # base/groups.py: images may have groups
    "cc700958eb4d704f57d813503dce845249cc064f5e0bed2a49bf8f166f4cf407": (
        "8dd2b0f65f2c8b5aae74a9ff5feca9b2d94e7992cc53b13d018f68fc7f53ef00"
    ),  # base/intervals.py: images may have groups
    "a4df77df257f9ac6043874f1aa6e5c14b6de396d704eda1fd02e16926c48d784": (
        "c91432c69ccb87e5caa9fdee690cb65dd511c78f84c2b4968b02e03c9fc687cf"
    ),  # base/labels.py: images may have groups
    "d3f3e61512425314e537d42a7a529f32ab165cf877c31f92affdd21135a0c50c": (
        "84b9849016005fcd70476d687cc8fc894b131617474927ed8d7402b486a0dbb3"
    ),  # base/types.py: images may have groups
    "0fb479c0b79ec992dfc2f8b1a3fb8cd6ada20aeb8102b017333a6e9b054c7090": (
        "36c42dd395574b4299a86c023c6e70ccb21bce15ca836a68ae8c5d13ea30d13f"
    ),  # geometry/_intervals.py: images may have groups
    "bbac9e01a49549af8a5169d64c398cde47632784a981fd2b68c71781e4269d47": (
        "6ca1e832f66e7967172942c07a1336af7709c562ef36cfeb411837f33746579c"
    ),  # geometry/jacobian.py: images may have groups
    "b7d3b0577047f67c581a28c3a31908fd248c5592b5821d024af95272b81bb6f3": (
        "55505139f12473b7914eb97de98326d04f5096c1e1ee2d3b8db8bc7b6669e415"
    ),  # geometry/spectral_norm.py: images may have groups
    "01d2b228c93b461df9bf3728589c9d125a49ee7dc0fb2781c1976d0addcdc9b6": (
        "a0359ee61f7d4330875f6354a342d4cf771ed4611ec359775c153e369db405a1"
    ),  # measures/_reweighted.py: images may have groups
    "fe8781a7a29be4ed2a12356428b8cd1db31495b23bc00ddef5bc21abe26fccd8": (
        "76eea4a0d86c318f5403d1d94c15045f644a58a6691f0809f98cf3cf1002e5cc"
    ),  # measures/accuracy.py: images may have groups
    "f2cc76550bcf5e1ef50cea70906a8f78de487e5e5c2284cca54f684b0b19fa93": (
        "352831e30219c13e2561feac71bb78565feea890fa75bbffc6c8383cbef6c9dc"
    ),  # measures/certified.py: images may have groups
    "89839103a6cae5e9c4d5a5ea3f450d6a580d7f96c2b4fdc7299596838a63926f": (
        "3c249100b85486949fe3949fd22e2dd9970bfc31548f47a0a88df6e9cfda8242"
    ),  # measures/critical.py: images may have groups
    "2c36c9e5ac5a3ce362f23ae5a8beb7387c7ba42ea2d14536a5bab8fe51fcffe0": (
        "b39310b3026d8f8dc7fa7ceb2ccc7e7977c8eabb1b660be4d5bb4a954bee4914"
    ),  # measures/jacobian.py: images may have groups
    "ff743f31dd7c9cd7fe83b389eba12e93e838ff940a5b1d2d93c5ec5ebb932c78": (
        "dfd9bd9641f2e2980d31f351c144a69566a0da47b2f751e95422a7bcfa788804"
    ),  # measures/ridge.py: images may have groups
    "bbf5505c9475806dc101f0f4e70ea887e5048110e40902e0c2e41b8a7cc432b3": (
        "230c1f742b774b6bb58d36ea718b0ddc95964e14588048bf92d793375887afd3"
    ),  # measures/spectrum.py: images may have groups
    "86864f42a4af8e2376c44a371ad67329282d5822859fc6713eedd04ad90895c7": (
        "1fc4558502023c47a5b95ba77c1b13924dd89facb087e3bbd380b63b2617fe1a"
    ),  # measures/widths.py: images may have groups
    "3f7ce32b10fe7bdd940fd9dd5996bb22a4a5035b13452638e550a5faaf137546": (
        "f0a8ab1b562d3136de3b54860f2d19596729a2f81da2fd0fcfafbce4de859635"
    ),  # robustness/certified.py: images may have groups
    "31a04929a2215a7bc0b150ce5575513479ce31fdde8b2a74920e7f80cf25df66": (
        "d735dbab733aaf12ca05cac76861a53c0f57d154d16245801029352a8ad46f71"
    ),  # robustness/critical.py: images may have groups
    "5ebd011631d217cab61835d0d58af530997dab1019b16d45faa4fbe44aff685a": (
        "298d144c8d9804e84ccce0ee658c1b48a7f676153ded2fa9d84386adf8c2992c"
    ),  # robustness/curve.py: images may have groups
    "6a162aefafab97f31eb5859baed6044202061b8d9e8aa66f20be49600d187096": (
        "9530036760849e28670a0945d87023c6d7e9491dc796095ac9a4a8ad8d3cba9e"
    ),  # robustness/subject.py: images may have groups
    "dc38889f1edaab5bc7a068dbac31c87f1abfd09e5a02561098bde7dcc334565c": (
        "9bbb11c44e6986d00cd4efd991fb6f3ae67f9ad9779d943e0597d0003c5dc4c3"
    ),  # robustness/survival.py: images may have groups
    "186b9489aedee1fdb1b038af54dd0862961943028ec7cf340b8a025e51abee16": (
        "c53ae78fc970e29dcc541e2ffed1ec209104d539f125a860817ae14662000a54"
    ),  # spectra/_fit.py: images may have groups
    "e699ba095335047eb7d93153a2c6152d933daaa9d82c0a87acc898ab68f6cd32": (
        "53426ac1f669af03ad9bc4889ac04053e8094adc8ffa8560724f2fceb775fbb4"
    ),  # spectra/_free_bootstrap.py: images may have groups
    "c82c9d20511f8b04ce6c412d235f9cf548b3ba15fe62944f8d136d624edcdfd3": (
        "96c74cd88e5611e6d7aa551b31a91c17d3ed77667c41f611409c26b5ea30e290"
    ),  # spectra/_influence.py: images may have groups
    "cfeeee2c3d8f8c03ae2015704ba430964da98239f9948aed056c750c4e1f77ac": (
        "daab3e720da0179013905bbca4a8b9d85d5c646d4dbeafb062c9d092a992b22e"
    ),  # spectra/_logs.py: images may have groups
    "077aa97b495d36ee2ad8430969ddb1f556230e1d9de2c555a34ea31e1449b046": (
        "d5a27e975cc7d7b611767df35b6cf6d4c5263f3bd3944fb4885649b79d53238a"
    ),  # spectra/_population.py: images may have groups
    "c878af086cbcf8c2d7d56409f994f4993612ba167aa81ced27fe506ad03b3e2d": (
        "47c4961372d45d66c21099d2ed499764aa34050dd7f6f98f27b9e996841dcbb1"
    ),  # spectra/_responses.py: images may have groups
    "f3f8724ef12870c841bb021ce9bd0cb22607197db949003929349b5873bc25a7": (
        "868de487366c7c2c5f2351d176575f56f79fb4004b85a79871d05241afe517ff"
    ),  # spectra/cross.py: images may have groups
    "91911729fa5379d77046d6d848e80d28c00c8c2805b7714b9cd04ce85f468db9": (
        "b74e3c11e34a60dc77d1c3324458567ecb9ffb896b3798a543a7f1e294072d91"
    ),  # spectra/cvpca.py: images may have groups
    "06ff1a946123a7ddcde0307513c8e168a1bb31015c6f09a2b1e336f6e7cdca7d": (
        "f95859ea60386aa0e4e80ae319c0817e147388db98452e7ebf5b5c4436b73762"
    ),  # spectra/heldout.py: images may have groups
    "5d9eb063127b1fba8d6025fda565775082dff5f4abacbca347de4e6200a486e9": (
        "57b9322fff0eaefbcb364c0b111eb64fb283dcf3145eb9cd33292122d1b6c6d6"
    ),  # spectra/places.py: images may have groups
    "4e2dc7c3c2e3e6846d8ba6df7a66363ea87628ff390089d87371f22191e4b4d8": (
        "38b5b452d087acea243b5d20a3ca7b03893a92284338488b788d3f4169c5f34a"
    ),  # spectra/spectrum.py: images may have groups
    "cbb7d2e16488c1ddb4c48b30005a914fbffd8544626252f0bc149c8d9dab5585": (
        "ce2716149b47715b0bac21425068f161a0a7a05a41be701f34c2590746238754"
    ),  # spectra/widths.py: images may have groups
}
"""Digest of a module whose change can change no result -> its digest before, so that stored results keep their keys.

A new module that can change no result of before has the digest "".  The next change of a module gives it another
digest, which counts.
"""

IGNORED_FIELDS = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}
"""Fields of a syntax tree that do not affect the result, or that only some versions of Python have."""


@cache
def fingerprint(modules: tuple[str, ...]) -> str:
    """Hash of these modules and of all code they import, directly or not, except installed packages; cached.

    Imports inside functions do not count: they are for code that does not affect the result (reading data, whose hash
    is part of the key), and for plugins that a step chooses by name at run time and lists in `Step.uses`.

    >>> fingerprint(("eigencode.base.errors",)) == fingerprint(("eigencode.base.errors",))
    True
    """
    digest = hashlib.sha256()
    for name in sorted(closure(modules)):
        code = _read(name)[0]
        digest.update(f"{name}:{code}\n".encode() if code else b"")
    return digest.hexdigest()


def closure(modules: tuple[str, ...]) -> frozenset[str]:
    """These modules and all they import outside of functions, directly or not, except installed packages."""
    found: set[str] = set()
    waiting = [m for m in modules if _path(m) is not None]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in DISPLAY_ONLY:
            found.add(name)
            waiting += _read(name)[1]
    return frozenset(found)


def canonical(node: object, in_error: bool = False) -> str:
    """A syntax tree as text, the same in every version of Python; `in_error` leaves out the content of strings.

    Left out are docstrings, the arguments of errors and warnings, positions, and fields that are empty.

    >>> canonical(ast.parse("x = f'a{b}'  # c")) == canonical(ast.parse("x = ('a'f'{b}')"))
    True
    """
    if isinstance(node, list):
        return f"[{', '.join([canonical(n, in_error) for n in node if not _is_documentation(n)])}]"
    if not isinstance(node, ast.AST):
        return ascii(node)
    if isinstance(node, ast.Constant):
        return "text" if in_error and isinstance(node.value, str) else f"Constant({node.value!a})"
    if isinstance(node, ast.JoinedStr):
        return "text" if in_error else f"JoinedStr({canonical(_joined(node.values))})"
    if isinstance(node, ast.Call) and _is_error(getattr(node.func, "attr", getattr(node.func, "id", ""))):
        return f"Call({canonical(node.func)})"
    in_error = in_error or isinstance(node, ast.Raise) or (isinstance(node, ast.ClassDef) and _is_error(node.name))
    fields = [(name, getattr(node, name, None)) for name in node._fields if name not in IGNORED_FIELDS]
    kept = [f"{name}={canonical(value, in_error)}" for name, value in fields if value not in (None, [])]
    return f"{type(node).__name__}({', '.join(kept)})"


def _is_documentation(node: object) -> bool:
    """True for a statement that is only a string: a docstring, or a note under a constant or field."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_error(name: str) -> bool:
    """True for errors, warnings and `warnings.warn`, whose arguments are messages and do not affect results."""
    return name.endswith(("Error", "Warning")) or name == "warn"


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """Merge neighbouring literals of an f-string, which Python 3.11 and 3.12 split at different points."""
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

    `from package import name` counts `package.name` if that is a module, otherwise the `__init__` of the package.
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
    counted = tuple(sorted(n for n in names if _is_hashed(n)))
    digest = hashlib.sha256(canonical(tree).encode()).hexdigest()
    return SAME_RESULT.get(digest, digest), counted


def _is_hashed(module: str) -> bool:
    """True for modules of this package, except its `__init__`, and for other modules that are not installed."""
    path = _path(module)
    ours = module.startswith(f"{PACKAGE}.")
    return path is not None and module != PACKAGE and (ours or not INSTALLED & {*path.parts})


@cache
def _path(module: str) -> Path | None:
    """Find the source file of a module without importing it; None for the standard library and compiled modules."""
    top, *inner = module.split(".")
    home = ROOT if top == PACKAGE else _top_level(top)
    base = home.joinpath(*inner) if home else None
    candidates = (base.with_suffix(".py"), base / "__init__.py") if base else ()
    return next((c for c in candidates if c.is_file()), None)


@cache
def _top_level(top: str) -> Path | None:
    """Folder of a top-level package, or file of a single module without its suffix; None for the standard library."""
    try:
        spec = None if top in sys.stdlib_module_names else importlib.util.find_spec(top)
    except ValueError:  # `__main__`, or a module created at run time
        return None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if folders:
        return Path(folders[0])
    return Path(spec.origin).with_suffix("") if spec and spec.origin else None
