"""Values of the wrong type are refused by name, right ones pass, and subclasses are checked as they are made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eigencode.base.border import Admitted, admit
from eigencode.base.errors import InputError

pytestmark = pytest.mark.usefixtures("unchecked")


def asks(
    whole: int = 1,
    number: float | None = None,
    word: Literal["a", "b"] | int = "a",
    x: Float[Tensor, "n *image"] | None = None,
    y: Int[Tensor, " n"] | None = None,
    net: nn.Module | Callable[[Tensor], Tensor] = len,
    several: Sequence[int] = (),
    pair: tuple[float, float] = (0.0, 1.0),
    named: Mapping[str, nn.Module] | None = None,
    anything: Any = None,
) -> bool:
    admit(asks, locals())
    return True


RIGHT: list[dict[str, Any]] = [
    {"whole": np.int64(3), "number": 2, "word": "c"},
    {"number": np.float32(2), "word": 7},
    {"number": float("inf")},
    {"number": float("nan")},
    {"x": torch.rand(3), "y": torch.arange(3)},
    {"x": torch.rand(3, 4).double().requires_grad_(), "net": nn.ReLU()},
    {"x": torch.rand(3, 4).bfloat16().T, "net": torch.sin},
    {"several": [1, 2], "pair": (1, 2.0), "named": {"a": nn.ReLU()}, "anything": object()},
]
WRONG: list[dict[str, Any]] = [
    *[{"whole": v} for v in (None, "1", True, 1.0, 2**70, [1], np.ones(2), torch.tensor(1))],
    *[{"number": v} for v in ("1", True, 1e155, 2**70, 1j, torch.tensor(1.0), np.ones(2))],
    *[{"word": v} for v in (None, 1.5, b"a", ["a"])],
    *[{"x": v} for v in (np.ones(3), [1.0], torch.arange(3), torch.ones(3).cfloat(), torch.tensor(1.0).bool())],
    *[{"x": v} for v in (torch.ones(3, device="meta"), torch.ones(3, 3).to_sparse())],
    *[{"y": v} for v in (torch.ones(3), torch.tensor(1), [1])],
    *[{"net": v} for v in (None, "net", 3)],
    *[{"several": v} for v in ("12", b"12", 3, [1.5], ["1"])],
    *[{"pair": v} for v in ((1.0,), (1.0, "2"), 1.0)],
    *[{"named": v} for v in ([nn.ReLU()], {"a": 1}, {1: nn.ReLU()})],
]


@pytest.mark.parametrize("given", RIGHT, ids=[str(i) for i in range(len(RIGHT))])
def test_right_types_pass(given: dict[str, Any]) -> None:
    assert asks(**given)


@pytest.mark.parametrize("given", WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_wrong_types_are_refused_by_name(given: dict[str, Any]) -> None:
    name = next(iter(given))
    with pytest.raises(
        InputError,
        match=rf"(asks: )?{name} (is of the wrong type|is sparse|holds no numbers|: numbers are complex)(?s:.*)wanted:",
    ):
        asks(**given)


@dataclass(frozen=True)
class Made(Admitted):
    steps: int = 1
    start: Tensor | None = None


def test_classes_are_checked_as_they_are_made() -> None:
    assert replace(Made(2), steps=3).steps == 3
    for wrong in (
        lambda: Made("2"),
        lambda: replace(Made(), steps=None),
        lambda: Made(start=torch.ones(2, device="meta")),
    ):
        with pytest.raises(InputError, match=r"steps|start"):
            wrong()
    with pytest.raises(TypeError):
        Made(stops=1)  # type: ignore[call-arg]
