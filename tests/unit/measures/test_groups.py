"""Measures of images that belong together: every interval is over groups, and records keep them."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

import eigencode as ec
from eigencode.geometry import spectral_norm
from eigencode.measures.accuracy import AccuracyMeasure
from eigencode.measures.certified import CertifiedMeasure
from eigencode.measures.critical import CriticalMeasure
from eigencode.measures.curve import CurveMeasure
from eigencode.measures.jacobian import JacobianMeasure
from eigencode.measures.protocol import Measure, Subject
from eigencode.measures.ridge import RidgeMeasure, fold_of
from eigencode.measures.spectrum import SpectrumMeasure
from eigencode.measures.widths import WidthsMeasure
from eigencode.robustness import FGSM, Gaussian

COPIES = 5
MEASURES: dict[str, Measure] = {
    "accuracy": AccuracyMeasure(),
    "ridge": RidgeMeasure(),
    "critical": CriticalMeasure(FGSM(), space="pixel"),
    "noise": CriticalMeasure(Gaussian(), space="pixel"),
    "certified": CertifiedMeasure(),
    "curve": CurveMeasure(FGSM(), space="pixel", eps=(0.01, 0.1), points=3, read=(0.01, 0.1)),
    "Jacobian": JacobianMeasure(space="pixel"),
    "spectrum": SpectrumMeasure(window=(2, 10)),
    "widths": WidthsMeasure(window=(2, 10), widths=(15, 20)),
}


@pytest.fixture(scope="module")
def made() -> tuple[nn.Module, ec.Images]:
    train, test = ec.load("digits")
    net = ec.models.krotov_hopfield(train[:200], units=20)
    ec.train_supervised(net, train, parameters="readout", epochs=3, lr=0.05)
    return net, test[:120]


def subject(net: nn.Module, images: ec.Images) -> Subject:
    return Subject(net, images, "latent", check=False)


def repeats(images: ec.Images, grouped: bool) -> ec.Images:
    number = torch.arange(len(images)).repeat_interleave(COPIES)
    return ec.Images(images.pixels[number], images.y[number], images.classes, groups=number if grouped else None)


@pytest.mark.parametrize("name", sorted({*MEASURES} - {"noise"}))  # whose draws differ between repeats
def test_repeated_images_widen_the_intervals_to_those_of_single_ones(
    name: str, made: tuple[nn.Module, ec.Images], tmp_path: Path
) -> None:
    net, images = made
    measure = MEASURES[name]
    single, grouped, apart = (
        measure.measure(subject(net, part)) for part in (images, repeats(images, True), repeats(images, False))
    )
    grouped.save(tmp_path)
    kept = type(grouped).load(tmp_path)
    readings = [{r.what: r for r in measure.readings(record)} for record in (single, kept, apart)]
    compared = 0
    for what, one in readings[0].items():
        widths = [r[what].high - r[what].low for r in readings]
        if not all(map(math.isfinite, widths)) or widths[0] == 0 or (name == "spectrum" and what):
            continue  # the shape of a spectrum is in whole steps
        compared += 1
        assert widths[2] < 0.75 * widths[1], what
        assert widths[1] > 0.8 * widths[0], what
        if name == "ridge":  # chooses its penalty among repeats
            continue
        assert one.low <= readings[1][what].value <= one.high, what
        if name not in ("spectrum", "widths"):  # which resample at random
            assert readings[1][what].value == pytest.approx(one.value, rel=0.15, abs=0.02), what
    assert compared, "no interval to compare"


@pytest.mark.parametrize("name", MEASURES)
def test_groups_of_one_image_change_nothing(name: str, made: tuple[nn.Module, ec.Images]) -> None:
    net, images = made
    each = ec.Images(images.pixels, images.y, images.classes, groups=torch.arange(len(images)))
    measure = MEASURES[name]
    readings = [list(measure.readings(measure.measure(subject(net, part)))) for part in (images, each)]
    torch.testing.assert_close(
        *([[r.value, r.low, r.high] for r in found] for found in readings), rtol=0, atol=0, equal_nan=True
    )


def test_spectral_norms_have_a_median_over_groups(made: tuple[nn.Module, ec.Images]) -> None:
    net, images = made
    code = ec.at(net, "latent")
    single, grouped = (spectral_norm(code, part).median for part in (images, repeats(images, True)))
    apart = spectral_norm(code, repeats(images, False)).median
    assert grouped.high - grouped.low > 0.8 * (single.high - single.low)
    assert apart.high - apart.low < 0.75 * (grouped.high - grouped.low)
    assert "120 groups" in grouped.method


def test_a_subset_of_the_images_keeps_its_groups(made: tuple[nn.Module, ec.Images]) -> None:
    net, images = made
    some = torch.arange(100, 300)
    found = ec.robustness.critical_size(net, repeats(images, True), FGSM(), subset=some, check=False)
    assert found.groups is not None
    assert found.wrong_groups is not None
    torch.testing.assert_close(found.groups, found.index // COPIES)
    assert sorted([*found.groups.tolist(), *found.wrong_groups.tolist()]) == (some // COPIES).tolist()


def test_folds_of_a_read_out_keep_groups_whole() -> None:
    y, groups = torch.arange(60) // 4 % 3, torch.arange(60) // 4
    part = fold_of(y, 5, 0, groups)
    assert all(len(set(part[groups == g].tolist())) == 1 for g in range(15))
    assert torch.bincount(part).tolist() == [12] * 5
    torch.testing.assert_close(fold_of(y, 5, 0, torch.arange(60)), fold_of(y, 5, 0), rtol=0, atol=0)
