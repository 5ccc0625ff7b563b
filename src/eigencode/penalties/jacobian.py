"""Jacobian penalty: half the squared Frobenius norm of ∂z/∂x, mean over the batch."""

from typing import Literal

import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.base.types import Space
from eigencode.geometry._closed import ClosedForms
from eigencode.geometry._products import directions, flattened, projected_squares
from eigencode.penalties.protocol import Batch, Penalty
from eigencode.representation.at import Code, at


class Jacobian(Penalty):
    """Jacobian penalty ½ E_x ‖∂z/∂x‖²_F of the representation at one place.

    The derivative is that of the network in *evaluation* mode, with respect to one image at a time: in training mode
    a BatchNorm mixes the images of a batch and a per-image derivative does not exist.  It is differentiable in all
    parameters, those of the BatchNorm included (its running statistics are constants).  Costs one forward pass of
    its own.

    Args:
        place: as in `ec.at`.  Note that at a linear place (`"encoder"`) without a norm before it the value is
            ½‖A‖²_F, a constant in x: the paper's JReg, on the pre-activation, is weight decay (D4).
        projections: random unit vectors per image, for `"hutchinson"`: ½ (C / projections) Σ ‖Jᵀv‖², a fresh v for
            every image and projection, C outputs.
        method: `"closed"` (one layer s·relu(Ax + b)^n + t, no double backward), `"exact"` (the whole Jacobian, C
            derivatives), `"hutchinson"` (unbiased), or `"auto"`: closed where the network declares its layers, else
            hutchinson.
        space: differentiate by pixels (default) or in unit space (the paper's).
        seed: of the random vectors; they also depend on the batch's seed and step, and on the number of the call
            where the loop does not count steps.

    Raises:
        InputError: no closed form; or the loop feeds unit points to a penalty in pixel space.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> _ = nn.init.constant_(net[1].weight, 3.0)
    >>> Jacobian("1")(Batch(net, torch.rand(7, 1, 1, 2))).item()
    18.0

    Source: Hoffman, Roberts and Yaida 2019 (arXiv 1908.02729), algorithm 1 (of the logits in their paper).
    Differs from arXiv 2405.00679, which leaves out the ½.
    """

    def __init__(
        self,
        place: str = "latent",
        projections: int = 1,
        method: Literal["auto", "closed", "exact", "hutchinson"] = "auto",
        space: Space = "pixel",
        seed: int = 0,
    ) -> None:
        super().__init__(place, space)
        if method not in ("auto", "closed", "exact", "hutchinson") or projections < 1:
            raise InputError(
                "Jacobian: a setting is out of range",
                got=f"method {method!r}, projections {projections}",
                wanted="auto, closed, exact or hutchinson; projections >= 1",
            )
        self.projections = projections
        self.method = method
        self.seed = seed
        self._calls = 0
        self._forms = ClosedForms()

    def value(self, batch: Batch) -> Tensor:
        code = at(batch.net, str(self.place), self.space or "pixel")
        x = batch.points(self.space or "pixel")
        form = self._forms(code, x, batch.epoch) if self.method in ("auto", "closed") else None
        if form is not None:
            return form.squares(x).mean() / 2
        if self.method == "closed":
            raise InputError(
                f"no closed form at {self.place!r}",
                wanted="one layer relu(Ax + b)^n of a network that offers `as_layers`, or of an nn.Sequential",
                fix="method='hutchinson'",
            )
        if self.method == "exact":
            return _exact(code, x).mean() / 2
        step = self._calls if batch.step is None else batch.step
        self._calls += 1
        generator = stream(batch.seed, "jacobian", self.seed, self.place, step, device=x.device)
        graph = torch.is_grad_enabled()
        draw = lambda k, z: directions(z, generator)  # noqa: E731
        return projected_squares(code, x, self.projections, draw, create_graph=graph).mean() / 2

    def extra_repr(self) -> str:
        settings = f"projections={self.projections}, method={self.method!r}, seed={self.seed}"
        return f"{super().extra_repr()}, {settings}"


def _exact(code: Code, x: Tensor) -> Tensor:
    """‖J‖²_F per image from all rows of the Jacobian at once, differentiable."""
    graph = torch.is_grad_enabled()
    with torch.enable_grad():
        x = x.requires_grad_()
        z = flattened(code)(x)
        rows = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)[:, None].expand(-1, len(z), -1)
        (jacobian,) = torch.autograd.grad(z, x, rows, create_graph=graph, is_grads_batched=True)
    return jacobian.flatten(2).square().sum((0, 2))
