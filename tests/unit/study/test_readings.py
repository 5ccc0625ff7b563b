"""Numbers that claims may name, on records with a known answer."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import write
from torch import nn

from eigencode.base.types import Images
from eigencode.data import PlantedCode
from eigencode.geometry import landscape
from eigencode.geometry.maps import Landscape
from eigencode.measures.landscape import roughness
from eigencode.robustness import FGSM, curve
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.masking import Masking
from eigencode.spectra import Spectrum, spectrum
from eigencode.study import Study, plan, read_study
from eigencode.study._measurements import details, headline, measurements, names
from eigencode.study.results import Row, numbers

G = torch.Generator().manual_seed(0)
PLANE = '\n[[landscapes]]\nname = "plane"\npoints = 5\n'


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = write(tmp_path_factory.mktemp("readings"), ("window = [2, 8]", "window = [5, 50]\nwidths = [20, 60]"))
    path.write_text(path.read_text("utf-8") + PLANE, "utf-8")
    return read_study(path)


def read(chosen: Study, kind: str, folder: Path) -> dict[str, Row]:
    cell = next(c for c in plan(chosen) if c.kind == kind)
    return {n.quantity: n for n in numbers(cell, cell.measure.record.load(folder))}


@pytest.mark.parametrize(("law", "wanted"), [("power", 1.0), ("exponential", 0.0)])
def test_is_it_a_power_law(chosen: Study, tmp_path: Path, law: str, wanted: float) -> None:
    if law == "power":
        found = spectrum(PlantedCode.of(100, 1.5).sample(4000, seed=0))
    else:
        scale = torch.exp(-0.04 * torch.arange(100, dtype=torch.float64))
        found = spectrum(torch.randn(4000, 100, generator=G, dtype=torch.float64) * scale)
    found.save(tmp_path)
    seen = read(chosen, "spectrum", tmp_path)
    assert seen["α images, power law"].value == wanted
    assert seen["α images, power law"].low == seen["α images, power law"].high == wanted
    assert (seen["α images, slope range"].low == 0.0) == bool(wanted)


def test_no_alpha_through_rounding_errors(chosen: Study, tmp_path: Path) -> None:
    """Thirty directions in sixty units, and a window to rank 50."""
    basis = torch.randn(30, 60, generator=G, dtype=torch.float64)
    spectrum(torch.randn(500, 30, generator=G, dtype=torch.float64) @ basis).save(tmp_path)
    found = read(chosen, "spectrum", tmp_path)["α images"]
    assert math.isnan(found.value)
    assert "beyond rank 30 are rounding" in found.warnings[0]


def test_the_shape_of_two_straight_pieces(chosen: Study, tmp_path: Path) -> None:
    """Slopes 1 and 3 that meet at the geometric middle of the window."""
    n, middle = torch.arange(1, 201, dtype=torch.float64), 16
    values = torch.where(n <= middle, n**-1.0, middle**2.0 * n**-3.0)
    Spectrum(values, 10_000, 200).save(tmp_path)
    seen = read(chosen, "spectrum", tmp_path)
    assert seen["α images, slope range"].value == pytest.approx(2.0)
    assert seen["α images, slope change"].value == pytest.approx(2.0)
    assert seen["α images, window range"].value > 0.5
    assert seen["α images, straight"].value < 0.7
    assert seen["α images, power law"].value == 0.0
    Spectrum(n**-1.0, 10_000, 200).save(tmp_path)
    seen = read(chosen, "spectrum", tmp_path)
    assert seen["α images, slope range"].value == pytest.approx(0, abs=1e-9)
    assert seen["α images, straight"].value == pytest.approx(1.0), "ranks 5..50"
    assert math.isnan(seen["α images, slope range"].low), "no sampling error was measured"


def test_alpha_of_each_width(chosen: Study, tmp_path: Path) -> None:
    n = torch.arange(1, 61, dtype=torch.float64)
    for units, alpha in ((20, 1.0), (50, 2.0)):  # a layer that has 50 units where the study asks for 60
        part = tmp_path / f"width-{units}"
        part.mkdir()
        Spectrum(n[:units] ** -alpha, 1000, units).save(part)
    seen = read(chosen, "widths", tmp_path)
    assert {k: v.value for k, v in seen.items()} == pytest.approx(
        {"α images, 20 units": 1.0, "α images, 60 units": 2.0}
    )
    assert [v.convention for v in seen.values()] == [f"ranks 5..{n}, weights uniform" for n in (10, 25)]


def sizes(**changes: object) -> CriticalSizes:
    """Eight images, two of them wrong from the start, of six two never broke."""
    size = torch.tensor([1.0, 2.0, 3.0, 4.0, 9.0, 9.0], dtype=torch.float64)
    given = CriticalSizes(
        index=torch.arange(6), eps=size, size=size, distance=size, censored=size > 5, n=8, n_correct=6, attack="FGSM()",
        norm="linf", space="unit", seed=0, tolerance=0.01, eps_max=9.0, evaluations=0, gradients=10, zero_gradients=0.3,
    )  # fmt: skip
    return replace(given, **changes)  # type: ignore[arg-type]


def test_readings_of_critical_sizes(chosen: Study, tmp_path: Path) -> None:
    sizes(masking=Masking(n=20, flags=("one", "two"))).save(tmp_path)
    name = "critical size, noise"
    seen = read(chosen, "critical", tmp_path)
    values = {k.removeprefix(f"{name}, "): v.value for k, v in seen.items()}
    wanted = {name: 3.5, "all images": 2.5, "broken only": 2.5, "eps": 3.5, "broken": 4 / 6, "masking": 1.0}
    wanted["zero gradients"] = 0.3
    assert values == pytest.approx(wanted)
    (said,) = seen[f"{name}, masking"].warnings
    assert said.endswith("say: one; two")
    assert seen[f"{name}, broken"].low < 4 / 6 < seen[f"{name}, broken"].high
    sizes(zero_gradients=math.nan).save(tmp_path)
    assert len(read(chosen, "critical", tmp_path)) == 5, "no gradients were asked for, and nothing checked"


def test_the_table_says_where_a_median_has_no_interval_or_only_a_lower_bound(chosen: Study, tmp_path: Path) -> None:
    name, size = "critical size, noise", sizes().size
    sizes(censored=size > 1).save(tmp_path)
    seen = read(chosen, "critical", tmp_path)
    assert (seen[name].value, seen[name].low, seen[name].high) == (math.inf, 1.0, math.inf)
    assert seen[name].bound == 9.0
    assert seen[name].warnings[-1] == "the 0.5 quantile is beyond the largest size, 9: a lower bound only"
    alone = seen[f"{name}, broken only"]
    assert (alone.value, math.isnan(alone.low), math.isnan(alone.high), math.isnan(alone.bound)) == (1.0, *[True] * 3)
    assert alone.warnings[-1].endswith("1 image is too few")


def half_plane(distance: float) -> nn.Module:
    """Class 1 where x₀ > 0.5 + distance, with a code 3 x₀, 4 x₁ whose Jacobian norm is 5 everywhere."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.Linear(2, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
        net[2].weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        net[2].bias.copy_(torch.tensor([0.0, -3 * (0.5 + distance)]))
    return net


