"""The losses against their formulae written out, and against each other."""

import pytest
import torch

from eigencode.base.errors import InputError
from eigencode.robustness._losses import LOSSES, check_loss, cross_entropy, dlr, log_odds, margin, scale_free


def test_values_by_hand() -> None:
    z, y, t = torch.tensor([[2.0, 5.0, 1.0, -1.0]]).double(), torch.tensor([0]), torch.tensor([3])
    p = z.exp() / z.exp().sum()
    torch.testing.assert_close(cross_entropy(z, y), -p[:, 0].log())
    torch.testing.assert_close(cross_entropy(z, y, t), p[:, 3].log())
    torch.testing.assert_close(log_odds(z, y), ((1 - p[:, 0]) / p[:, 0]).log())
    torch.testing.assert_close(log_odds(z, y, t), (p[:, 3] / (1 - p[:, 3])).log())
    torch.testing.assert_close(margin(z, y), torch.tensor([3.0]).double())
    torch.testing.assert_close(margin(z, y, t), torch.tensor([-6.0]).double())
    torch.testing.assert_close(dlr(z, y), torch.tensor([3 / 4]).double())
    torch.testing.assert_close(dlr(z, y, t), torch.tensor([-3 / (5 - (1 - 1) / 2)]).double())


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("targeted", [False, True])
def test_larger_is_nearer_to_the_goal(name: str, targeted: bool, rng: torch.Generator) -> None:
    """Raising the logit of another class (the target) raises the loss; images do not influence each other."""
    z = torch.randn(50, 6, generator=rng, dtype=torch.float64)
    y = z.argmax(1)
    t = (y + 1) % 6 if targeted else None
    loss = LOSSES[name]
    aim = t if t is not None else z.scatter(1, y[:, None], -torch.inf).argmax(1)
    step = torch.zeros_like(z).scatter_(1, aim[:, None], 1e-3)
    assert bool((loss(z + step, y, t) > loss(z, y, t)).all())
    torch.testing.assert_close(loss(z[:7], y[:7], None if t is None else t[:7]), loss(z, y, t)[:7])


def test_log_odds_has_the_direction_of_cross_entropy_and_never_underflows(rng: torch.Generator) -> None:
    z = torch.randn(40, 5, generator=rng, dtype=torch.float64).mul(3).requires_grad_()
    y = torch.randint(0, 5, (40,), generator=rng)
    (a,) = torch.autograd.grad(cross_entropy(z, y).sum(), z)
    (b,) = torch.autograd.grad(log_odds(z, y).sum(), z)
    torch.testing.assert_close(a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True))
    big = torch.tensor([[900.0, 3.0, -5.0]], requires_grad=True)
    (c,) = torch.autograd.grad(cross_entropy(big, torch.tensor([0])).sum(), big)
    (d,) = torch.autograd.grad(log_odds(big, torch.tensor([0])).sum(), big)
    torch.testing.assert_close(c, torch.zeros(1, 3), rtol=0, atol=0)
    torch.testing.assert_close(d, torch.tensor([[-1.0, 0.9997, 0.0003]]), rtol=0, atol=1e-4)


def test_dlr_does_not_see_shift_and_scale(rng: torch.Generator) -> None:
    z, y = torch.randn(20, 6, generator=rng).double(), torch.zeros(20).long()
    torch.testing.assert_close(dlr(7 * z + 3, y), dlr(z, y))


def test_scale_free_does_not_see_shift_and_scale_and_survives_equal_logits(rng: torch.Generator) -> None:
    z, y = torch.randn(20, 6, generator=rng).double(), torch.zeros(20).long()
    torch.testing.assert_close(scale_free(1e6 * z - 3, y), scale_free(z, y))
    top = (z - z.mean(1, keepdim=True)) / (z.amax(1, keepdim=True) - z.mean(1, keepdim=True)) * 10
    torch.testing.assert_close(scale_free(z, y), log_odds(top, y))
    equal = torch.zeros(1, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(scale_free(equal, torch.tensor([0])).sum(), equal)
    torch.testing.assert_close(slope, torch.tensor([[-10.0, 10.0]]))


def test_wrong_inputs() -> None:
    with pytest.raises(InputError, match="did you mean 'margin'"):
        check_loss("margn")
    with pytest.raises(InputError, match="too few classes"):
        dlr(torch.zeros(1, 2), torch.tensor([0]))
