"""The two slow penalties of arXiv 2405.00679, value and gradient, against the way they are written there.

That is a derivative of a derivative for the Jacobian penalty, and the covariance of the batch for the spectral one.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.timing import Result, best
from eigencode.base.precision import multiplies_bfloat16
from eigencode.base.types import Images
from eigencode.models import perceptron
from eigencode.paper.published import SHIFT, PublishedJacobian, PublishedSpectral, uncentred
from eigencode.penalties import Batch, spectral_loss, watch

IMAGES, UNITS = 1000, 2000


def run() -> list[Result]:
    generator = torch.Generator().manual_seed(0)
    images = Images(torch.rand(IMAGES, 3, 32, 32, generator=generator), torch.arange(IMAGES) % 10)
    net = perceptron(images, units=UNITS)
    x = net.run(images.x, until="norm")
    spectral = PublishedSpectral()
    spectral.prepare(net, images.x)

    def by_covariance(batch: Batch) -> Tensor:
        basis = spectral.basis
        z = batch.at("encoder").to(basis.dtype)
        variances = (basis.T @ uncentred(z, SHIFT, len(z)) @ basis).diagonal()
        return spectral_loss(variances, 1.0, 0, torch.ones((), dtype=basis.dtype))

    def one(penalty: Callable[[Batch], Tensor], low: bool) -> Callable[[], tuple[Tensor, Tensor]]:
        def step() -> tuple[Tensor, Tensor]:
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                with watch(net, spectral) as seen:
                    net.run(x, after="norm")
                value = penalty(seen.batch(x, space="unit", step=0))
            return value.detach(), torch.autograd.grad(value, net.encoder.weight)[0]

        return step

    rows = []
    for name, written, ours in (
        ("Jacobian", PublishedJacobian(method="drawn"), PublishedJacobian()),
        ("spectral", by_covariance, spectral),
    ):
        for precision, low in (("float32", False), ("bfloat16 products", True))[: 1 + multiplies_bfloat16("cpu")]:
            slow, fast = one(written, False), one(ours, low)
            rows.append(
                Result(
                    f"published {name} penalty and its gradient, {IMAGES}×3072→{UNITS}, {precision}",
                    *best(slow, fast, repeats=3),
                    float("nan"),
                    _agreement(slow(), fast(), "; other random directions" if name == "Jacobian" else ""),
                )
            )
    return rows


def _agreement(written: tuple[Tensor, Tensor], ours: tuple[Tensor, Tensor], drawn: str) -> str:
    value = abs(float(ours[0] / written[0]) - 1)
    length = abs(float(ours[1].double().norm() / written[1].double().norm()) - 1)
    return f"value equal to {value:.0e}, length of the gradient to {length:.0e}{drawn}"
