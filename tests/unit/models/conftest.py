"""Somebody else's code base on the import path."""

from collections.abc import Iterator
from pathlib import Path

import own_network
import pytest


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the package `acme`, importable inside the test and forgotten afterwards."""
    own_network.write(tmp_path)
    own_network.forget()
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    own_network.forget()
