"""Losses per image that attacks maximise."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from eigencode.base.errors import InputError, nearest


def cross_entropy(
    logits: Float[Tensor, "n classes"], y: Int[Tensor, " n"], target: Int[Tensor, " n"] | None = None
) -> Float[Tensor, " n"]:
    """Cross-entropy −log softmax(z)_y; with a target, log softmax(z)_target.

    Never averaged over images, so the size of a batch cannot change a gradient.  Its gradient loses digits in
    float32 from a margin of about 16 and is exactly zero from about 87: see `log_odds` and `masking_checks`.

    >>> cross_entropy(torch.tensor([[0.0, 0.0]]), torch.tensor([0]))
    tensor([0.6931])
    """
    if target is not None:
        return -functional.cross_entropy(logits, target, reduction="none")
    return functional.cross_entropy(logits, y, reduction="none")


def log_odds(
    logits: Float[Tensor, "n classes"], y: Int[Tensor, " n"], target: Int[Tensor, " n"] | None = None
) -> Float[Tensor, " n"]:
    """Log odds against y, log Σ_{j ≠ y} exp z_j − z_y; with a target, those for it.

    The cross-entropy is log(1 + exp(log odds)), so both gradients have the same direction and attacks that normalise
    the gradient take the same steps; but the log odds never underflow, however large the logits are.

    >>> log_odds(torch.tensor([[500.0, 100.0, 100.0]]), torch.tensor([0]))
    tensor([-399.3069])
    """
    own = y if target is None else target
    mine = logits.gather(1, own[:, None])[:, 0]
    others = logits.scatter(1, own[:, None], -torch.inf).logsumexp(1)
    return others - mine if target is None else mine - others


def scale_free(
    logits: Float[Tensor, "n classes"], y: Int[Tensor, " n"], target: Int[Tensor, " n"] | None = None
) -> Float[Tensor, " n"]:
    """`log_odds` of the logits after scaling them, per image, to max z − mean z = 10.

    The gradient of the cross-entropy mixes all classes if the softmax is flat (an untrained network), and follows one
    class only if it is saturated; both lead to more distant adversarial images.  This scale avoids both, whatever the
    scale of the logits.  The factor is not differentiated.

    >>> z, y = torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0])
    >>> scale_free(z, y), scale_free(100 * z + 7, y)
    (tensor([-10.0000]), tensor([-10.0000]))
    """
    found = logits.detach()
    spread = found.amax(1, keepdim=True) - found.mean(1, keepdim=True)
    spread = torch.where(spread > 1e-20, spread, 1.0)  # all logits are equal
    return log_odds((logits - found.mean(1, keepdim=True)) / spread * 10, y, target)


def margin(
    logits: Float[Tensor, "n classes"], y: Int[Tensor, " n"], target: Int[Tensor, " n"] | None = None
) -> Float[Tensor, " n"]:
    """Margin max_{j ≠ y} z_j − z_y, positive if misclassified; with a target, z_t − max_{j ≠ t} z_j.

    The loss of Carlini and Wagner (2017, arXiv 1608.04644, f_6) without the hinge.

    >>> margin(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0]))
    tensor([-1.])
    """
    own = y if target is None else target
    mine = logits.gather(1, own[:, None])[:, 0]
    others = logits.scatter(1, own[:, None], -torch.inf).amax(1)
    return others - mine if target is None else mine - others


def dlr(
    logits: Float[Tensor, "n classes"], y: Int[Tensor, " n"], target: Int[Tensor, " n"] | None = None
) -> Float[Tensor, " n"]:
    """Difference of logits ratio, −(z_y − max_{j ≠ y} z_j) / (z_π1 − z_π3), π sorting the logits downwards.

    Unchanged by shift and scale of the logits (Croce and Hein 2020, arXiv 2003.01690, eq. 6); with a target
    −(z_y − z_t) / (z_π1 − (z_π3 + z_π4)/2) (eq. 7).  A denominator of zero is replaced by a tiny number.

    >>> dlr(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0])), dlr(torch.tensor([[30.0, 10, 20]]), torch.tensor([0]))
    (tensor([-0.5000]), tensor([-0.5000]))
    """
    wanted = 3 if target is None else 4
    if logits.shape[1] < wanted:
        raise InputError(
            "too few classes for the loss 'dlr'",
            got=logits.shape[1],
            wanted=f">= {wanted}",
            fix="use loss='margin'",
        )
    top = logits.sort(dim=1, descending=True).values
    tiny = torch.finfo(logits.dtype).tiny
    if target is None:
        return margin(logits, y) / (top[:, 0] - top[:, 2]).clamp_min(tiny)
    mine, aim = logits.gather(1, y[:, None])[:, 0], logits.gather(1, target[:, None])[:, 0]
    return (aim - mine) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2).clamp_min(tiny)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "cross_entropy": cross_entropy,
    "log_odds": log_odds,
    "scale_free": scale_free,
    "margin": margin,
    "dlr": dlr,
}
"""Losses by name, for the setting `loss` of attacks."""


def check_loss(name: str) -> None:
    """Raise `InputError` unless `name` is a known loss."""
    if name not in LOSSES:
        raise InputError(
            "unknown loss", got=name, wanted=f"one of {', '.join(LOSSES)}", fix=nearest(name, list(LOSSES))
        )
