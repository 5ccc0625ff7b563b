"""What is PGD's own: starts, restarts, the iterate that is kept, and step sizes."""

import pytest
import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.types import Bounds
from eigencode.robustness import PGD
from eigencode.robustness._balls import length
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle


def corner(x: Tensor) -> Tensor:
    """Class 1 only near the corner (1, 1); the loss also rises, to no avail, towards (0, 0), which is nearer."""
    v = x.flatten(1)
    score = torch.where(v.sum(1) < 0.9, -0.9 * v.sum(1) - 0.09, v.sum(1) - 1.5)
    return torch.stack([torch.zeros_like(score), score], 1)


def test_restarts_leave_a_trap() -> None:
    """From the image the gradient leads into the trap; some random start leads to the corner."""
    x, y = torch.full((1, 1, 1, 2), 0.44), torch.tensor([0])
    alone = PGD(random_start=False)(corner, x, y, 0.5)
    many = PGD(restarts=6)(corner, x, y, 0.5)
    assert not bool(alone.success)
    assert bool(many.success)


def test_the_first_of_several_starts_is_the_image_and_the_others_fill_the_ball() -> None:
    x, goal = torch.rand(30, 1, 4, 4), Goal(torch.zeros(30).long())
    oracle = Oracle(lambda x: x.flatten(1))
    for norm in ("linf", "l2", "l1"):
        starts = PGD(norm, restarts=3).prepare(oracle, x, goal, Bounds(), Draws(0, range(30)))
        assert starts is not None
        torch.testing.assert_close(starts[:, 0], torch.zeros(30, 1, 4, 4), rtol=0, atol=0)
        size = length(starts[:, 1:].flatten(0, 1), norm)
        assert float(size.min()) > 0.2
        assert float(size.max()) <= 1 + 1e-6
        assert float((starts[:, 1] - starts[:, 2]).abs().max()) > 0.1
    one = PGD(restarts=1).prepare(oracle, x, goal, Bounds(), Draws(0, range(30)))
    assert one is not None
    assert float(one.abs().max()) > 0.5
    assert PGD(random_start=False).prepare(oracle, x, goal, Bounds(), Draws(0, range(30))) is None


def test_only_unbroken_images_start_again_and_step_on() -> None:
    """Ten images on each side of what eps can reach: the near ones are broken at the first step and then left alone."""
    x = torch.cat([torch.full((10, 2), 0.5), torch.full((10, 2), 0.1)]).reshape(20, 1, 1, 2)
    x[:, 0, 0, 0] += 0.05
    x[10:, 0, 0, 0] += 0.6
    attack = PGD(steps=8, rel_step=1.0, random_start=False)
    found = attack(lambda v: v.flatten(1), x, torch.zeros(20).long(), 0.1)
    assert found.success.tolist() == [True] * 10 + [False] * 10
    assert found.gradients == 2 * 10 + 8 * 10  # one to move, one to see the success
    again = PGD(steps=8, rel_step=1.0, restarts=3)(lambda v: v.flatten(1), x, torch.zeros(20).long(), 0.1)
    assert again.success.tolist() == found.success.tolist()
    assert again.gradients == 2 * 10 + 3 * 8 * 10


def test_best_and_last_iterate() -> None:
    """A step far too long jumps over the narrow strip of class 1 and back: the best iterate saw the nearest point."""

    def strip(x: Tensor) -> Tensor:
        v = x.flatten(1)[:, 0]
        return torch.stack([torch.zeros_like(v), 0.05 - (v - 0.7).abs()], 1)

    x, y = torch.full((1, 1, 1, 1), 0.5), torch.tensor([0])
    settings = {"steps": 3, "step": 0.22, "random_start": False, "loss": "margin"}
    best, last = (PGD(keep=k, **settings)(strip, x, y, 0.4) for k in ("best", "last"))  # type: ignore[arg-type]
    assert bool(best.success)
    torch.testing.assert_close(best.clipped.flatten(), torch.tensor([0.72]))
    torch.testing.assert_close(last.clipped.flatten(), torch.tensor([0.72]))  # 0.72, 0.50, 0.72
    even = PGD(keep="last", **{**settings, "steps": 4})(strip, x, y, 0.4)  # type: ignore[arg-type]
    torch.testing.assert_close(even.clipped.flatten(), torch.tensor([0.5]))
    assert not bool(even.success)
    kept = PGD(keep="best", **{**settings, "step": 0.12, "steps": 1})(strip, x, y, 0.4)  # type: ignore[arg-type]
    torch.testing.assert_close(kept.clipped.flatten(), torch.tensor([0.62]))  # no success: the smaller gap


def test_step_sizes() -> None:
    x, y = torch.full((1, 1, 1, 2), 0.5), torch.tensor([0])
    logits = lambda v: torch.stack([1 + v.flatten(1)[:, 1] - v.flatten(1)[:, 0], 0 * v.flatten(1)[:, 0]], 1)  # noqa: E731
    for attack, moved in (
        (PGD(steps=1, random_start=False, step=0.03), 0.03),
        (PGD(steps=2, random_start=False, step=0.03), 0.06),
        (PGD(steps=2, random_start=False, rel_step=0.25), 0.1),
        (PGD(steps=20, random_start=False), 0.2),
        (PGD(steps=1, random_start=False), 0.2),
    ):
        torch.testing.assert_close(float(attack(logits, x, y, 0.2).distance), moved)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "at least one step"),
        ({"restarts": 0}, "at least one step"),
        ({"step": 0.1, "rel_step": 0.1}, "two step sizes"),
        ({"step": -0.1}, "must be positive"),
        ({"restarts": 2, "random_start": False}, "the same"),
        ({"loss": "hinge"}, "unknown loss"),
        ({"norm": "l3"}, "unknown norm"),
        ({"keep": "first"}, "unknown iterate"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PGD(**settings)  # type: ignore[arg-type]
