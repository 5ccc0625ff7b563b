"""Strict test run: shapes and types checked at run time, one thread, seeds set by each test itself."""

from collections.abc import Iterator

import jaxtyping
import pytest

jaxtyping.install_import_hook("eigencode", "beartype.beartype")

import torch  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread_and_untouched_global_rng() -> Iterator[None]:
    """Every test runs on one thread, and no code of ours may draw from the global generator."""
    torch.set_num_threads(1)
    torch.manual_seed(20240500679)
    before = torch.random.get_rng_state()
    yield
    after = torch.random.get_rng_state()
    used = not torch.equal(before, after)
    torch.random.set_rng_state(before)
    assert not used, "the global random generator was used: pass a generator"


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Shape and type checks off for one test, so that our own message for a wrong input is seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def rng() -> torch.Generator:
    """A generator of the test's own."""
    return torch.Generator().manual_seed(0)
