"""Import other attack libraries, wrap the network for them, and isolate their global random numbers."""

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
from eigencode.robustness._oracle import Oracle


def library(name: str, package: str) -> Any:
    """Import `name`; if it is missing, raise an `InputError` with the command that installs it."""
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
    """Wrap an `Oracle` as an `nn.Module` in evaluation mode, as other libraries require."""

    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self._oracle = [oracle]  # in a list, so that it is not registered as a submodule
        self.training = False

    def forward(self, x: Tensor) -> Tensor:
        return self._oracle[0](x).to(x.dtype)


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and Python inside the block; restore them afterwards."""
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
