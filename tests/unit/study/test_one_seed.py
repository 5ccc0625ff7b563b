"""Differences between two networks of one seed, measured on the same images."""

import math
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from eigencode.base.record import Record
from eigencode.geometry import JacobianNorm
from eigencode.measures import _reweighted
from eigencode.measures.accuracy import Accuracy, AccuracyMeasure
from eigencode.measures.certified import CertifiedMeasure
from eigencode.measures.critical import CriticalMeasure
from eigencode.measures.jacobian import JacobianMeasure
from eigencode.measures.protocol import Measure
from eigencode.measures.ridge import RidgeAccuracy, RidgeMeasure
from eigencode.measures.spectrum import SpectrumMeasure
from eigencode.robustness import PGD, CertifiedSizes, CriticalSizes
from eigencode.spectra import spectrum
from eigencode.study._paired import margin
from eigencode.study.results import Row

IMAGES = 300
Made = Callable[[Tensor], Record]


def accuracy(x: Tensor) -> Accuracy:
    """Images with a positive number are right."""
    return Accuracy.of(x > 0)


def critical(x: Tensor) -> CriticalSizes:
    """Sizes exp(x); those beyond 3 are censored, those below 0.2 are of wrong images."""
    kept = (x.exp() > 0.2).nonzero()[:, 0]
    size = x[kept].exp()
    held = size.clamp_max(3.0)
    settings = {"attack": "PGD", "norm": "l2", "space": "unit", "seed": 0, "tolerance": 0.01, "eps_max": 3.0}
    counts = {"n": len(x), "n_correct": len(kept), "evaluations": 0, "gradients": 0, "zero_gradients": 0.0}
    return CriticalSizes(index=kept, eps=held, size=held, distance=held, censored=size > 3, **counts, **settings)


def certified(x: Tensor) -> CertifiedSizes:
    kept = (x.exp() > 0.2).nonzero()[:, 0]
    return CertifiedSizes(kept, x[kept].exp(), len(x), len(kept), "l2", "unit", 0.01)


def norms(x: Tensor) -> JacobianNorm:
    zero = torch.zeros(len(x), dtype=torch.float64)
    return JacobianNorm(x.exp(), zero, "exact", 0, "latent", "unit", 10, 10, 0)


def read_out(x: Tensor) -> RidgeAccuracy:
    found = Accuracy.of(x > 0)
    return RidgeAccuracy(*(getattr(found, f.name) for f in fields(Accuracy)))


CASES: dict[str, tuple[Measure, str, Made]] = {
    "accuracy": (AccuracyMeasure(), "", accuracy),
    "ridge": (RidgeMeasure(), "", read_out),
    "critical": (CriticalMeasure(PGD()), "", critical),
    "critical, eps": (CriticalMeasure(PGD()), "eps", critical),
    "critical, all images": (CriticalMeasure(PGD()), "all images", critical),
    "critical, broken only": (CriticalMeasure(PGD()), "broken only", critical),
    "critical, broken": (CriticalMeasure(PGD()), "broken", critical),
    "certified": (CertifiedMeasure(), "", certified),
    "certified, all images": (CertifiedMeasure(), "all images", certified),
    "Jacobian": (JacobianMeasure(), "", norms),
    "Jacobian, mean": (JacobianMeasure(), "mean", norms),
    "Jacobian, upper quartile": (JacobianMeasure(), "upper quartile", norms),
}


def row(model: str, measure: Measure, what: str, record: Record) -> Row:
    """The row of a study of one seed."""
    found = next(r for r in measure.readings(record) if r.what == what)
    numbers = found.value, found.low, found.high
    return Row("mnist5k", model, 0, "number", *numbers, "", "key", draws=measure.draws(record, what))


