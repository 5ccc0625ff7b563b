"""Spectral penalty: pull the covariance spectrum of a representation towards a power law."""

import warnings
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.border import admit
from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.base.moments import Moments
from eigencode.base.symmetric import eigenvectors
from eigencode.base.types import floats
from eigencode.penalties.protocol import Batch, Penalty
from eigencode.representation._modes import device_of
from eigencode.representation.at import at

CHUNK = 2000
"""Training images per batch while the eigenbasis is computed."""


def spectral_loss(
    variances: Float[Tensor, " units"],
    alpha: float,
    tau: int = 0,
    anchor: Float[Tensor, ""] | None = None,
    anchor_gradient: bool = False,
) -> Float[Tensor, ""]:
    """Spectral loss (1/N) Σ_{n>τ} [(λ_n/γ_n − 1)² + max(0, λ_n/γ_n − 1)] with γ_n = κ n^(−α), κ = λ_τ τ^α.

    Args:
        variances: λ_1 ... λ_N, by rank.
        alpha: exponent of the power law.
        tau: ranks 1..τ are not penalised and the law is anchored at rank τ.  For τ = 0 it is anchored at rank 1, whose
            term is zero by definition and is left out: at the kink of max(0, ·) it would only add a gradient.
        anchor: κ, instead of the one from `variances`; then every rank above τ is in the sum.
        anchor_gradient: differentiate κ as well; by default it is a constant.

    >>> n = torch.arange(1.0, 6.0)
    >>> float(spectral_loss(7 / n, alpha=1.0)), round(float(spectral_loss(7 / n**2, alpha=1.0)), 3)
    (0.0, 0.379)

    Source: Nassar et al. 2020 (arXiv 2012.04729), spectral regulariser.
    """
    admit(spectral_loss, locals())
    if variances.ndim != 1 or not len(variances) or not 0 <= tau <= len(variances):
        wanted = "variances by rank, and tau up to their number"
        raise InputError("no such spectral loss", got=f"{tuple(variances.shape)} variances, tau {tau}", wanted=wanted)
    n = torch.arange(1, len(variances) + 1, dtype=variances.dtype, device=variances.device)
    if anchor is None:
        tau = max(tau, 1)
        leading = variances[tau - 1] if anchor_gradient else variances[tau - 1].detach()
        anchor = leading * float(tau) ** alpha
    target = (anchor * n**-alpha).clamp_min(torch.finfo(variances.dtype).tiny)  # if all units are silent
    excess = (variances / target - 1)[tau:]
    return (excess.square() + excess.clamp_min(0)).sum() / len(variances)


