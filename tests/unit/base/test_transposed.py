"""The layout of a gradient is changed, its numbers are not."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eigencode.base.transposed import transposed_gradient
from eigencode.models import Dense


def gradients(wrapped: bool, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 30, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(10, 30, generator=generator).to(dtype).requires_grad_()
    h = F.linear(x, weight)
    z = transposed_gradient(h) if wrapped else h
    gx, gw = torch.autograd.grad(F.relu(z).square().sum(), (x, weight), create_graph=dtype == torch.float64)
    return z, gx, gw


def test_values_and_gradients_stay() -> None:
    for dtype in (torch.bfloat16, torch.float32, torch.float64):
        for ours, plain in zip(gradients(True, dtype), gradients(False, dtype)):
            torch.testing.assert_close(ours, plain)


def test_the_gradient_of_a_low_precision_product_is_laid_out_by_units() -> None:
    for dtype, by_units in ((torch.bfloat16, True), (torch.float32, False)):
        seen: list[Tensor] = []
        h = torch.ones(20, 10, dtype=dtype, requires_grad=True) * 1
        transposed_gradient(h).register_hook(seen.append)  # type: ignore[no-untyped-call]
        h.square().sum().backward()  # type: ignore[no-untyped-call]
        assert [g.t().is_contiguous() for g in seen] == [by_units]


def test_it_can_be_differentiated_twice() -> None:
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    (first,) = torch.autograd.grad(transposed_gradient(x).pow(3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(second, 6 * x.detach(), rtol=0.02, atol=0)


def test_transforms_of_functions_and_changes_in_place_go_on_working() -> None:
    net = nn.Sequential(Dense(6, 4), nn.ReLU(inplace=True))
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        rows = torch.func.vmap(torch.func.jacrev(lambda p: net(p[None])[0]))(x)
        assert rows.shape == (3, 4, 6)
        net(x).sum().backward()
    assert net[0].weight.grad is not None


def test_without_a_gradient_nothing_is_wrapped() -> None:
    h = torch.ones(2, 3, dtype=torch.bfloat16)
    assert transposed_gradient(h) is h
