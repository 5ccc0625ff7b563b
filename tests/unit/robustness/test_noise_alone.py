"""Images that noise of any size leaves alone, because the noise itself is given their class."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.types import Images
from eigencode.measures import CriticalMeasure
from eigencode.robustness import FGSM, CriticalSizes, Gaussian, Perturbation, Sphere, critical_size, worst_case


def half_space(classes: int) -> tuple[nn.Module, Images]:
    """Class 0 where the sum of differences of neighbours is positive, else 1; further classes never win."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, classes))
    with torch.no_grad():
        net[1].weight.zero_()
        net[1].weight[0] = torch.tensor([1.0, -1.0]).repeat(8)
        net[1].bias.copy_(torch.tensor([0.0, 0.0] + [-1e3] * (classes - 2)))
    x = 0.3 + 0.4 * torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return net, Images(x, net(x).argmax(1), classes=[str(i) for i in range(classes)])


@pytest.mark.parametrize("attack", [Gaussian(clip=False), Sphere(clip=False), Gaussian()])
@pytest.mark.parametrize("classes", [2, 7])
def test_an_image_is_never_broken_where_the_noise_alone_has_its_class(attack: Perturbation, classes: int) -> None:
    net, test = half_space(classes)
    found = critical_size(net, test, attack)
    assert found.alone is not None
    assert 15 < int(found.alone.sum()) < 45
    agreed = found.alone == found.censored
    assert bool(agreed.all()) if attack == Gaussian(clip=False) else float(agreed.double().mean()) > 0.85
    in_batches = critical_size(net, test, attack, batch_size=7)
    assert in_batches.alone is not None
    assert torch.equal(in_batches.alone, found.alone)
    read = {r.what: r for r in CriticalMeasure(attack, space="pixel").readings(found)}
    changed = read["changeable images"]
    assert changed.value < read[""].value
    k, all_, both = (int(t.sum()) for t in (found.alone, found.censored, found.alone & found.censored))
    assert f"the {60 - k} of 60 images whose class the noise alone is not given" in changed.convention
    said = read[""].notes[0]
    assert said == (
        f"n: {all_} of 60 images were never broken; {both} of them because the noise alone is given their class, "
        "which is chance and no robustness"
    )
    if bool(agreed.all()):
        assert changed.value == read["broken only"].value
        assert changed.notes == ()


def test_an_image_that_noise_could_change_but_did_not_is_still_censored() -> None:
    net, test = half_space(2)
    short = critical_size(net, test, Gaussian(clip=False), eps_max=0.05)
    assert short.alone is not None
    stuck = int((short.censored & ~short.alone).sum())
    assert stuck > 0
    read = {r.what: r for r in CriticalMeasure(Gaussian(clip=False), space="pixel").readings(short)}
    assert read["changeable images"].value > read["broken only"].value
    assert f"{stuck} of {int((~short.alone).sum())} images were never broken" in read["changeable images"].notes[0]


def test_targets_count_the_target(rng: torch.Generator) -> None:
    net, test = half_space(2)
    found = critical_size(net, test, Gaussian(clip=False), target=1 - test.y)
    plain = critical_size(net, test, Gaussian(clip=False))
    assert found.alone is not None
    assert plain.alone is not None
    assert torch.equal(found.alone, plain.alone)


def test_the_largest_noise_is_the_largest_that_was_tried() -> None:
    """Small noise alone is always given class 0, by the bias; large noise is given either class."""
    net, test = half_space(2)
    net[1].bias.data[0] = 1.5
    test = Images(test.x, net(test.x).argmax(1), classes=test.classes)
    small, large = (critical_size(net, test, Gaussian(clip=False), eps_max=e) for e in (0.01, 10.0))
    assert small.alone is not None
    assert large.alone is not None
    assert torch.equal(small.alone, test.y[small.index] == 0)
    assert not torch.equal(large.alone, test.y[large.index] == 0)


def test_only_noise_has_it_and_records_keep_it(tmp_path: Path) -> None:
    net, test = half_space(2)
    without = critical_size(net, test, FGSM(), check=False)
    assert without.alone is None
    assert "changeable images" not in {r.what for r in CriticalMeasure(FGSM()).readings(without)}
    assert "changeable images" not in CriticalMeasure(FGSM()).names()
    assert "changeable images" in CriticalMeasure(Gaussian()).names()
    noise = critical_size(net, test, Gaussian())
    for record in (without, noise):
        folder = tmp_path / record.norm
        folder.mkdir()
        record.save(folder)
        loaded = CriticalSizes.load(folder)
        assert (loaded.alone is None) == (record.alone is None)
        if record.alone is not None:
            assert torch.equal(loaded.alone if isinstance(loaded.alone, Tensor) else torch.zeros(0), record.alone)
            assert record.to_dataset()["alone"].dims == ("image",)
    assert worst_case([noise, critical_size(net, test, Sphere())]).alone is None
