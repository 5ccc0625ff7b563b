"""The cross-validated ridge read-out against scikit-learn, fold by fold, in both of its forms."""

from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import RidgeClassifierCV
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.measures import RidgeMeasure, Subject
from eigencode.measures.ridge import STRENGTHS, _of_features, _of_products, cross_validated, fold_of

IMAGES, CLASSES = 120, 4


def code(units: int) -> tuple[Tensor, Tensor]:
    """Features with a power law of variances and a large mean, and classes that they only half decide."""
    g = torch.Generator().manual_seed(units)
    z = torch.randn(IMAGES, units, generator=g, dtype=torch.float64) * torch.arange(1, units + 1) ** -0.5
    y = (z[:, :CLASSES] + 0.7 * torch.randn(IMAGES, CLASSES, generator=g)).argmax(1)
    return z + 5, y


@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize("units", [6, 80, 300])
def test_predictions_and_penalties_are_those_of_scikit_learn(
    units: int, dual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eigencode.measures.ridge.COLUMNS", 50)
    z, y = code(units)
    correct, strengths = cross_validated(z, y, 5, 3, dual)
    part = fold_of(y, 5, 3)
    for fold in range(5):
        train, rest = part != fold, part == fold
        level = float(z[train].var(0, correction=0).sum() * int(train.sum()) / min(int(train.sum()) - 1, units))
        alphas = [strength * level for strength in STRENGTHS]
        reference = RidgeClassifierCV(alphas).fit(z[train].numpy(), y[train].numpy())
        assert float(strengths[fold]) * level == pytest.approx(reference.alpha_)
        assert (reference.predict(z[rest].numpy()) == y[rest].numpy()).tolist() == correct[rest].tolist()
    assert 0.3 < float(correct.double().mean()) < 0.95
    assert len({*strengths.tolist()} - {STRENGTHS[0], STRENGTHS[-1]}) > 0


def test_products_of_images_give_the_scores_of_the_features() -> None:
    z = code(50)[0] - 4.5  # products of a large mean leave rounding errors that count as a direction
    train, rest = torch.arange(90), torch.arange(90, IMAGES)
    found, wanted = _of_products(z @ z.T, train, rest), _of_features(z, train, rest)
    torch.testing.assert_close(found[0], wanted[0])
    torch.testing.assert_close(found[1] @ found[1].T, wanted[1] @ wanted[1].T)  # a vector may have the other sign
    torch.testing.assert_close(found[2] @ found[1].T, wanted[2] @ wanted[1].T)


def test_scale_and_constant_features_do_not_matter_and_silent_codes_guess() -> None:
    z, y = code(30)
    correct, strengths = cross_validated(z, y, 5, 0)
    for other in (1e-6 * z, 1e5 * z + 1, torch.cat([z, torch.ones(IMAGES, 1)], 1)):
        assert torch.equal(cross_validated(other, y, 5, 0)[0], correct)
    torch.testing.assert_close(cross_validated(1e5 * z, y, 5, 0)[1], strengths)
    silent = cross_validated(torch.ones(IMAGES, 30), y, 5, 0)[0]
    assert int(silent.sum()) == int(torch.bincount(y).max())


def test_folds_are_stratified_and_follow_the_seed() -> None:
    y = torch.tensor([0] * 50 + [1] * 33 + [2] * 7)
    part = fold_of(y, 5, 0)
    for label, size in enumerate((50, 33, 7)):
        counts = torch.bincount(part[y == label], minlength=5)
        assert int(counts.sum()) == size
        assert int(counts.max() - counts.min()) <= 1
    assert torch.equal(part, fold_of(y, 5, 0))
    assert not torch.equal(part, fold_of(y, 5, 1))


def test_the_measure_reads_the_place_and_the_images_it_is_told() -> None:
    _, test = ec.load("digits")
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10))
    subject = Subject(net, test, "0", seed=2)
    found = RidgeMeasure(images=200).measure(subject)
    assert (found.n, found.units, found.place, len(found.strength)) == (200, 64, "0", 5)
    assert torch.equal(found.correct, cross_validated(test[:200].x.flatten(1), test[:200].y, 5, 2)[0])
    assert found.low < found.value < found.high
    assert found.value > 0.85
    assert RidgeMeasure(images=200).measure(replace(subject, place="3")).units == 10
    some = replace(subject, subset=torch.arange(50, 150))
    assert torch.equal(
        RidgeMeasure().measure(some).correct, cross_validated(test[50:150].x.flatten(1), test[50:150].y, 5, 2)[0]
    )


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InputError, match="too few images"):
        RidgeMeasure(folds=6).check(100, 11)
    with pytest.raises(InputError, match="NaN or Inf"):
        cross_validated(torch.full((20, 3), torch.nan), torch.arange(20) % 2, 5, 0)