@pytest.mark.parametrize("distance", [0.2, 1.5, 7.0])
def test_readings_of_a_landscape(chosen: Study, tmp_path: Path, distance: float) -> None:
    """In two dimensions the plane is everything there is, so the nearest boundary on it is the nearest."""
    image = torch.full((1, 1, 2), 0.5)
    landscape(half_plane(distance), image, place="1", space="pixel", radius=3.0, points=7).save(tmp_path)
    seen = {k.removeprefix("plane, "): v for k, v in read(chosen, "landscape", tmp_path).items()}
    assert seen["Jacobian norm"].value == pytest.approx(5.0, rel=1e-5)
    assert seen["roughness"].value == pytest.approx(0.0, abs=1e-5)
    near = seen["boundary"]
    if distance < 3:
        assert distance - 1e-4 <= near.value <= distance / math.cos(math.pi / 72) + 1e-3
        assert near.warnings == ()
        assert math.isnan(near.bound)
    else:
        assert (near.value, near.low, near.high, near.bound) == (3.0, 3.0, math.inf, 3.0)
        assert "is at least that" in near.warnings[0]


def test_roughness_is_the_spread_of_the_logarithm() -> None:
    image = torch.full((1, 1, 2), 0.5)
    flat = landscape(half_plane(1.0), image, place="1", space="pixel", radius=1.0, points=2)

    def of(values: list[float]) -> Landscape:
        return replace(flat, jacobian=torch.tensor(values, dtype=torch.float64).reshape(2, 2))

    assert roughness(of([1.0, math.e**2, 1.0, math.e**2])) == pytest.approx(1.0)
    assert roughness(of([10.0, 10 * math.e**2, 10.0, 10 * math.e**2])) == pytest.approx(1.0)
    assert roughness(of([0.0] * 4)) == 0.0
    assert roughness(of([0.0, 1.0, 1.0, 1.0])) == math.inf


