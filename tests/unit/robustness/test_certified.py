"""Certified sizes lie below everything an attack finds, and are read by studies."""

from pathlib import Path

import pytest
import torch
from tiny import write
from torch import Tensor, nn

from eigencode.base.errors import InputError, StudyError
from eigencode.base.types import Images, Norm
from eigencode.models import krotov_hopfield, perceptron
from eigencode.robustness import DDN, PGD, CertifiedSizes, certified_size, critical_size
from eigencode.study import Store, execute, plan, read_study, rows

X = 0.05 + 0.9 * torch.rand(40, 1, 3, 3, generator=torch.Generator().manual_seed(0))


def answered(net: nn.Module, x: Tensor = X) -> Images:
    """Images labelled by the network itself, every fourth wrongly."""
    with torch.no_grad():
        y = net(x).argmax(1)
    y[::4] = (y[::4] + 1) % 3
    return Images(x, y, classes="abc")


def network(kind: str) -> nn.Module:
    start = Images(X, torch.arange(40) % 3)
    made = krotov_hopfield(start, units=12, n=3.0) if kind == "KH" else perceptron(start, units=12, batch_norm=True)
    with torch.no_grad():
        made.readout.weight.normal_(generator=torch.Generator().manual_seed(1))
    return made.eval()


@pytest.mark.parametrize("kind", ["KH", "BatchNorm"])
@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_no_attack_is_below(kind: str, norm: Norm) -> None:
    net = network(kind)
    images = answered(net)
    proved = certified_size(net, images, norm, "unit")
    attack = DDN(steps=60) if norm == "l2" else PGD(norm=norm, steps=20)
    found = critical_size(net, images, attack, "unit", check=False)
    assert torch.equal(proved.index, found.index)
    assert (proved.n, proved.n_correct) == (40, 30)
    assert bool((proved.eps > 0).any())
    assert bool((proved.eps <= found.distance).all())
    assert float((proved.eps / found.distance).max()) > 0.5  # not by being empty
    assert proved.median.value == pytest.approx(float(proved.eps.median()), rel=0.2)
    assert proved.quantile(0.2, errors_as_zero=True).value == 0


def test_the_size_is_rounded_down_to_the_tolerance(tmp_path: Path) -> None:
    """A network that is linear around every image: the distance to the boundary is known."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.eye(9))
        net[1].bias.fill_(9.0)  # no unit is ever off
        net[3].bias.sub_(net(X).mean(0))
    images = Images(X, net(X).argmax(1))
    apart = (net[3].weight[0] - net[3].weight[1]).detach().double()
    margin = (net(X)[:, 0] - net(X)[:, 1]).abs().detach().double()
    for norm, dual in (("l2", 2.0), ("linf", 1.0), ("l1", float("inf"))):
        exact = margin / torch.linalg.vector_norm(apart, dual)
        found = certified_size(net, images, norm, tolerance=0.02)  # type: ignore[arg-type]
        assert bool((found.eps <= exact).all())
        assert bool((found.eps >= exact * 0.96).all())
    found.save(tmp_path)
    assert torch.equal(CertifiedSizes.load(tmp_path).eps, found.eps)
    some = certified_size(net, images, "l1", tolerance=0.02, subset=[3, 5], batch_size=1)
    assert torch.equal(some.eps, found.eps[[3, 5]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps_min": 0.0}, "out of range"),
        ({"eps_min": 2.0, "eps_max": 1.0}, "out of range"),
        ({"tolerance": 0.0}, "out of range"),
        ({"norm": "l3"}, "unknown norm"),
        ({"space": "pixel"}, "nothing can be proved"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_proved_is_refused(settings: dict[str, object], message: str) -> None:
    net = network("KH")
    with pytest.raises(InputError, match=message):
        certified_size(net, answered(net), **({"space": "unit"} | settings))  # type: ignore[arg-type]


def test_nothing_correct_is_an_empty_record() -> None:
    net = network("KH")
    images = answered(net)
    wrong = certified_size(net, images, space="unit", subset=torch.arange(0, 40, 4))
    assert (len(wrong.eps), wrong.n_correct, wrong.n) == (0, 0, 10)


PROVED = """
[[certified]]
name = "certified"
images = 30

