"""Every exported rule does what the protocol says; one row each, and broken rules that the table must catch."""

import inspect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial

import pytest
import torch
from torch import Tensor
from toy_rules import DenseOja, PatchOja

from eigencode import rules
from eigencode.base.errors import InputError
from eigencode.rules import (
    Competitive,
    Convergence,
    HardWTA,
    Hebbian,
    KrotovHopfield,
    KrotovHopfieldSequential,
    Oja,
    Rows,
    Rule,
    Sanger,
    SoftHebb,
)

Make = Callable[..., Rule]

TABLE: dict[str, Make] = {
    "KrotovHopfield": KrotovHopfield,
    "KrotovHopfield p 2": partial(KrotovHopfield, p=2.0),
    "KrotovHopfield p 4.5": partial(KrotovHopfield, p=4.5, k=5, delta=0.1, radius=2.0, spread=0.3),
    "KrotovHopfield p 1": partial(KrotovHopfield, p=1.0),
    "KrotovHopfield bfloat16": partial(KrotovHopfield, precision="bfloat16"),
    "KrotovHopfieldSequential": KrotovHopfieldSequential,
    "SoftHebb": SoftHebb,
    "SoftHebb bfloat16": partial(SoftHebb, precision="bfloat16"),
    "SoftHebb plain": partial(SoftHebb, start=3.0, annealing=0.2, inverse_temperature=0.3, losers="hebbian"),
    "HardWTA": HardWTA,
    "Competitive": Competitive,
    "Oja": Oja,
    "Sanger": Sanger,
    "a rule for dense layers": DenseOja,
    "a rule for patches": PatchOja,
    "KrotovHopfieldSequential 2..k": partial(KrotovHopfieldSequential, p=2.0, k=4, losers="2..k"),
}


