"""Derivatives along the data: against linear codes, finite differences, planted invariances and other libraries."""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.geometry import Tangents, tangents
from eigencode.geometry.tangents import KINDS, moved, nearest

SHAPE = (2, 7, 6)
G = torch.Generator().manual_seed(0)
MATRIX = torch.randn(5, math.prod(SHAPE), generator=G)


def images(n: int = 12, margin: int = 0) -> ec.Images:
    """Random images, dark near the border, of three classes."""
    x = torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(n)) + 0.01
    if margin:
        inside = torch.zeros(SHAPE)
        inside[:, margin:-margin, margin:-margin] = 1
        x = x * inside
    return ec.Images(x.clamp(0, 1), torch.arange(n) % 3)


def linear(x: Tensor) -> Tensor:
    return x.flatten(1) @ MATRIX.T.to(x.dtype)


def curved(x: Tensor) -> Tensor:
    return torch.tanh(linear(x)) + 0.1 * linear(x) ** 2


def unit_tangent(kind: str, given: ec.Images, i: int) -> np.ndarray:
    """The tangent of one image from scipy and plain loops."""
    x = given.x[i].double().numpy()
    if kind == "neighbour":
        others = [j for j in range(len(given)) if j != i and given.y[j] == given.y[i]]
        t = min((given.x[j].double().numpy() - x for j in others), key=lambda d: float(np.linalg.norm(d)))
    elif kind == "rotation":
        turn = math.degrees(0.25 / (math.hypot(*SHAPE[1:]) / 2))
        how: dict[str, Any] = {"axes": (2, 1), "reshape": False, "order": 1, "mode": "nearest"}
        t = ndimage.rotate(x, turn, **how) - ndimage.rotate(x, -turn, **how)
    else:
        by = np.array([0, 0.25 * (kind == "shift down"), 0.25 * (kind == "shift right")])
        t = ndimage.shift(x, by, order=1, mode="nearest") - ndimage.shift(x, -by, order=1, mode="nearest")
    return t / np.linalg.norm(t)