def test_the_accuracy_of_a_curve_at_one_eps(chosen: Study, tmp_path: Path) -> None:
    """Pixels p against 1 − p: an image of p = 0.5 + d changes its class where eps reaches d."""
    image = 0.5 + torch.tensor([0.002, 0.02, 0.05, 0.2]).reshape(4, 1, 1, 1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    net[1].weight = nn.Parameter(torch.tensor([[1.0], [-1.0]]))
    net.append(nn.Linear(2, 2))
    net[2].weight, net[2].bias = nn.Parameter(torch.eye(2)), nn.Parameter(torch.tensor([-0.5, 0.5]))
    settings = {"name": "steps", "attack": {"name": "FGSM"}, "eps": [0.01, 1.0], "points": 5, "at": [0.1, 0.01]}
    asked = Study.model_validate({**chosen.model_dump(), "curves": [settings]})
    eps = torch.logspace(-2, 0, 5, dtype=torch.float64)
    curve(net, Images(image, torch.zeros(4, dtype=torch.int64)), FGSM(), eps, check=False).save(tmp_path)
    seen = read(asked, "curve", tmp_path)
    assert {k: v.value for k, v in seen.items()} == {"steps, at 0.1": 0.25, "steps, at 0.01": 0.75}
    assert seen["steps, at 0.1"].low == pytest.approx(0.0456, abs=1e-4)  # Wilson, 1 of 4
    assert {*seen} <= {*details(asked)}


@pytest.mark.parametrize("wrong", [0.05, 0.001, 10.0])
def test_an_eps_beside_the_grid_is_refused(chosen: Study, wrong: float) -> None:
    settings = {"attack": {"name": "FGSM"}, "eps": [0.01, 1.0], "points": 5, "at": [0.1, wrong]}
    with pytest.raises(ValueError, match=f"{wrong:g} is not one of the 5"):
        measurements(Study.model_validate({**chosen.model_dump(), "curves": [settings]}))


def test_every_number_has_the_name_the_study_knows(chosen: Study) -> None:
    assert len(set(names(chosen))) == len(names(chosen))
    assert {c.quantity for c in plan(chosen) if c.kind != "widths"} <= set(names(chosen))
    assert not set(details(chosen)) & set(headline(chosen))
    claim = {"statement": "x", "quantity": "plane, roughness", "model": "KH", "value": 1.0}
    claimed = Study.model_validate({**chosen.model_dump(), "claims": [claim]})
    assert headline(claimed) == [*headline(chosen), "plane, roughness"]
