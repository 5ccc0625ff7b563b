"""Ridge read-outs of leading directions and of dichotomies: against another library and planted codes."""

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.measures.expressivity import ExpressivityMeasure, Rising, expressivity, halves
from eigencode.measures.ridge import STRENGTHS, cross_validated, fold_of


def code(n: int, units: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Responses of four noisy classes, more varied in the first units."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 4, (n,), generator=draw)
    centres = torch.randn(4, units, generator=draw)
    scale = torch.arange(1, units + 1) ** -0.5
    return (centres[y] + 1.5 * torch.randn(n, units, generator=draw)) * scale, y


@pytest.mark.parametrize(("n", "units"), [(120, 12), (60, 90)])
def test_with_all_directions_it_is_the_ridge_read_out(n: int, units: int) -> None:
    z, y = code(n, units)
    found = expressivity(z, y, [3, 1000], 2, folds=4, seed=1)
    assert torch.equal(found.correct[1], cross_validated(z, y, 4, 1)[0])
    assert not torch.equal(found.correct[0], found.correct[1])


@pytest.mark.parametrize(("n", "units"), [(120, 12), (60, 90)])
@pytest.mark.parametrize("k", [1, 4, 9])
def test_leading_directions_as_those_of_scikit_learn(n: int, units: int, k: int) -> None:
    z, y = code(n, units)
    found, part = expressivity(z, y, [k], 1, folds=3, seed=2), fold_of(y, 3, 2)
    for fold in range(3):
        train, rest = z[part != fold].double().numpy(), z[part == fold].double().numpy()
        scores = PCA(k, svd_solver="full").fit(train)
        a, b = scores.transform(train), scores.transform(rest)
        penalties = np.array(STRENGTHS) * (a**2).sum() / k
        fitted = RidgeCV(alphas=penalties).fit(a, np.eye(4)[y[part != fold].numpy()])
        assert np.array_equal(fitted.predict(b).argmax(1) == y[part == fold].numpy(), found.correct[0][part == fold])


def test_a_class_that_only_the_third_direction_tells() -> None:
    draw = torch.Generator().manual_seed(3)
    y = torch.arange(400) % 2
    z = torch.randn(400, 5, generator=draw) * torch.tensor([9.0, 6.0, 0.1, 0.5, 0.2])
    z[:, 2] += 3 * (2 * y - 1)
    found = expressivity(z, y, [2, 3], 1, folds=5, seed=0)
    assert float(found.accuracy(3)) == 1
    assert found.accuracy(2).low < 0.5 < found.accuracy(2).high + 0.05
    assert float(found.right.mean()) == 1


def test_corners_of_a_square_have_a_dichotomy_that_no_line_separates() -> None:
    """Three dichotomies of four classes: two are separated, the third (exclusive or) is not better than chance."""
    draw = torch.Generator().manual_seed(4)
    y = torch.arange(2000) % 4
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    found = expressivity(corners[y] + 0.05 * torch.randn(2000, 2, generator=draw), y, [2], 9, folds=5, seed=0)
    assert len(found.side) == 3
    assert float(found.right.mean()) == pytest.approx((1 + 1 + 0.5) / 3, abs=0.02)
    assert found.chance == 0.5


def test_a_code_that_knows_nothing_is_at_chance() -> None:
    draw = torch.Generator().manual_seed(5)
    found = expressivity(torch.randn(3000, 6, generator=draw), torch.arange(3000) % 10, [1, 6], 20, folds=5, seed=0)
    assert float(found.right.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(found.accuracy(6)) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(("classes", "count", "expected"), [(2, 5, 1), (3, 9, 3), (4, 2, 2), (5, 99, 10), (6, 99, 10)])
def test_dichotomies_differ_also_from_complements(classes: int, count: int, expected: int) -> None:
    y = torch.arange(classes) + 1  # class 0 has no image
    side = halves(y, count, seed=0)[:, 1:]
    both = {tuple(row) for row in side.tolist()} | {tuple(row) for row in (~side).tolist()}
    assert len(side) == expected
    assert len(both) == 2 * expected
    assert bool((side.sum(1) == classes // 2).all())


def test_chance_is_that_of_the_larger_side() -> None:
    y = torch.tensor([0] * 30 + [1] * 10)
    assert expressivity(torch.randn(40, 3), y, [1], 1, folds=2, seed=0).chance == 0.75


def test_refusals() -> None:
    with pytest.raises(InputError, match="NaN or Inf"):
        expressivity(torch.full((20, 3), torch.nan), torch.arange(20) % 2, [1], 1, folds=2, seed=0)
    with pytest.raises(InputError, match="no dichotomy"):
        halves(torch.zeros(9, dtype=torch.long), 1, 0)
    with pytest.raises(InputError, match="too few images"):
        ExpressivityMeasure(folds=9).check(5, 10)
    for wrong in ((), (0, 1), (3, 3), (5, 2)):
        with pytest.raises(ValidationError, match="rising numbers"):
            TypeAdapter(Rising).validate_python(wrong)