def problem(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(3)
    return torch.rand(20, 12, generator=g).to(dtype), torch.randn(9, 12, generator=g).to(dtype)


def pure(make: Make) -> None:
    """No argument and no global generator is changed; the same arguments give the same bits."""
    rule, (x, w) = make(), problem()
    before = [x.clone(), w.clone(), torch.random.get_rng_state()]
    first = [rule.update(x, w), *rule.rows(x, w)[:3], rule.derive(w).clone()]
    rule.init(5, 6, torch.Generator().manual_seed(0))
    torch.testing.assert_close([x, w, torch.random.get_rng_state()], before, rtol=0, atol=0)
    again = [rule.update(x, w), *rule.rows(x, w)[:3], rule.derive(w)]
    torch.testing.assert_close(again, first, rtol=0, atol=0)


def shaped(make: Make) -> None:
    """ΔW has shape and type of W; a winner per sample; distinct rows."""
    for dtype in (torch.float32, torch.float64):
        rule, (x, w) = make(), problem(dtype)
        assert (rule.update(x, w).shape, rule.update(x, w).dtype) == (w.shape, dtype)
        rows = rule.rows(x, w)
        assert rows.values.shape == (len(rows.units), w.shape[1])
        assert rows.winners.shape == (len(x),)
        assert set(rows.winners.tolist()) <= set(rows.units.tolist()) <= set(range(len(w)))
        assert 0 <= rows.repelled <= len(x)


def summed(make: Make) -> None:
    """The rows are the update, and the update is a sum over the batch, in any order."""
    rule, (x, w) = make(), problem(torch.float64)
    rows, total = rule.rows(x, w), rule.update(x, w)
    by_rows = torch.zeros_like(w)
    for unit, values in zip(rows.units.tolist(), rows.values):
        by_rows[unit] += values
    torch.testing.assert_close(by_rows, total, rtol=0, atol=0)
    one_by_one = torch.stack([rule.update(x[i : i + 1], w) for i in range(len(x))]).sum(0)
    torch.testing.assert_close(one_by_one, total, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(rule.update(x.flip(0), w), total, rtol=1e-12, atol=1e-12)
    assert float(total.abs().max()) > 0
    assert rows.repelled == sum(rule.rows(x[i : i + 1], w).repelled for i in range(len(x)))


def started(make: Make) -> None:
    """Initial weights come from the generator alone, as float32 of the asked shape."""
    rule = make()
    draws = [rule.init(40, 50, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert (draws[0].shape, draws[0].dtype) == ((40, 50), torch.float32)
    torch.testing.assert_close(draws[0], draws[1], rtol=0, atol=0)
    assert not torch.equal(draws[0], draws[2])
    generator = torch.Generator().manual_seed(1)
    rule.init(40, 50, generator)
    assert not torch.equal(rule.init(40, 50, generator), draws[0])
    wanted = rule.start / math.sqrt(50) if hasattr(rule, "start") else rule.spread
    torch.testing.assert_close(float(draws[0].std()), wanted, rtol=0.06, atol=0)


def derived(make: Make) -> None:
    """`derive` and `operand` work row by row, and `rows` uses what it is handed."""
    rule, (x, w) = make(), problem()
    for matrix in (rule.derive, rule.operand):
        whole = matrix(w).clone()
        assert whole.shape == w.shape
        for index in ([4], [8, 1, 1, 0], list(range(9))):
            torch.testing.assert_close(matrix(w[index]), whole[index], rtol=0, atol=0)
    assert rule.derive(w).dtype == w.dtype
    torch.testing.assert_close(rule.rows(x, w, whole)[:3], rule.rows(x, w)[:3], rtol=0, atol=0)
    other = rule.rows(x, w, whole.flip(0))
    assert not torch.equal(other.winners, rule.rows(x, w).winners)


def stepped(make: Make) -> None:
    """A step changes the rows that are named and no others, along the change, and less for a smaller size."""
    rule, (x, w) = make(), problem(torch.float64)
    change = rule.rows(x[:3], w)
    kept = [t.clone() for t in change[:3]]
    moved = []
    for size in (0.0, 1e-3, 1e-2):
        stepped = w.clone()
        rule.step(stepped, change, size)
        moved.append(stepped - w)
    torch.testing.assert_close(list(change[:3]), kept, rtol=0, atol=0)
    others = [i for i in range(len(w)) if i not in change.units.tolist()]
    assert others or isinstance(rule, Hebbian)
    for difference in moved:
        torch.testing.assert_close(difference[others], torch.zeros_like(w[others]), rtol=0, atol=0)
    assert float(moved[0].abs().max()) == 0
    assert 0 < float(moved[1].abs().max()) < float(moved[2].abs().max())
    changed = change.values.any(1)
    assert bool(((moved[2][change.units] * change.values).sum(1) > 0)[changed].all())


def judged(make: Make) -> None:
    """Every unit gets a verdict; wins are those handed over; what has no reason to be at rest is not converged.

    A centre of k-means may rest anywhere, but it has rows: there the wins are 0 or unknown.
    """
    rule, (_, w) = make(), problem()
    wins = -torch.arange(len(w)).clamp_max(1) if isinstance(rule, Competitive) else torch.arange(len(w))
    before = [w.clone(), wins.clone()]
    for scale in (1e-3, 1e3):
        state = rule.health(scale * w, wins)
        assert [t.shape for t in (state.norm, state.converged, state.diverged)] == [(len(w),)] * 3
        assert not bool(state.converged.any())
        assert not state.accepted
        assert state.doubts
        assert bool((state.norm > 0).all())
    torch.testing.assert_close([w, wins], before, rtol=0, atol=0)
    torch.testing.assert_close(state.wins, wins, rtol=0, atol=0)
    state.wins.fill_(7)  # a copy
    torch.testing.assert_close(wins, before[1], rtol=0, atol=0)


def layered(make: Make) -> None:
    """What a layer computes and when it has converged depends on `layer_settings` and on no other setting."""
    rule, (_, w) = make(), problem()
    wins = torch.zeros(len(w), dtype=torch.int64)
    numbers = [f.name for f in fields(rule) if f.init and type(getattr(rule, f.name)) in (int, float)]  # type: ignore[arg-type]
    for name in set(numbers) - set(rule.layer_settings):
        other = replace(rule, **{name: getattr(rule, name) + 1})  # type: ignore[type-var]
        torch.testing.assert_close(other.derive(w), rule.derive(w), rtol=0, atol=0)
        mine, its = rule.health(w, wins), other.health(w, wins)
        torch.testing.assert_close(its.tensors(), mine.tensors(), rtol=0, atol=0)
        assert its.scalars() == mine.scalars()
        assert other.layer_settings == rule.layer_settings


def refuses(make: Make) -> None:
    """NaN, Inf, shapes that do not fit, and layers smaller than k are errors with our own message."""
    rule, (x, w) = make(), problem()
    for value, spoil in itertools.product((math.nan, math.inf), (0, 1)):
        arguments = [x.clone(), w.clone()]
        arguments[spoil][3, 2] = value
        with pytest.raises(InputError, match="NaN or Inf"):
            rule.update(*arguments)
    for a, b in ((x[:, :5], w), (x[0], w), (x, w[0]), (x[:0], w), (x.reshape(4, 5, 12), w)):
        with pytest.raises(InputError, match=r"(?s)do not fit.*got:.*wanted:.*fix:"):
            rule.update(a, b)
    if hasattr(rule, "k"):
        with pytest.raises(InputError, match="k is larger than the layer"):
            replace(rule, k=10).update(x, w)  # type: ignore[type-var]


def told_apart(make: Make) -> None:
    """Settings cannot be changed, and the representation a checkpoint is known by names all of them."""
    rule = make()
    numbers = [f.name for f in fields(rule) if f.init and type(getattr(rule, f.name)) in (int, float)]  # type: ignore[arg-type]
    for name in numbers:
        value = getattr(rule, name) + 1
        with pytest.raises(AttributeError):
            setattr(rule, name, value)
        assert repr(replace(rule, **{name: value})) != repr(rule)  # type: ignore[type-var]
    assert {"spread", "start"} & set(numbers)


CHECKS = (pure, shaped, summed, started, derived, stepped, judged, layered, refuses, told_apart)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("assert_it_is", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", TABLE)
def test_conforms(name: str, assert_it_is: Callable[[Make], None]) -> None:
    assert_it_is(TABLE[name])


def test_every_exported_rule_has_a_row() -> None:
    exported = {r for r in vars(rules).values() if isinstance(r, type) and issubclass(r, Rule)}
    assert {r for r in exported if not inspect.isabstract(r)} <= {type(make()) for make in TABLE.values()}


@pytest.mark.parametrize("make", [KrotovHopfield, KrotovHopfieldSequential])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("p", (0.9, math.nan, math.inf)),
        ("k", (1, 0)),
        ("delta", (-0.1, math.nan, math.inf)),
        ("radius", (0.0, -1.0, math.inf)),
        ("spread", (0.0, math.nan)),
    ],
)
def test_settings_out_of_range(make: Make, name: str, values: tuple[float, ...]) -> None:
    for value in values:
        with pytest.raises(InputError, match=f"{name} is out of range"):
            make(**{name: value})


@pytest.mark.usefixtures("unchecked")
def test_unknown_choices() -> None:
    for make in (KrotovHopfield, SoftHebb, Oja):
        with pytest.raises(InputError, match="unknown precision"):
            make(precision="float16")
    with pytest.raises(InputError, match="unknown losers"):
        KrotovHopfieldSequential(losers="all")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", TABLE)
def test_images_and_weights_of_different_precision(name: str) -> None:
    x, w = problem()
    rule = TABLE[name]()
    found = rule.update(x, w.double())
    torch.testing.assert_close(found, rule.update(x.double(), w.double()), rtol=1e-6, atol=1e-6)


def test_rows_named_twice_are_added() -> None:
    @dataclass(frozen=True)
    class PerSample(KrotovHopfield):
        """One row per sample, whoever won."""

        def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
            winners = (x @ weight.T).argmax(1)
            return Rows(winners, x, winners, 0)

    x, w = problem(torch.float64)
    winners = (x @ w.T).argmax(1)
    assert len(winners.unique()) < len(winners)
    wanted = torch.nn.functional.one_hot(winners, len(w)).double().T @ x
    torch.testing.assert_close(PerSample().update(x, w), wanted)


@dataclass(frozen=True)
class InPlace(KrotovHopfield):
    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        rows = super().rows(x, weight, derived)
        weight[rows.units] += 1e-3
        return rows


@dataclass(frozen=True)
class Mixing(KrotovHopfield):
    def derive(self, weight: Tensor) -> Tensor:
        return super().derive(weight / weight.abs().max())


@dataclass(frozen=True)
class Mean(KrotovHopfield):
    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        rows = super().rows(x, weight, derived)
        return rows._replace(values=rows.values / len(x))


@dataclass(frozen=True)
class GlobalStart(KrotovHopfield):
    def init(self, units: int, inputs: int, generator: torch.Generator) -> Tensor:
        return torch.randn(units, inputs)


@dataclass(frozen=True)
class Deaf(KrotovHopfield):
    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        return super().rows(x, weight)


@dataclass(frozen=True)
class Tolerant(KrotovHopfield):
    def update(self, x: Tensor, W: Tensor) -> Tensor:
        return super().update(x.nan_to_num(), W)


@dataclass(frozen=True)
class Float32(KrotovHopfield):
    def update(self, x: Tensor, W: Tensor) -> Tensor:
        return super().update(x, W).float()


@dataclass(frozen=True)
class Decaying(KrotovHopfield):
    def step(self, weight: Tensor, change: Rows, size: float) -> None:
        super().step(weight.mul_(1 - size), change, size)


@dataclass(frozen=True)
class Ascending(KrotovHopfield):
    def step(self, weight: Tensor, change: Rows, size: float) -> None:
        super().step(weight, change, -size)


@dataclass(frozen=True)
class Content(KrotovHopfield):
    def health(self, weight: Tensor, wins: Tensor) -> Convergence:
        state = super().health(weight, wins)
        return replace(state, converged=torch.ones_like(state.converged))


@dataclass(frozen=True)
class Undeclared(KrotovHopfield):
    @property
    def layer_settings(self) -> dict[str, float]:
        return {"p": self.p}


@dataclass(frozen=True)
class AcrossRows(SoftHebb):
    def gains(self, u: Tensor, winners: Tensor) -> Tensor:
        return u.softmax(0)


@dataclass(frozen=True, repr=False)
class Anonymous(KrotovHopfield):
    def __repr__(self) -> str:
        return "Anonymous()"


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (InPlace, pure),
        (GlobalStart, pure),
        (Float32, shaped),
        (Mean, summed),
        (AcrossRows, summed),
        (GlobalStart, started),
        (Mixing, derived),
        (Deaf, derived),
        (Decaying, stepped),
        (Ascending, stepped),
        (Content, judged),
        (Undeclared, layered),
        (Tolerant, refuses),
        (Anonymous, told_apart),
    ],
)
def test_the_table_catches_broken_rules(broken: Make, check: Callable[[Make], None]) -> None:
    check(KrotovHopfield)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(broken)
