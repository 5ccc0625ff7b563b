"""Penalties, attacks, pruning, evaluation and spectra as computed by the code published with arXiv 2405.00679.

Studies use them to measure the effect of each departure of that code from the paper's own formulae.  Everything
else uses `eigencode.penalties`, `eigencode.robustness` and `eigencode.spectra`.  Each departure has an id and a
switch.  The implementation is our own.

D1  spectral: the covariance of the training set contains its last batch only; it and the covariance of a batch subtract
    m mᵀ/N with the mean m instead of the sum, so both are practically uncentred.
D2  spectral: γ_n = n^(−α) without κ, on the pre-activation instead of after the nonlinearity.
D3  Jacobian: the representation is flattened inside the loop over projections, so that from the second projection on
    v has unit length over the whole batch instead of per image: for a batch of B images and k projections the value
    is (1 + (k − 1)/B)/k times the correct one.
D4  Jacobian: of the pre-activation, where the penalty is weight decay.
D5  evaluation in training mode.
D6  pruning cannot conclude that there is one component.
D7  noise drawn anew for every ε.
D10 PGD whose step size jumps tenfold at ε = 0.01, without random start; last iterate, clipped to the box at the end.
D13 spectrum: covariance in float32 as E[zzᵀ] − E[z]E[z]ᵀ of responses shifted by the mean of the *pixels*, and the
    eigenvalues of this symmetric matrix from the routine for general ones.
D17 the class of the perceptrons takes `batch_norm` and ignores it: SpecReg sets BatchNorm and has none.  In the model's
    code stored with the executed notebooks (github holzhauk/LocalLearning, commit 3e8d3d3); another version of the file
    uses the setting.

D8 (images that never break are dropped) and D9 (each model on its own correct images) are different numbers of the same
record: the quantities "…, broken only" and "…, all images" of a study.
"""

from eigencode.paper.published.attacks import (
    PublishedGaussian as PublishedGaussian,
    PublishedPGD as PublishedPGD,
)
from eigencode.paper.published.evaluation import accuracy as accuracy
from eigencode.paper.published.grid import first_on_grid as first_on_grid
from eigencode.paper.published.penalties import (
    SHIFT as SHIFT,
    PublishedJacobian as PublishedJacobian,
    PublishedSpectral as PublishedSpectral,
    uncentred as uncentred,
)
from eigencode.paper.published.pruning import prune_always as prune_always
from eigencode.paper.published.spectrum import eigenvalues as eigenvalues