@pytest.mark.parametrize("kind", KINDS)
def test_a_linear_code_changes_by_its_matrix(kind: str) -> None:
    given = images()
    found = tangents(linear, given, [kind])
    expected = [np.linalg.norm(MATRIX.double().numpy() @ unit_tangent(kind, given, i).ravel()) for i in range(12)]
    torch.testing.assert_close(found.derivative[0], torch.tensor(expected), rtol=2e-4, atol=1e-5)
    mean = float(MATRIX.double().norm()) / math.sqrt(math.prod(SHAPE))
    torch.testing.assert_close(found.mean, torch.full((12,), mean, dtype=torch.float64), rtol=1e-5, atol=0)
    torch.testing.assert_close(found.ratios(kind), found.derivative[0] / mean, rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_curved_code_against_finite_differences(kind: str) -> None:
    given, step = images(), 1e-5
    found = tangents(curved, given, [kind])
    for i in range(len(given)):
        x, t = given.x[i].double(), torch.from_numpy(unit_tangent(kind, given, i))
        difference = (curved((x + step * t)[None]) - curved((x - step * t)[None])) / (2 * step)
        assert float(found.derivative[0, i]) == pytest.approx(float(difference.norm()), rel=2e-3)


def test_random_directions_are_all_directions_in_the_mean() -> None:
    found = tangents(curved, images(6), ["shift down"], directions=4000)
    torch.testing.assert_close(found.random, found.mean, rtol=0.06, atol=0)
    assert float(tangents(curved, images(60), directions=3).ratio()) == pytest.approx(1, abs=0.2)


def test_a_code_that_no_shift_changes() -> None:
    """The sum of all pixels of images that are dark at the border, and a code that is not like it."""
    given = images(margin=2)
    found = tangents(lambda x: x.flatten(1).sum(1, keepdim=True).repeat(1, 3), given)
    for kind in ("shift right", "shift down"):
        assert float(found.ratio(kind)) == pytest.approx(0, abs=1e-4)
    assert float(found.ratio("neighbour")) > 0.1
    assert float(tangents(linear, given).ratio("shift right")) > 0.3


def test_the_code_of_a_straight_line_is_straight() -> None:
    found = tangents(linear, images(), steps=7)
    torch.testing.assert_close(found.arc[0], torch.ones(12, dtype=torch.float64), rtol=1e-5, atol=0)
    torch.testing.assert_close(found.arc_of_points[0], torch.ones(12, dtype=torch.float64), rtol=1e-5, atol=0)
    assert bool((found.arc_of_points[3] > 1).all()), "a rotation moves the pixels on a curve"


@pytest.mark.parametrize(("steps", "accuracy"), [(1, math.inf), (4, 0.05), (200, 1e-4)])
def test_a_circle_is_as_long_as_it_is(steps: int, accuracy: float) -> None:
    """z = (cos s, sin s), and s = 2 at the neighbour, 0 at the image: an arc of 2 over a chord of 2 sin 1."""
    x = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.7, 0.2, 0.2, 0.2]]).reshape(2, 1, 2, 2)

    def circle(z: Tensor) -> Tensor:
        s = 4 * (z[:, 0, 0, 0] - 0.2)
        return torch.stack([s.cos(), s.sin()], 1)

    found = tangents(circle, ec.Images(x, [0, 0]), ["neighbour"], steps=steps)
    expected = 1.0 if steps == 1 else 2 / (2 * math.sin(1))
    assert found.arc[0].tolist() == pytest.approx([expected] * 2, rel=min(accuracy, 1e-5) if steps != 4 else 0.05)
    torch.testing.assert_close(found.derivative[0], torch.full((2,), 4.0, dtype=torch.float64), rtol=1e-5, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_of_its_class(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    x, y = torch.rand(40, 3, generator=draw), torch.randint(0, 9, (40,), generator=draw)
    x[7] = x[8]
    y[7] = y[8]
    for i, found in enumerate(nearest(x, y).tolist()):
        distance = {j: float((x[i] - x[j]).norm()) for j in range(40) if y[j] == y[i] and not torch.equal(x[i], x[j])}
        assert found == (min(distance, key=distance.__getitem__) if distance else i)


def test_many_images_of_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = nearest(images(40).x, images(40).y)
    monkeypatch.setattr(sys.modules["eigencode.geometry.tangents"], "ROWS", 3)
    torch.testing.assert_close(nearest(images(40).x, images(40).y), whole, rtol=0, atol=0)


@pytest.mark.parametrize("angle", [0.0, 0.1, -0.4])
@pytest.mark.parametrize(("down", "right"), [(0.0, 0.0), (0.3, -1.6), (2.0, 0.0)])
def test_images_move_as_those_of_scipy(angle: float, down: float, right: float) -> None:
    x = images().x.double()
    for mine, one in zip(moved(moved(x, angle=angle), right, down), x.numpy(), strict=True):
        turned = ndimage.rotate(one, -math.degrees(angle), axes=(2, 1), reshape=False, order=1, mode="nearest")
        expected = ndimage.shift(turned, (0, down, right), order=1, mode="nearest")
        np.testing.assert_allclose(mine.numpy(), expected, atol=1e-9)


def test_images_without_a_tangent_do_not_count() -> None:
    """An image that is alone in its class, and an image of one grey."""
    x = images(8).x.clone()
    x[1] = 0.5
    given = ec.Images(x, [0, 0, 0, 0, 0, 0, 0, 1])
    found = tangents(linear, given)
    assert found.derivative.isnan().nonzero().tolist() == [[0, 7], [1, 1], [2, 1], [3, 1]]
    assert [found.ratio(kind).n for kind in KINDS] == [7, 7, 7, 7]
    assert found.arc_length("neighbour").n == 7
    for arc in (found.arc, found.arc_of_points):
        assert arc.isnan().nonzero().tolist() == [[0, 7], [1, 1], [2, 1], [3, 1]]
    with pytest.warns(ec.EigencodeWarning, match="Jacobian is zero for 8 of 8"):
        assert tangents(lambda x: x.flatten(1) * 0, given).ratio("shift right").n == 0


def test_in_unit_space_tangents_have_unit_length_there() -> None:
    given = images()
    net = ec.models.perceptron(given, units=5)
    found = tangents(ec.at(net, "encoder", "unit"), given, ["neighbour", "shift right"])
    points = net.norm(given.x)  # type: ignore[operator]
    direct = tangents(lambda x: x.flatten(1) @ net.encoder.weight.T, given, ["shift right"])  # type: ignore[union-attr, operator]
    torch.testing.assert_close(found.derivative[1], direct.derivative[0], rtol=1e-4, atol=0)  # t has the same direction
    t = (points[nearest(points, given.y)] - points).flatten(1)
    expected = (t @ net.encoder.weight.T).norm(dim=1) / t.norm(dim=1)  # type: ignore[union-attr, operator]
    torch.testing.assert_close(found.derivative[0], expected.detach().double(), rtol=1e-4, atol=0)
    assert (found.space, found.place) == ("unit", "encoder")


def test_intervals_are_over_groups() -> None:
    given = images(60)
    together = ec.Images(given.x, given.y, groups=torch.arange(60) // 5)
    alone, grouped = (tangents(curved, g).ratio("rotation") for g in (given, together))
    assert alone.value == grouped.value
    assert "12 groups" in grouped.method


class Saving(nn.Module):
    """Computes its layer a second time instead of keeping it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(math.prod(SHAPE), 4)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = checkpoint(self.layer, x.flatten(1), use_reentrant=True)
        return z


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: tangents(linear, images().x), "images without labels"),
        (lambda: tangents(linear, images(), ["shift left"]), "unknown tangents"),
        (lambda: tangents(linear, images(), []), "unknown tangents"),
        (lambda: tangents(linear, images(), ["rotation", "rotation"]), "each once"),
        (lambda: tangents(linear, images(), directions=0), "directions is too small"),
        (lambda: tangents(linear, images(), steps=0), "steps is too small"),
        (lambda: tangents(linear, images(), shift=0.0), "a path without a length"),
        (lambda: tangents(linear, images(), angle=math.inf), "a path without a length|wrong type"),
        (lambda: tangents(abs, ec.Images(torch.ones(3, 1, 1, 4), [0, 0, 1])), "cannot be moved"),
        (lambda: tangents(Saving(), images()), "no second derivatives"),
        (lambda: tangents(linear, images(), ["rotation"]).ratio("shift right"), "no such tangent"),
    ],
)
def test_refusals(call: Callable[[], Tangents], says: str) -> None:
    with pytest.raises(InputError, match=says):
        call()
