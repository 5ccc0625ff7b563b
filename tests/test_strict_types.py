"""The run-time checks of the test run can fail: plain types, shapes, results, records, functions in functions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import cache_from_source
from typing import Any, Literal

import jaxtyping._import_hook
import pytest
import strict_types
import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.spectra import power_law
from eigencode.spectra.power_law import fit_line, fit_weights

strict = strict_types.decorated(typechecker=strict_types.checked)


@strict
def plain(x: int, how: Literal["a", "b"] = "a", y: float = 1) -> str:
    return "right" if x > 0 else x  # type: ignore[return-value]


@strict
def shaped(x: Float[Tensor, "n k"], y: Float[Tensor, " n"]) -> Float[Tensor, " k"]:
    return x.sum(0) if len(x) < 5 else y


@strict
def several(x: list[tuple[Float[Tensor, " n"], int]], f: Callable[[int], Tensor]) -> Iterator[Tensor]:
    yield from (a for a, _ in x)


@strict
@dataclass
class Counted:
    n: int


@strict
@dataclass(frozen=True)
class Held:
    x: Float[Tensor, " n"]
    y: Float[Tensor, " n"]


@strict
class Method:
    @strict
    def double(self, x: float) -> float:
        return 2 * x

    @staticmethod
    @strict
    def half(x: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return x[::2]


def inner(value: Any) -> Callable[[Any], Any]:
    @strict
    def add(x: int) -> int:
        return x + value  # type: ignore[no-any-return]

    return add


def inner_array() -> Callable[[Any], Any]:
    @strict
    def add(x: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return x + 1

    return add


Z = torch.zeros


def test_what_is_right_passes() -> None:
    assert plain(3, "b", 2) == "right"
    assert shaped(Z(2, 3), Z(2)).shape == (3,)
    assert Counted(1).n == 1
    assert len(Held(Z(2), Z(2)).x) == 2
    assert Method().double(1) == 2
    assert [inner(i)(1) for i in range(3)] == [1, 2, 3]
    assert next(several([(Z(2), 1)], lambda n: Z(n))).shape == (2,)
    assert inner_array()(Z(2)).shape == (2,)


WRONG: dict[str, Callable[[], object]] = {
    "argument": lambda: plain("3"),  # type: ignore[arg-type]
    "literal": lambda: plain(3, "c"),  # type: ignore[arg-type]
    "result": lambda: plain(-1),
    "not an array": lambda: shaped(3, Z(2)),  # type: ignore[arg-type]
    "dtype": lambda: shaped(Z(2, 3).long(), Z(2)),
    "axes": lambda: shaped(Z(2, 3, 4), Z(2)),
    "axes that differ": lambda: shaped(Z(2, 3), Z(3)),
    "axes of the result": lambda: shaped(Z(6, 3), Z(6)),
    "array in a list": lambda: next(several([(Z(2, 2), 1)], lambda n: Z(n))),
    "record": lambda: Counted("1"),  # type: ignore[arg-type]
    "record of arrays": lambda: Held(Z(2), Z(3)),
    "method": lambda: Method().double("1"),  # type: ignore[arg-type]
    "static method": lambda: Method.half(Z(4)),
    "array function in a function": lambda: [inner_array()(x) for x in (Z(2), Z(2, 2))],
    "package, plain": lambda: fit_weights(Z(3), 1),  # type: ignore[arg-type]
    "package, shape": lambda: fit_line(Z(3, 3), (1, 3), "uniform"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_caught(name: str) -> None:
    with pytest.raises(TypeError):
        WRONG[name]()


def test_the_first_function_made_in_another_is_checked() -> None:
    def outer() -> Callable[[Any], Any]:
        @strict
        def add(x: int) -> int:
            return x

        return add

    with pytest.raises(TypeError):
        outer()("1")


def test_the_first_calls_of_a_test_are_checked() -> None:
    @strict
    def twice(x: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return 2 * x

    for _ in range(strict_types.CALLS - 1):
        twice(Z(2))
    with pytest.raises(TypeError):
        twice(Z(2, 2))
    assert twice(Z(2, 2)).shape == (2, 2)
    strict_types.next_test()
    with pytest.raises(TypeError):
        twice(Z(2, 2))


def test_only_our_modules_are_compiled_for_the_checks() -> None:
    ours, other = power_law.__file__, torch.__file__
    hook = jaxtyping._import_hook
    assert hook._optimized_cache_from_source("tag", other) == cache_from_source(other)
    assert "jaxtyping" in hook._optimized_cache_from_source("tag", ours)


def test_checks_are_made_when_a_function_is_called() -> None:
    made = []

    @strict
    def shapes(x: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return x

    later = strict_types._when_called(shapes, lambda f: made.append(f) or f)
    assert made == []
    assert later(Z(2)) is not None
    assert later(Z(3)) is not None
    assert made == [shapes]


@pytest.mark.usefixtures("unchecked")
def test_without_checks_our_own_message_is_seen() -> None:
    assert plain(-1) == -1  # type: ignore[comparison-overlap]
    with pytest.raises(InputError, match="unknown weights"):
        fit_weights(Z(3).double(), 1)  # type: ignore[arg-type]
