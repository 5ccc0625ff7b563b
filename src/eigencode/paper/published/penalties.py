"""Spectral (D1, D2) and Jacobian (D3, D4) penalties as published."""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from eigencode.base.errors import InputError, nearest
from eigencode.base.seeding import stream
from eigencode.base.types import floats
from eigencode.geometry._closed import ClosedForms
from eigencode.geometry._products import directions, flattened
from eigencode.penalties.lp import sum_of_squares
from eigencode.penalties.protocol import Batch, Penalty
from eigencode.penalties.spectral import Spectral, spectral_loss
from eigencode.representation._modes import device_of
from eigencode.representation.at import Code, at

MANY = 100
"""From this batch size on, the terms of directions over the whole batch are replaced by their expectation."""

SHIFT = 0.02
"""Constant that the published code subtracts from the responses of a batch before it squares them."""


class PublishedJacobian(Penalty):
    """Jacobian penalty as published: (C / k B) Σ_k ‖Jᵀv_k‖² over a batch of B images, C units and k projections.

    v_1 has unit length per image, v_2 ... v_k per batch (D3).  There is no ½; J is the Jacobian of the pre-activation
    (D4) in unit space.

    For a linear pre-activation h = A u, J is A for every image and Jᵀv a matrix product.  In that case, with `MANY`
    images or more, the terms of v_2 ... v_k are replaced by their expectation, ‖A‖²_F / (k B) each: together they
    are (k − 1)/B of the term of v_1, in the value and in the noise of the gradient.

    Args:
        projections: k; 3 in arXiv 2405.00679.
        fix: departures to switch off: "D3" (every v of unit length per image), "D4" (latent representation).
        method: `"auto"`, or `"drawn"`: draw every v and differentiate, for linear pre-activations too; slow.
        seed: seed of the random vectors, together with the batch's seed and step.
    """

    def __init__(
        self,
        projections: int = 3,
        fix: Iterable[str] = (),
        method: Literal["auto", "drawn"] = "auto",
        seed: int = 0,
    ) -> None:
        self_fix = fixes(fix, ("D3", "D4"))
        super().__init__("latent" if "D4" in self_fix else "encoder", "unit")
        if method not in ("auto", "drawn") or projections < 1:
            raise InputError(
                "PublishedJacobian: a setting is out of range",
                got=f"method {method!r}, projections {projections}",
                wanted="auto or drawn; projections >= 1",
            )
        self.projections, self.fix, self.method, self.seed = projections, self_fix, method, seed
        self.mixed = method == "auto" and "D4" not in self_fix
        self._calls = 0
        self._forms = ClosedForms()

    def value(self, batch: Batch) -> Tensor:
        code = at(batch.net, str(self.place), "unit")
        step = self._calls if batch.step is None else batch.step
        self._calls += 1
        x = batch.points("unit")
        generator = stream(batch.seed, "published jacobian", self.seed, step, device=x.device)
        many = len(x) >= MANY or "D3" in self.fix or self.projections == 1
        form = self._forms(code, x, batch.epoch) if self.method == "auto" and many else None
        if form is not None and form.layer.power is None:
            return self._linear(form.layer.weight, len(x), generator)
        return self._drawn(code, x, generator)

    def _linear(self, matrix: Float[Tensor, "units inputs"], images: int, generator: torch.Generator) -> Tensor:
        units = len(matrix)
        drawn = self.projections if "D3" in self.fix else 1
        total = matrix.new_zeros(())
        for _ in range(drawn):
            v = torch.randn(images, units, generator=generator, dtype=matrix.dtype, device=matrix.device)
            v /= torch.linalg.vector_norm(v, dim=1, keepdim=True)
            total = total + units * _projected(matrix, v) / (self.projections * images)
        expected = (self.projections - drawn) / (self.projections * images)
        return total + expected * sum_of_squares(matrix) if expected else total

    def _drawn(self, code: Code, x: Tensor, generator: torch.Generator) -> Tensor:
        graph = torch.is_grad_enabled()
        with torch.enable_grad():
            z = flattened(code)(x.requires_grad_())
            images, units = z.shape
            total = z.new_zeros(())
            for k in range(self.projections):
                whole_batch = k > 0 and "D3" not in self.fix
                v = directions(z.detach().reshape(1, -1) if whole_batch else z.detach(), generator).reshape(z.shape)
                keep = graph or k + 1 < self.projections
                (row,) = torch.autograd.grad(z, x, v, retain_graph=keep, create_graph=graph)
                total = total + units * row.square().sum() / (self.projections * images)
        return total

    def extra_repr(self) -> str:
        settings = f"projections={self.projections}, fix={sorted(self.fix)}, method={self.method!r}, seed={self.seed}"
        return f"{settings}, {super().extra_repr()}"


