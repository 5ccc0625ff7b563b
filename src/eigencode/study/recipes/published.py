"""Quarantine: the penalties and the evaluation exactly as the code published with arXiv 2405.00679 computes them.

For the `published` protocol of a study only, so that the effect of each departure from the paper's own mathematics
can be measured.  Everything else uses `eigencode.penalties`.  Each departure has an id and a switch: `fix={"D3"}`
repairs D3 and leaves the others as published.  The mechanisms were looked up in that code; the words and lines here are
our own.

D1  spectral: the covariance of the training set keeps its last batch only; it and the covariance of a batch subtract
    m mᵀ/N with the mean m where the sum belongs, so both are practically uncentred.
D2  spectral: γ_n = n^(−α) without κ, on the pre-activation instead of after the nonlinearity.
D3  Jacobian: the code is flattened inside the loop over projections, so that from the second one on v has unit length
    over the whole batch instead of per image: for a batch of B and k projections the value is (1 + (k − 1)/B)/k of
    what it should be.
D4  Jacobian: of the pre-activation, where the penalty is weight decay.
D5  evaluation in training mode.
D13 spectrum: covariance in float32 as E[zzᵀ] − E[z]E[z]ᵀ of responses shifted by the mean of the *pixels*, and the
    eigenvalues of this symmetric matrix from the routine for general ones.
"""

from collections.abc import Collection, Iterable
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eigencode.base.errors import InputError, nearest
from eigencode.base.modes import evaluating
from eigencode.base.places import at
from eigencode.base.seeding import stream
from eigencode.geometry.products import directions, flattened
from eigencode.penalties import Batch, Penalty, Spectral, spectral_loss

__all__ = ["PublishedJacobian", "PublishedSpectral"]

SHIFT = 0.02
"""What the published code subtracts from the responses of a batch before it squares them."""


def _fixes(fix: Iterable[str], known: Collection[str]) -> frozenset[str]:
    chosen = frozenset(fix)
    for name in chosen:
        if name not in known:
            raise InputError(
                "no such departure here", got=name, wanted=", ".join(known), fix=nearest(name, list(known))
            )
    return chosen


class PublishedJacobian(Penalty):
    """(C / k B) Σ_k ‖Jᵀv_k‖² over the whole batch, v_1 of unit length per image, v_2 ... v_k per batch (D3).

    No ½, in unit space, and of the pre-activation (D4).

    Args:
        projections: k; 3 in arXiv 2405.00679.
        fix: any of "D3" (every v of unit length per image), "D4" (of the latent representation).
        seed: of the random vectors, with the batch's seed and step.
    """

    def __init__(self, projections: int = 3, fix: Iterable[str] = (), seed: int = 0) -> None:
        self_fix = _fixes(fix, ("D3", "D4"))
        super().__init__("latent" if "D4" in self_fix else "encoder", "unit")
        self.projections, self.fix, self.seed = projections, self_fix, seed
        self._calls = 0

    def value(self, batch: Batch) -> Tensor:
        code = at(batch.net, str(self.place), "unit")
        step = self._calls if batch.step is None else batch.step
        self._calls += 1
        graph = torch.is_grad_enabled()
        with torch.enable_grad():
            x = batch.points("unit")
            generator = stream(batch.seed, "published jacobian", self.seed, step, device=x.device)
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
        return f"projections={self.projections}, fix={sorted(self.fix)}, seed={self.seed}, {super().extra_repr()}"


