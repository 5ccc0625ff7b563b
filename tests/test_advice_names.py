"""Every option, command, name and keyword that an advice (`fix`) mentions exists."""

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
import typer
import xarray
from following import SOURCE
from PIL import Image
from torch import Tensor, nn

import eigencode as ec
from eigencode import cli, data, geometry, measures, models, penalties, robustness, spectra, study, training

PACKAGES = (ec, data, geometry, measures, models, penalties, robustness, spectra, study, training)

SHOWN = ec.Images(torch.ones(1, 1, 2, 2), [0])
OBJECTS: dict[str, tuple[Any, ...]] = {
    "ec": (ec,),
    "models": (models,),
    "penalties": (penalties,),
    "torch": (torch,),
    "nn": (nn,),
    "np": (np,),
    "h5py": (h5py,),
    "xarray": (xarray,),
    "Image": (Image,),
    "Recording": (data.Recording,),
    "seen": (penalties.watch(nn.Identity(), penalties.Lp()),),
    "penalty": (penalties.Spectral,),
    "spectrum": (ec.Spectrum,),
    "images": (SHOWN,),
    "test": (SHOWN,),
    "net": (nn.Module,),
    "code": (ec.at(nn.Identity(), "logits"),),
    "df": (pd.DataFrame,),
    "table": (pd.DataFrame,),
    "x": (Tensor, np.ndarray, np.ma.MaskedArray, xarray.DataArray, scipy.sparse.csr_matrix),
    "y": (Tensor, np.ndarray),
    "z": (Tensor,),
    "labels": (Tensor,),
    "classes": (Tensor, np.ndarray),
    "eigenvalues": (Tensor,),
}
"""What the first word of a dotted name in an advice stands for; of several, one must have the rest of it."""

ELSEWHERE = {
    "torchvision.transforms.ToTensor",
    "mynets.py",
    "FILE.json",
    "package.module",
    "step.json",
    "stimuli.npy",
    "frames.npy",
}
"""Names of packages that are not installed here, and files."""

KEYWORDS = {"return_inverse", "descending", "dims", "dim", "name", "depth", "index", "columns", "values", "dropna"}
"""Keywords of other libraries, and of networks in `--arg depth=3`."""

CALLED = {"full", "real", "cat", "list", "ToTensor"}
"""Functions of MATLAB and others."""


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Module and text of every advice: strings in `fix=`, in the variables and constants, and functions, used there."""
    trees = {str(p.relative_to(SOURCE)): ast.parse(p.read_text("utf-8")) for p in sorted(SOURCE.rglob("*.py"))}
    used = {where: list(advised(tree)) for where, tree in trees.items()}
    common = {name for values in used.values() for name in mentioned(values) if name.isupper()}
    called = {name for values in used.values() for name in functions(values)} - {"nearest"}
    found = []
    for where, tree in trees.items():
        names, values = mentioned(used[where]) | common, [*used[where]]
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AugAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                values += [node.value] if mentioned(targets) & names else []
            elif isinstance(node, ast.FunctionDef) and node.name in called:
                values += [n.value for n in ast.walk(node) if isinstance(n, ast.Return) and n.value is not None]
        found += [(where, text) for value in values for text in strings(value)]
    return tuple(dict.fromkeys(found))


def advised(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (keyword.value for keyword in node.keywords if keyword.arg == "fix")


def mentioned(values: Sequence[ast.AST]) -> set[str]:
    return {node.id for value in values for node in ast.walk(value) if isinstance(node, ast.Name)}


def functions(values: Sequence[ast.AST]) -> set[str]:
    return {n.func.id for v in values for n in ast.walk(v) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def strings(node: ast.AST) -> Iterator[str]:
    """The strings in an expression; a value that is put into one becomes "…"."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else "…" for p in node.values]
        yield "".join(map(str, parts))
        yield from (text for p in node.values if isinstance(p, ast.FormattedValue) for text in strings(p.value))
    else:
        yield from (text for child in ast.iter_child_nodes(node) for text in strings(child))


@cache
def commands() -> dict[str, set[str]]:
    """Options by command, and all of them for `eigencode`."""
    found: dict[str, set[str]] = {}

    def visit(name: str, command: Any) -> set[str]:
        own = {option for parameter in command.params for option in parameter.opts}
        for word, inner in getattr(command, "commands", {}).items():
            own |= visit(f"{name} {word}", inner)
        if name == "eigencode" or not hasattr(command, "commands"):
            found[name] = own
        return own

    visit("eigencode", typer.main.get_command(cli.app))
    return found


@cache
def keywords() -> set[str]:
    """Names of the arguments and fields in the source."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    return found


def public() -> set[str]:
    return {name for package in PACKAGES for name in dir(package)} | {*dir(builtins)} | {*OBJECTS}


def wrong(text: str) -> list[str]:
    """Names in an advice that do not exist."""
    code = re.sub(r"'[\w./-]*'", "''", text).replace("e.g.", "")
    found = [f"option {word}" for word in re.findall(r"--[a-z][\w-]*", code) if word not in commands()["eigencode"]]
    for line in re.findall(r"\beigencode( [a-z][^;,()]*)", code):
        words = line.split()
        name = next((n for n in (f"eigencode {' '.join(words[:k])}" for k in (2, 1)) if n in commands()), None)
        if name is None:
            found.append(f"command {line}")
        else:
            found += [f"{w} of {name}" for w in words if w.startswith("--") and w not in commands()[name]]
    for name in re.findall(r"(?<![\w.…/\]])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)", code):
        root, *rest = name.split(".")
        known = OBJECTS.get(root, ())
        if name not in ELSEWHERE and not any(has(each, rest) for each in known):
            found.append(f"name {name}")
    called = re.findall(r"(?<![\w.…])([A-Za-z_]\w*)\(", code)
    found += [f"function {name}" for name in called if name not in public() | CALLED]
    given = re.findall(r"(?<![\w.…-])([a-z_]\w*)=(?![=])", code)
    return found + [f"keyword {name}" for name in given if name not in keywords() | KEYWORDS]


def has(given: Any, rest: list[str]) -> bool:
    for word in rest:
        if not hasattr(given, word):
            return False
        given = getattr(given, word)
    return True


def test_every_name_in_an_advice_exists() -> None:
    assert len(texts()) > 250
    assert [f"{where}: {found} in {text!r}" for where, text in texts() for found in wrong(text)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("use --remove-noise", ["option --remove-noise"]),
        ("eigencode data get mnist", ["command data get mnist"]),
        ("eigencode data fetch … --store …", ["--store of eigencode data fetch"]),
        ("models.Standardized(net, mean, std)", ["name models.Standardized"]),
        ("given._asked.ranks(text)", ["name given._asked.ranks"]),
        ("x.to_tensor()", ["name x.to_tensor"]),
        ("spectral_radius(z)", ["function spectral_radius"]),
        ("projektions=3", ["keyword projektions"]),
        ("eigencode run again, with --store …, or ec.Images(x, y - 1), space='pixel'", []),
    ],
)
def test_names_that_do_not_exist_are_found(text: str, found: list[str]) -> None:
    assert [said.replace("  ", " ") for said in wrong(text)] == found


def test_constants_variables_and_functions_are_searched() -> None:
    said = {text for _, text in texts()}
    assert {
        "torch.cat(x)",  # a branch of an argument
        "y.reshape(-1)",  # what a function returns
        "x.dequantize()",  # a variable
    } <= said
    assert any("models.TwoClasses" in text for text in said), "a constant of another module"
