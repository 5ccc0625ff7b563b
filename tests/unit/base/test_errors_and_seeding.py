"""Messages that say what, got, wanted and fix; streams of random numbers that depend on their names alone."""

import itertools

import pytest
import torch

from eigencode.base.errors import (
    ConvergenceWarning,
    DataError,
    EigencodeError,
    EigencodeWarning,
    InputError,
    StudyError,
    TrainingError,
    nearest,
)
from eigencode.base.seeding import stream


def test_message_holds_every_part_in_order() -> None:
    error = InputError("eps is negative", got=-1, wanted=">= 0", fix="pass 0.1")
    assert str(error).splitlines() == ["eps is negative", "  got:    -1", "  wanted: >= 0", "  fix:    pass 0.1"]


def test_parts_left_out_leave_no_line_but_falsy_ones_are_shown() -> None:
    assert str(InputError("wrong")) == "wrong"
    assert str(InputError("wrong", got=0)) == "wrong\n  got:    0"
    assert str(InputError("wrong", got=())) == "wrong\n  got:    ()"


@pytest.mark.parametrize(
    ("kind", "parents", "code"),
    [
        (InputError, (EigencodeError, ValueError), 2),
        (DataError, (InputError,), 2),
        (StudyError, (InputError,), 2),
        (TrainingError, (EigencodeError,), 1),
        (ConvergenceWarning, (EigencodeWarning, UserWarning), None),
    ],
)
def test_families_and_exit_codes(kind: type, parents: tuple[type, ...], code: int | None) -> None:
    assert issubclass(kind, parents[0])
    assert all(issubclass(kind, parent) for parent in parents)
    assert getattr(kind, "exit_code", None) == code
    assert not issubclass(TrainingError, ValueError)


def test_nearest_suggests_or_lists() -> None:
    assert nearest("modles", ["seeds", "models"]) == "did you mean 'models'?"
    assert nearest("zzzz", ("b", "a")) == "known: a, b"


def test_a_stream_depends_on_seed_and_names_alone() -> None:
    torch.manual_seed(1)
    first = torch.rand(5, generator=stream(3, "order", 7))
    torch.rand(1000)
    torch.testing.assert_close(torch.rand(5, generator=stream(3, "order", 7)), first, rtol=0, atol=0)


def test_streams_of_other_names_seeds_and_epochs_differ() -> None:
    names = [(s, n, e) for s in range(5) for n in ("order", "weights", "encoder") for e in range(20)]
    names += [(0, "order"), (0,), (0, "order1"), (1, "0", "order")]
    draws = {tuple(torch.rand(4, generator=stream(*n)).tolist()) for n in names}
    assert len(draws) == len(names)


def test_streams_are_uncorrelated() -> None:
    x = torch.stack([torch.randn(4000, generator=stream(s, "x")) for s in range(20)])
    correlations = torch.corrcoef(x) - torch.eye(20)
    assert float(correlations.abs().max()) < 5 / 4000**0.5  # 190 pairs: 5 standard errors


def test_the_global_generator_is_not_touched() -> None:
    before = torch.random.get_rng_state()
    torch.rand(10, generator=stream(0, "x"))
    torch.testing.assert_close(torch.random.get_rng_state(), before, rtol=0, atol=0)


def test_order_of_names_matters() -> None:
    for a, b in itertools.permutations([stream(0, "a", "b"), stream(0, "b", "a"), stream(0, "a b")], 2):
        assert a.initial_seed() != b.initial_seed()