def numbers_of(images: int, seed: int, common: float) -> tuple[Tensor, Tensor]:
    """Standard normal numbers of the images for two networks, with this correlation."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(3, images, dtype=torch.float64, generator=generator)
    return tuple(math.sqrt(common) * z[0] + math.sqrt(1 - common) * z[i] for i in (1, 2))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("replicates", "least"), [(20, 0.8), pytest.param(400, 0.92, marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.parametrize("case", CASES)
def test_interval_of_a_difference_covers_and_is_narrower_than_that_of_independent_images(
    case: str, replicates: int, least: float
) -> None:
    measure, what, made = CASES[case]
    truths, halves, apart = [], [], []
    for seed in range(replicates):
        one, two = (row(m, measure, what, made(x)) for m, x in zip("AB", numbers_of(IMAGES, seed, 0.9), strict=True))
        found = margin([one, two], ("A", "number"), ("B", "number"))
        truths.append(found.low <= 0 <= found.high)  # both networks have the same distribution
        halves.append(found.high - found.low)
        independent = math.hypot(one.high - one.low, two.high - two.low)
        apart.append(independent)
    covered = sum(truths) / len(truths)
    assert covered >= least, f"{case}: {covered}"
    if math.isfinite(sum(apart)):
        assert sum(halves) < 0.75 * sum(apart), f"{case}: {sum(halves) / sum(apart)}"


def repeated(record: Record) -> Record:
    """The record of images that were each shown ten times, as groups."""
    tensors = {k: v.repeat_interleave(10, 0) for k, v in record.tensors().items() if v.shape[:1].numel() > 1}
    index = tensors.get("index", torch.arange(IMAGES).repeat_interleave(10))
    groups = {"groups": index}
    if "index" in tensors:
        wrong = torch.ones(IMAGES).bool().index_fill(0, index, False).nonzero()[:, 0]
        groups["wrong_groups"] = wrong.repeat_interleave(10)
        tensors["index"] = 10 * index + torch.arange(10).repeat(len(index) // 10)
    counts = {k: 10 * v for k, v in record.scalars().items() if k in ("n", "n_correct")}
    return replace(record, **tensors, **groups, **counts)  # type: ignore[type-var]


@pytest.mark.parametrize("case", CASES)
def test_repeated_images_have_the_difference_of_single_ones(case: str) -> None:
    """Its variance is that of the groups; without groups it would be a tenth of that."""
    measure, what, made = CASES[case]
    one, two = (made(x) for x in numbers_of(IMAGES, 3, 0.9))
    single, grouped, apart = (
        (measure.draws(a, what), measure.draws(b, what))
        for a, b in ((one, two), (repeated(one), repeated(two)), (_apart(repeated(one)), _apart(repeated(two))))
    )
    spread = [float((a - b).std()) for a, b in (single, grouped, apart)]  # type: ignore[operator]
    assert spread[1] == pytest.approx(spread[0], rel=0.15)
    assert spread[2] < 0.5 * spread[1]


def _apart(record: Record) -> Record:
    without = {"groups": None, "wrong_groups": None} if hasattr(record, "wrong_groups") else {"groups": None}
    return replace(record, **without)  # type: ignore[type-var]


def test_images_without_anything_in_common_give_the_interval_of_independent_numbers() -> None:
    measure, what, made = CASES["Jacobian, mean"]
    one, two = (row(m, measure, what, made(x)) for m, x in zip("AB", numbers_of(2000, 1, 0.0), strict=True))
    found = margin([one, two], ("A", "number"), ("B", "number"))
    assert found.high - found.low == pytest.approx(math.hypot(one.high - one.low, two.high - two.low), rel=0.1)


def test_one_network_differs_from_itself_by_nothing() -> None:
    measure, what, made = CASES["critical"]
    one, two = (row(m, measure, what, made(numbers_of(50, 0, 0.9)[0])) for m in "AB")
    found = margin([one, two], ("A", "number"), ("B", "number"))
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_median_beyond_the_largest_size_leaves_the_difference_without_an_interval() -> None:
    measure, what, made = CASES["critical"]
    low, high = made(numbers_of(50, 0, 0.9)[0]), made(numbers_of(50, 0, 0.9)[1] + 5)
    found = margin([row("A", measure, what, high), row("B", measure, what, low)], ("A", "number"), ("B", "number"))
    assert math.isnan(found.value)


def test_exponents_of_two_codes_of_the_same_images() -> None:
    measure = SpectrumMeasure(window=(2, 20))
    covered, narrower = [], []
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        scale = torch.arange(1, 41).double() ** -0.5
        z = torch.randn(600, 40, dtype=torch.float64, generator=generator)
        other = 0.95 * z + math.sqrt(1 - 0.95**2) * torch.randn(600, 40, dtype=torch.float64, generator=generator)
        one, two = (row(m, measure, "", spectrum(x * scale)) for m, x in (("A", z), ("B", other)))
        found = margin([one, two], ("A", "number"), ("B", "number"))
        covered.append(found.low <= 0 <= found.high)
        narrower.append((found.high - found.low) / math.hypot(one.high - one.low, two.high - two.low))
    assert sum(covered) >= 8
    assert max(narrower) < 0.8


def test_an_image_has_the_same_weights_in_every_record() -> None:
    few, some, many = (_reweighted.weights(torch.tensor(index)) for index in ([2, 0], [0, 2, 7], [2, 0, 90]))
    torch.testing.assert_close([few[:, 1], few[:, 0]], [some[:, 0], some[:, 1]], rtol=0, atol=0)
    torch.testing.assert_close(few, many[:, :2], rtol=0, atol=0)
    assert abs(float(many.mean()) - 1) < 0.1
    assert abs(float(torch.corrcoef(many.T)[0, 1])) < 0.1


def test_a_group_has_the_same_weights_in_every_record() -> None:
    groups = torch.tensor([4, 0, 4])
    found = _reweighted.weights(torch.tensor([7, 8, 9]), groups)
    torch.testing.assert_close(found, _reweighted.weights(groups), rtol=0, atol=0)