class Spectral(Penalty):
    """Loss of Nassar et al. on the variances of a batch along the eigenvectors of the whole training set.

        L = (1/N) Σ_{n>τ} [(λ_n/γ_n − 1)² + max(0, λ_n/γ_n − 1)],   γ_n = κ n^(−α),   κ = λ_τ τ^α,
        λ_n = (Vᵀ Ĉ V)_nn,

    with Ĉ the centred covariance of the batch in the network's current mode, V the eigenvectors of the covariance
    of all training images at the same place in evaluation mode (streamed in float64), by falling eigenvalue.  V is
    a constant, and so is κ unless `anchor_gradient` is set.  The loss does not depend on the scale of the responses.

    Args:
        alpha: exponent the spectrum should have.
        tau: ranks 1..τ are not penalised; the law is anchored at λ_τ (at λ_1 for τ = 0).
        place: any place of any network, as in `ec.at`; with a BatchNorm in front of it or without.
        refresh: `"epoch"`: V is computed when `prepare` is called in a new epoch; an integer m: every m steps.
        anchor_gradient: let the gradient pass through κ.

    With κ constant the gradient is not that of this scale-invariant loss: it treats the target as fixed, so it
    shrinks all responses while most λ_n/γ_n > 1 and inflates them while most are < 1, and the target moves along.  On
    natural images, where all inputs are positive and one step moves a unit for all images alike, that costs accuracy
    and misses the target (studies/anchor.toml).  With `anchor_gradient` the derivative along the scale is zero, as for
    every scale-invariant loss (Euler).  A BatchNorm after the place makes the classifier independent of the scale, too.

    Use a batch at least as large as the number of units: with fewer images the batch has variance along at most
    N − 1 directions and the small λ_n are noise (warned about once).  One step costs 2 N d² operations for
    N images and d units; a refresh costs 2 N_train d² in float64 and one eigendecomposition.

    Raises:
        InputError: used before `prepare`, or with another number of units; settings out of range.

    Example: see `eigencode.penalties.watch`.

    Source: Nassar et al. 2020 (arXiv 2012.04729), spectral regulariser; there τ = 10, after the
    nonlinearity, batch >= units; `anchor_gradient` is ours.
    """

    watches: ClassVar[bool] = True
    basis: Tensor
    refreshed: Tensor

    def __init__(
        self,
        alpha: float = 1.0,
        tau: int = 0,
        place: str = "latent",
        refresh: Literal["epoch"] | int = "epoch",
        anchor_gradient: bool = False,
    ) -> None:
        super().__init__(place)
        if not alpha > 0 or tau < 0 or not (refresh == "epoch" or (isinstance(refresh, int) and refresh >= 1)):
            raise InputError(
                "Spectral: a setting is out of range",
                got=f"alpha {alpha}, tau {tau}, refresh {refresh!r}",
                wanted="alpha > 0, tau >= 0, refresh 'epoch' or a number of steps >= 1",
            )
        self.alpha = float(alpha)
        self.tau = tau
        self.refresh = refresh
        self.anchor_gradient = anchor_gradient
        self.register_buffer("basis", torch.empty(0, 0))
        self.register_buffer("refreshed", torch.tensor([-1, -1]))  # epoch and step of the basis
        self._warned = False

    def prepare(self, net: nn.Module, x: Tensor, epoch: int | None = None, step: int | None = None) -> None:
        """Compute V from all training images `x` when a refresh is due; see `Penalty.prepare`."""
        admit(Spectral.prepare, locals())
        if self._due(epoch, step):
            if x.ndim < 2:
                raise InputError("Spectral: no training images", got=tuple(x.shape), wanted="one row per image")
            with torch.no_grad():
                self.basis = self.eigenbasis(net, x)
            self.refreshed = torch.tensor([-1 if epoch is None else epoch, -1 if step is None else step])

    def eigenbasis(self, net: nn.Module, x: Tensor) -> Float[Tensor, "units units"]:
        """V for all training images, as columns."""
        code = at(net, str(self.place))
        device = device_of(net, x.device)
        parts = (code(floats(x[i : i + CHUNK].to(device))) for i in range(0, len(x), CHUNK))
        return eigenvectors(Moments.over(parts).scatter)[1]

    def variances(self, batch: Batch) -> Float[Tensor, " units"]:
        """Variances λ_n of the batch along the eigenvectors, n = 1..units."""
        z = batch.at(str(self.place))
        z = z if z.dtype in (torch.float32, torch.float64) else z.float()
        self._check(z)
        return self.along(z)

    def along(self, z: Float[Tensor, "n units"]) -> Float[Tensor, " units"]:
        """Variances of responses along the eigenvectors."""
        centred = z - z.mean(0)
        return (centred @ self.basis.to(z)).to(z.dtype).square().sum(0) / (len(z) - 1)

    def value(self, batch: Batch) -> Tensor:
        return spectral_loss(self.variances(batch), self.alpha, self.tau, anchor_gradient=self.anchor_gradient)

    def extra_repr(self) -> str:
        how = f"refresh={self.refresh!r}, anchor_gradient={self.anchor_gradient}"
        return f"alpha={self.alpha:g}, tau={self.tau}, {super().extra_repr()}, {how}"

    def _due(self, epoch: int | None, step: int | None) -> bool:
        seen_epoch, seen_step = self.refreshed.tolist()
        if self.refresh == "epoch":
            return epoch is None or not len(self.basis) or epoch != seen_epoch
        return step is None or not len(self.basis) or seen_step < 0 or abs(step - seen_step) >= self.refresh

    def _check(self, z: Tensor) -> None:
        images, units = z.shape
        if len(self.basis) != units or images < 2 or self.tau >= units:
            raise InputError(
                "Spectral cannot be computed",
                got=f"{images} images, {units} units, basis of {len(self.basis)} units, tau {self.tau}",
                wanted="an eigenbasis of this place, at least 2 images, tau < units",
                fix="call penalty.prepare(net, all_training_images) before the first step and once per epoch",
            )
        if images < units and not self._warned:
            self._warned = True
            warnings.warn(
                f"Spectral at {self.place!r}: a batch of {images} images has no variance along most of {units} "
                f"directions; use batch_size >= {units}",
                EigencodeWarning,
                stacklevel=2,
            )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        saved = state_dict.get(f"{prefix}basis")
        if saved is not None:
            self.basis = torch.empty_like(saved)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)  # type: ignore[no-untyped-call]
