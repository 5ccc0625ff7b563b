"""‖∂z/∂x‖_F of 3072 → 2000 ReLU units at 100 points, against one backward pass per unit."""

import time

import torch

from benchmarks.timing import Result, best
from eigencode import at, jacobian_norm
from eigencode.base.types import Images
from eigencode.models import perceptron

POINTS = 100


def run() -> list[Result]:
    generator = torch.Generator().manual_seed(0)
    images = Images(torch.rand(POINTS, 3, 32, 32, generator=generator), torch.arange(POINTS) % 10)
    code = at(perceptron(images, units=2000), "latent", space="unit")
    x = code.points(images.x)

    def straightforward() -> torch.Tensor:
        points = x.clone().requires_grad_()
        z = code(points)
        squares = torch.zeros(len(x))
        for unit in range(z.shape[1]):
            (gradient,) = torch.autograd.grad(z[:, unit].sum(), points, retain_graph=True)
            squares += gradient.flatten(1).square().sum(1)
        return squares.sqrt()

    began = time.perf_counter()
    expected = straightforward()
    slow = time.perf_counter() - began
    found = jacobian_norm(code, x).value
    error = float((found / expected - 1).abs().max())
    assert error < 1e-4, f"closed form differs by {error}"
    (fast,) = best(lambda: jacobian_norm(code, x), repeats=20)
    return [Result(f"‖∂z/∂x‖ at {POINTS} points, 3072→2000", slow, fast, 1000.0, f"equal to {error:.0e}")]
