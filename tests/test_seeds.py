"""What tests draw does not depend on the tests before them: `conftest.py` seeds each test and each shared fixture."""

import pytest
import torch


def first(n: int) -> torch.Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(20240500679))


@pytest.fixture(scope="module")
def shared() -> torch.Tensor:
    return torch.rand(3)


def test_a_shared_fixture_draws_from_its_own_start(shared: torch.Tensor) -> None:
    torch.testing.assert_close(shared, first(3), rtol=0, atol=0)


def test_a_test_draws_from_its_own_start(shared: torch.Tensor) -> None:
    torch.testing.assert_close(torch.rand(5), first(5), rtol=0, atol=0)


def test_a_fixture_asked_for_late_does_not_move_the_draws_of_a_test(request: pytest.FixtureRequest) -> None:
    before = torch.rand(2)
    request.getfixturevalue("late")
    torch.testing.assert_close(torch.cat([before, torch.rand(2)]), first(4), rtol=0, atol=0)


@pytest.fixture(scope="module")
def late() -> torch.Tensor:
    return torch.rand(7)