class PublishedSpectral(Spectral):
    """The spectral penalty with D1 and D2: another loss, in another basis, of another representation.

    Args:
        alpha, tau: as in `penalties.Spectral`; 1 and 0 in arXiv 2405.00679.
        batch_size: of the published loop, which decides how many images the covariance of the training set keeps.
        fix: "D1" (centred covariances, the whole training set) and/or "D2" (κ from the batch, after the
            nonlinearity).  With both it equals `penalties.Spectral`.
    """

    watches: ClassVar[bool] = True

    def __init__(self, alpha: float = 1.0, tau: int = 0, batch_size: int = 1000, fix: Iterable[str] = ()) -> None:
        self_fix = _fixes(fix, ("D1", "D2"))
        super().__init__(alpha, tau, "latent" if "D2" in self_fix else "encoder")
        self.batch_size, self.fix = batch_size, self_fix

    def prepare(self, net: nn.Module, x: Tensor, epoch: int | None = None, step: int | None = None) -> None:
        if "D1" in self.fix:
            super().prepare(net, x, epoch, step)
            return
        if not self._due(epoch, step):
            return
        code = at(net, str(self.place))
        last = (len(x) - 1) // self.batch_size * self.batch_size
        device = next((p.device for p in net.parameters()), x.device)
        first_images, last_images = (
            (part.float() / 255 if part.dtype == torch.uint8 else part).to(device)
            for part in (x[: self.batch_size], x[last:])
        )
        with torch.no_grad():
            shift = at(net, "input")(first_images).mean()  # of the unit-norm pixels, not of the responses
            covariance = uncentred(code(last_images).double(), float(shift), len(x))
            self.basis = torch.linalg.eigh(covariance).eigenvectors.flip(1)
        self.refreshed = torch.tensor([-1 if epoch is None else epoch, -1 if step is None else step])

    def variances(self, batch: Batch) -> Float[Tensor, " units"]:
        if "D1" in self.fix:
            return super().variances(batch)
        z = batch.at(str(self.place)).double()
        self._check(z)
        return (self.basis.T @ uncentred(z, SHIFT, len(z)) @ self.basis).diagonal()

    def value(self, batch: Batch) -> Tensor:
        variances = self.variances(batch)
        anchor = None if "D2" in self.fix else torch.ones((), dtype=variances.dtype, device=variances.device)
        return spectral_loss(variances, self.alpha, self.tau, anchor)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, batch_size={self.batch_size}, fix={sorted(self.fix)}"


def uncentred(z: Float[Tensor, "images units"], shift: float, count: int) -> Float[Tensor, "units units"]:
    """D1: [Σ (z − K)(z − K)ᵀ − m mᵀ/count] / (count − 1) with m the *mean* of z − K where its sum belongs."""
    moved = z - shift
    mean = moved.mean(0)
    return (moved.T @ moved - mean[:, None] * mean / count) / (count - 1)


def eigenvalues(
    z: Float[Tensor, "images units"], shift: float, batch_size: int = 1000, fix: Iterable[str] = ()
) -> Float[Tensor, " units"]:
    """D13: the covariance eigenvalues of a code, descending by their real parts, as float32 makes them.

    Many of the small ones are negative: rounding of the large ones decides them.  `fix={"D13"}` centres the
    responses in float64 and uses the routine for symmetric matrices.
    """
    if "D13" in _fixes(fix, ("D13",)):
        centred = z.double() - z.double().mean(0)
        exact: Tensor = torch.linalg.eigvalsh(centred.T @ centred / (len(z) - 1)).flip(0)
        return exact
    moved = [part.float() - shift for part in torch.split(z, batch_size)]
    total = torch.stack([part.sum(0) for part in moved]).sum(0)
    squares = torch.stack([part.T @ part for part in moved]).sum(0)
    covariance = (squares - torch.outer(total, total) / len(z)) / (len(z) - 1)
    values: Tensor = torch.linalg.eigvals(covariance).real.sort(descending=True).values
    return values


def accuracy(
    net: nn.Module,
    x: Float[Tensor, "images *shape"],
    y: Int[Tensor, " images"],
    batch_size: int = 1000,
    fix: Iterable[str] = (),
) -> float:
    """Share of correct predictions; as published (D5) in training mode, so that every BatchNorm learns from `x`.

    Unlike any other measurement of this package it changes the running statistics of the network: that is D5.
    `fix={"D5"}` evaluates in evaluation mode and changes nothing.
    """
    published = "D5" not in _fixes(fix, ("D5",))
    hits = 0
    with evaluating(net), torch.no_grad():
        net.train(published)
        for first in range(0, len(x), batch_size):
            hits += int((net(x[first : first + batch_size]).argmax(1) == y[first : first + batch_size]).sum())
    return hits / len(x)
