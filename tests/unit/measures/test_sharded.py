"""Measures in shards: the record of all images from those of shares of them."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from eigencode.base.errors import InputError, StudyError
from eigencode.base.types import Images
from eigencode.measures import CriticalMeasure, SpectrumMeasure
from eigencode.measures.protocol import Subject
from eigencode.measures.sharded import Sharded
from eigencode.robustness import DDN, FGSM, PGD, CriticalSizes, Gaussian, MinimumNorm, Perturbation, Square
from eigencode.study import Store, execute, plan, rows
from eigencode.study.plan import check_sizes
from eigencode.study.read import study

ATTACKS: list[Perturbation | MinimumNorm] = [
    Gaussian(),
    FGSM(),
    PGD("l2", steps=5, random_start=True),
    Square(steps=20),
    DDN(steps=10),
]


def in_shards(measure: Sharded, subject: Subject, of: int) -> object:
    return measure.joined(subject, [measure.shard(subject, i, of) for i in range(of)])


@pytest.fixture(scope="module")
def subject() -> Subject:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), nn.ReLU(), nn.Linear(30, 4)).double()
    x = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    y = net(x).argmax(1)
    y[::6] = (y[::6] + 1) % 4  # some are wrong from the start
    return Subject(net, Images(x, y, classes="abcd"), seed=2)


@pytest.mark.filterwarnings("ignore:this network may hide its gradients")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("images", [None, 31])
def test_critical_sizes_of_shards_are_those_of_all_images(
    attack: Perturbation | MinimumNorm, images: int | None, subject: Subject
) -> None:
    measure = CriticalMeasure(attack, space="pixel", images=images)
    whole, found = measure.measure(subject), in_shards(measure, subject, 4)
    assert isinstance(found, CriticalSizes)
    for name, value in whole.tensors().items():
        torch.testing.assert_close(getattr(found, name), value, rtol=1e-6, atol=1e-9, msg=name)
    assert (found.n, found.n_correct) == (whole.n, whole.n_correct)
    assert found.masking.scalars() == whole.masking.scalars()
    assert whole.masking.n > 0 or attack.blind
    assert str(found.median) == str(whole.median)


def test_shards_follow_a_subset_and_keep_groups(subject: Subject) -> None:
    chosen = torch.tensor([40, 3, 4, 7, 55, 20, 21, 41, 42])
    test = replace(subject.test, groups=torch.arange(60) // 2)
    one = replace(subject, subset=chosen, test=test)
    measure = CriticalMeasure(FGSM(), space="pixel")
    whole, found = measure.measure(one), in_shards(measure, one, 3)
    assert isinstance(found, CriticalSizes)
    for name in ("index", "groups", "wrong_groups"):
        assert getattr(found, name).equal(getattr(whole, name))
    assert found.n == 9


def test_counts_of_shards_are_added_and_shares_weighted(subject: Subject) -> None:
    measure = CriticalMeasure(FGSM(), space="pixel")
    one = replace(measure.shard(subject, 0, 2), evaluations=7, gradients=10, zero_gradients=0.5)
    two = replace(measure.shard(subject, 1, 2), evaluations=1, gradients=30, zero_gradients=0.1)
    unchecked = replace(subject, check=False)
    found = measure.joined(unchecked, [one, two])
    assert (found.evaluations, found.gradients) == (8, 40)
    assert found.zero_gradients == pytest.approx(0.2)
    none = replace(one, gradients=0, zero_gradients=float("nan"))
    assert measure.joined(unchecked, [two, none]).zero_gradients == pytest.approx(0.1)


def test_a_share_without_a_correct_image_takes_nothing_from_the_others(subject: Subject) -> None:
    y = subject.test.y.clone()
    y[:20] = (subject.network(subject.test.x[:20].double()).argmax(1) + 1) % 4
    one = replace(subject, test=replace(subject.test, y=y))
    measure = CriticalMeasure(Gaussian(), space="pixel")
    whole, found = measure.measure(one), in_shards(measure, one, 3)
    assert isinstance(found, CriticalSizes)
    assert found.alone is not None
    assert found.alone.equal(whole.alone)  # type: ignore[arg-type]
    assert str(found.changeable) == str(whole.changeable)
    none = in_shards(measure, replace(one, test=one.test[:20]), 2)
    assert (none.n_correct, none.masking.n) == (0, 0)  # type: ignore[attr-defined]


def test_no_shard_is_no_record(subject: Subject) -> None:
    with pytest.raises(InputError, match="no shard to join"):
        CriticalMeasure(FGSM()).joined(subject, [])


def test_noise_is_the_same_in_shards(subject: Subject) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 30))
    one = replace(subject, net=net, place="logits")
    measure = SpectrumMeasure(source="noise", samples=200, space="pixel", window=(2, 10))
    whole, found = measure.measure(one), in_shards(measure, one, 3)
    torch.testing.assert_close(found.eigenvalues, whole.eigenvalues, rtol=1e-4, atol=1e-6)  # type: ignore[attr-defined]


SMALL = {
    "name": "x",
    "data": "digits",
    "train_images": 150,
    "test_images": 80,
    "models": {"BP": {"recipe": "BP", "units": 20, "supervised": {"epochs": 2, "batch_size": 40}}},
}
MEASURED = {
    "spectra": [{"window": [2, 8], "name": "α"}, {"source": "noise", "samples": 300, "window": [2, 8], "name": "ν"}],
    "critical": [{"attack": {"name": "FGSM"}, "name": "size"}],
}

GRID = {"eps": [1e-3, 1.0], "points": 20}


def numbers(shards: int, store: Path, order: random.Random | None = None) -> dict[tuple[str, str], float]:
    entries = {table: [{**e, "shards": shards} for e in found] for table, found in MEASURED.items()}
    chosen = study({**SMALL, **entries}, ())
    cells = plan(chosen)
    assert execute([c.step for c in cells], Store(store), order=order).ok
    return {(r.model, r.quantity): r.value for r in rows(chosen, cells, Store(store))}


def test_a_study_in_shards_has_the_numbers_of_the_study_in_one_piece(tmp_path: Path) -> None:
    whole, three = numbers(1, tmp_path), numbers(3, tmp_path)
    assert three == pytest.approx(whole, rel=1e-4, abs=1e-6, nan_ok=True)
    index = [CriticalSizes.load(f).index for f in sorted((tmp_path / "steps").glob("critical-*"))]
    assert sorted(map(len, index))[-2:] == [max(map(len, index))] * 2  # all images at once, and joined
    assert all(i.equal(i.sort().values) for i in index)
    other = numbers(3, tmp_path / "again", random.Random(3))  # in another order
    assert other == pytest.approx(three, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            {"measure": [{"kind": "jacobian", "shards": 2}]},
            "measure.0.shards: the images of this measure cannot be split",
        ),
        ({"measure": [{"kind": "widths", "shards": 2}]}, "cannot be split"),
        (
            {"spectra": [{"window": [2, 8], "published": ["D13"], "shards": 2}]},
            "spectra.0.shards(?s:.*)cannot be split",
        ),
        ({"critical": [{**MEASURED["critical"][0], "grid": GRID, "shards": 2}]}, "critical.0.shards(?s:.*)be split"),
        (
            {"critical": [{"attack": {"name": "FGSM"}, "images": 5, "shards": 6}]},
            "more shards than images(?s:.*)at most 5",
        ),
        ({"spectra": [{"window": [1, 12], "shards": 81}]}, "more shards than images(?s:.*)at most 80"),
    ],
)
def test_what_cannot_be_split_is_refused(entry: dict[str, object], told: str) -> None:
    def checked() -> None:
        chosen = study({**SMALL, **entry}, ())
        plan(chosen)
        check_sizes(chosen)

    with pytest.raises(StudyError, match=told):
        checked()