class _Projected(torch.autograd.Function):
    """Autograd function ‖V A‖²_F with gradient 2 Vᵀ(V A) by A, computed in the precision of V A."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, v: Tensor) -> Tensor:
        rows = v @ matrix
        ctx.save_for_backward(v.to(rows.dtype).t().contiguous(), rows)
        return rows.to(matrix.dtype).square().sum()

    @staticmethod
    @once_differentiable  # type: ignore[no-untyped-call]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        transposed, rows = ctx.saved_tensors
        return (transposed @ rows).to(gradient.dtype).mul_(2 * gradient), None


def _projected(matrix: Float[Tensor, "units inputs"], v: Float[Tensor, "images units"]) -> Float[Tensor, ""]:
    total: Tensor = _Projected.apply(matrix, v)  # type: ignore[no-untyped-call]
    return total


class PublishedSpectral(Spectral):
    """Spectral penalty as published, with D1 (uncentred covariance of one batch) and D2 (no κ, pre-activation).

    Args:
        alpha, tau: as in `penalties.Spectral`; 1 and 0 in arXiv 2405.00679.
        batch_size: batch size of the published loop; the covariance of the training set contains its last batch only.
            Here that is the end of the images in the given order; the published loop shuffles them every epoch.
        fix: departures to switch off: "D1" (centred covariances of the whole training set) and/or "D2" (κ from the
            batch, after the nonlinearity).  With both it equals `penalties.Spectral`.
    """

    watches: ClassVar[bool] = True

    def __init__(self, alpha: float = 1.0, tau: int = 0, batch_size: int = 1000, fix: Iterable[str] = ()) -> None:
        self_fix = fixes(fix, ("D1", "D2"))
        super().__init__(alpha, tau, "latent" if "D2" in self_fix else "encoder")
        self.batch_size, self.fix = batch_size, self_fix
        self.mixed = not self_fix

    def eigenbasis(self, net: nn.Module, x: Tensor) -> Float[Tensor, "units units"]:
        if "D1" in self.fix:
            return super().eigenbasis(net, x)
        last = (len(x) - 1) // self.batch_size * self.batch_size
        device = device_of(net, x.device)
        first, rest = (floats(part.to(device)) for part in (x[: self.batch_size], x[last:]))
        pixels = at(net, "input")(first)  # of unit norm; as published, their mean is subtracted from the responses
        z = at(net, str(self.place))(rest)
        covariance = uncentred(z.double(), float(pixels.mean()), len(x))
        single = covariance if z.dtype == torch.float64 else covariance.float()  # as published; half the time
        basis: Tensor = torch.linalg.eigh(single).eigenvectors.flip(1)
        return basis

    def along(self, z: Float[Tensor, "n units"]) -> Float[Tensor, " units"]:
        if "D1" in self.fix:
            return super().along(z)
        # the diagonal of Vᵀ uncentred(z) V
        projected = ((z - SHIFT) @ self.basis.to(z)).to(z.dtype)
        return (projected.square().sum(0) - projected.mean(0).square() / len(z)) / (len(z) - 1)

    def value(self, batch: Batch) -> Tensor:
        variances = self.variances(batch)
        anchor = None if "D2" in self.fix else torch.ones((), dtype=variances.dtype, device=variances.device)
        return spectral_loss(variances, self.alpha, self.tau, anchor)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, batch_size={self.batch_size}, fix={sorted(self.fix)}"


def uncentred(z: Float[Tensor, "images units"], shift: float, count: int) -> Float[Tensor, "units units"]:
    """Covariance as published (D1): [Σ (z − K)(z − K)ᵀ − m mᵀ/count] / (count − 1), m the *mean*, not sum, of z − K."""
    moved = z - shift
    mean = moved.mean(0)
    return (moved.T @ moved - mean[:, None] * mean / count) / (count - 1)


def fixes(fix: Iterable[str], known: Collection[str]) -> frozenset[str]:
    """Check that the ids in `fix` are departures of this penalty."""
    chosen = frozenset(fix)
    for name in chosen - {*known}:
        raise InputError("no such departure here", got=name, wanted=", ".join(known), fix=nearest(name, list(known)))
    return chosen