[[certified]]
norm = "linf"

[[claims]]
statement = "proved"
quantity = "certified"
model = "A"
other = "A"
other_quantity = "found"

[[critical]]
name = "found"
attack = { name = "DDN", steps = 30 }
images = 30

[[critical]]
name = "noise"
attack = { name = "Gaussian" }
images = 20

[[critical]]
name = "PGD"
attack = { name = "PGD", steps = 2 }
"""


def test_a_study_compares_what_is_proved_with_what_is_found(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + PROVED, encoding="utf-8")
    study = read_study(path, ["seeds=[0]", 'models={A={recipe="BP", units=8, supervised={epochs=3}}}'])
    cells = plan(study)
    store = Store(tmp_path / "store")
    wanted = [c for c in cells if c.quantity in ("certified", "certified size, linf", "found")]
    assert execute([c.step for c in wanted], store).ok
    found = {r.quantity: r for r in rows(study, wanted, store)}
    assert 0 < found["certified"].value < found["found"].value
    assert found["certified size, linf"].value < found["certified"].value
    assert "no attack has a smaller median; rounding in float32 allowed for" in found["certified"].convention
    assert found["certified, all images"].value <= found["certified"].value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('name = "certified"\nimages = 30', 'name = "certified"\nimages = 30\nnorm = "l1"'),
        ('name = "certified"\nimages = 30', 'name = "certified"\nimages = 20'),
        ("steps = 30 }", 'steps = 30 }\nspace = "pixel"'),
        ('other_quantity = "found"', 'other_quantity = "certified size, linf"'),
        ('other_quantity = "found"', 'other_quantity = "certified size, linf, all images"'),
        ('other_quantity = "found"', 'other_quantity = "found, all images"'),
        ('other_quantity = "found"', 'other_quantity = "found, broken only"'),
        ('other_quantity = "found"', 'other_quantity = "found, broken"'),
        ('other_quantity = "found"', 'other_quantity = "test accuracy"'),
        ('quantity = "certified"\n', 'quantity = "certified, all images"\n'),
        ('quantity = "certified"\n', 'quantity = "test accuracy"\n'),
        ('quantity = "certified"\n', 'quantity = "noise"\n'),
        ('quantity = "certified"\n', 'quantity = "noise, eps"\n'),
    ],
)
def test_sizes_that_do_not_bound_each_other_are_not_compared(tmp_path: Path, one: str, other: str) -> None:
    path = write(tmp_path)
    assert one in PROVED
    path.write_text(path.read_text(encoding="utf-8") + PROVED.replace(one, other), encoding="utf-8")
    study = read_study(path, ["seeds=[0]", 'models={A={recipe="BP", units=8, supervised={epochs=3}}}'])
    with pytest.raises(StudyError, match="cannot be compared"):
        plan(study)


@pytest.mark.parametrize(
    ("quantity", "other"),
    [
        ("certified, all images", "found, all images"),
        ("certified", "found, eps"),
        ("certified size, linf", "PGD, eps"),
        ("found, broken", "test accuracy"),
        ("found, eps", "found"),
    ],
)
def test_sizes_in_one_norm_of_the_same_images_are_compared(tmp_path: Path, quantity: str, other: str) -> None:
    path = write(tmp_path)
    claim = PROVED.replace('other_quantity = "found"', f'other_quantity = "{other}"')
    claim = claim.replace('quantity = "certified"\n', f'quantity = "{quantity}"\n')
    path.write_text(path.read_text(encoding="utf-8") + claim, encoding="utf-8")
    assert plan(read_study(path, ["seeds=[0]", 'models={A={recipe="BP", units=8, supervised={epochs=3}}}']))
