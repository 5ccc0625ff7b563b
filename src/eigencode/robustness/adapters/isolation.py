"""What every foreign attack needs: its library, a module to attack, and global random numbers of its own."""

import importlib
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.robustness.oracle import Oracle


def library(name: str, package: str) -> Any:
    """Import `name`; a missing one is an `InputError` that says how to install it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of SciPy and NumPy, in their imports
            return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"{name} is not installed",
            got=str(error),
            fix=f"pip install 'eigencode[attacks]', or pip install {package}",
        ) from error


class AsModule(nn.Module):
    """The oracle as the `nn.Module` in evaluation mode that other libraries insist on."""

    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self._oracle = [oracle]  # in a list, so that nothing of it is registered
        self.training = False

    def forward(self, x: Tensor) -> Tensor:
        return self._oracle[0](x)


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Global random numbers of torch, NumPy and Python seeded inside, and as they were outside."""
    kept = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            yield
        finally:
            np.random.set_state(kept[0])  # noqa: NPY002
            random.setstate(kept[1])
