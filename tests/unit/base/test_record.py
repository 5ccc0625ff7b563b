"""Records travel as JSON and safetensors, become labelled arrays, and print without trusting their contents."""

import json
import math
import re
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import Estimate, Record, host


@dataclass(frozen=True)
class Measured(Record):
    name: str
    n: int
    window: tuple[int, int]
    kept: bool
    settings: dict
    alpha: Estimate
    beta: Estimate | None
    many: tuple[Estimate, ...]
    eps: Float[Tensor, " eps"]
    accuracy: Float[Tensor, " eps"]
    maps: Float[Tensor, "image unit=2"]
    unnamed: Tensor


def measured(name: str = "a", beta: Estimate | None = None) -> Measured:
    line = torch.linspace(0, 1, 3, dtype=torch.float64)
    return Measured(
        name=name,
        n=7,
        window=(11, 500),
        kept=True,
        settings={"range": (1, 2), "deep": {"list": [(1,), 2.5]}, "none": None},
        alpha=Estimate(1.5, n=10, method="t"),
        beta=beta,
        many=(Estimate(1.0, 0.5, 2.0), Estimate(2.0)),
        eps=line,
        accuracy=line,  # the same tensor twice
        maps=torch.arange(6).reshape(2, 3).T,  # not contiguous
        unnamed=torch.tensor([[True, False]]),
    )


def check_equal(a: Measured, b: Measured) -> None:
    assert repr(a.scalars()) == repr(b.scalars())  # NaN included
    torch.testing.assert_close(a.tensors(), b.tensors(), rtol=0, atol=0)


def test_save_and_load(tmp_path: Path) -> None:
    before = measured(beta=Estimate(math.inf))
    before.save(tmp_path)
    after = Measured.load(tmp_path)
    check_equal(after, before)
    assert type(after.alpha) is type(after.beta) is Estimate
    assert [type(e) for e in after.many] == [Estimate, Estimate]
    assert after.window == (11, 500)
    assert after.settings == {"range": (1, 2), "deep": {"list": ((1,), 2.5)}, "none": None}
    assert after.kept is True
    assert math.isnan(after.alpha.low)
    assert {p.name for p in tmp_path.iterdir()} == {"record.json", "arrays.safetensors"}
    assert json.loads((tmp_path / "record.json").read_text())["record"] == "Measured"


def test_any_parser_can_read_it_and_bare_nan_and_infinity_of_earlier_stores_are_still_read(tmp_path: Path) -> None:
    Estimate(math.inf, -math.inf, method="Infinity").save(tmp_path)
    path = tmp_path / "record.json"
    strict = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert (strict["value"], strict["low"], strict["high"]) == ("Infinity", "-Infinity", None)
    for text in (path.read_text(), '{"value": Infinity, "low": -Infinity, "high": NaN, "n": 0, "method": "Infinity"}'):
        path.write_text(text)
        found = Estimate.load(tmp_path)
        assert (found.value, found.low, found.method) == (math.inf, -math.inf, "Infinity")
        assert math.isnan(found.high)


def test_a_missing_nested_record_stays_missing(tmp_path: Path) -> None:
    measured().save(tmp_path)
    assert Measured.load(tmp_path).beta is None


def test_a_record_without_arrays_is_one_file(tmp_path: Path) -> None:
    estimate = Estimate(1.5, 1.0, 2.0, 9, "method")
    estimate.save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]
    assert Estimate.load(tmp_path) == estimate


@dataclass(frozen=True)
class Outer(Record):
    inner: Measured


def test_arrays_of_a_nested_record_are_refused_rather_than_lost(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nested record"):
        Outer(measured()).save(tmp_path)


def test_labelled_arrays() -> None:
    data = measured(name="a'\"<b>").to_dataset()
    assert data["accuracy"].dims == ("eps",)
    assert data["maps"].dims == ("image", "unit")
    assert data["unnamed"].dims == ("unnamed_0", "unnamed_1")
    assert list(data.coords) == ["eps"]
    np.testing.assert_array_equal(data["accuracy"].sel(eps=0.5), 0.5)
    np.testing.assert_array_equal(data["maps"], np.arange(6).reshape(2, 3).T)
    assert (data.attrs["name"], data.attrs["n"], json.loads(data.attrs["window"])) == ("a'\"<b>", 7, [11, 500])
    assert json.loads(data.attrs["alpha"])["value"] == 1.5


def test_the_tensors_along_one_axis_are_a_table() -> None:
    record = measured()
    frame = record.to_frame()
    assert list(frame) == ["eps", "accuracy"]
    assert frame.to_numpy().tolist() == [[e, a] for e, a in zip(record.eps.tolist(), record.accuracy.tolist())]


@dataclass(frozen=True)
class Map(Record):
    eps: Float[Tensor, " eps"]
    high: Float[Tensor, "xi eps"]
    low: Float[Tensor, "xi eps"]
    scalar: Float[Tensor, ""]


def test_tensors_along_two_axes_are_a_table_with_a_row_per_pair() -> None:
    eps, high = torch.tensor([0.5, 1.5]), torch.arange(6.0).reshape(3, 2)
    frame = Map(eps, high, -high, torch.tensor(1.0)).to_frame()
    assert list(frame) == ["xi", "eps", "high", "low"]
    pairs = [[i, float(eps[j]), float(high[i, j]), float(-high[i, j])] for i in range(3) for j in range(2)]
    assert frame.to_numpy().tolist() == pairs


@dataclass(frozen=True)
class Scalars(Record):
    alpha: Estimate
    n: int


def test_a_record_without_tensors_is_one_row() -> None:
    frame = Scalars(Estimate(1.5, 1.0, 2.0), 7).to_frame()
    assert frame.to_dict("records") == [{"alpha": 1.5, "alpha_low": 1.0, "alpha_high": 2.0, "n": 7}]


def test_labelled_arrays_can_be_written(tmp_path: Path) -> None:
    measured().to_dataset().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as data:
        assert data.attrs["name"] == "a"
        np.testing.assert_array_equal(data["eps"], [0, 0.5, 1])


HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>&amp;\'"'


def test_html_escapes_hostile_strings() -> None:
    page = measured(name=HOSTILE)._repr_html_()
    assert "&lt;script&gt;" in page
    assert set(re.findall(r"<(\w+)", page)) == {"table", "caption", "tr", "th", "td"}
    assert '"' not in page.replace("&quot;", "")


def test_html_is_short_for_long_values_and_lists_every_field() -> None:
    page = measured(name="é" * 10_000)._repr_html_()
    assert len(page) < 5000
    assert all(f"<th>{field}</th>" in page for field in Measured.__dataclass_fields__)


@dataclass(frozen=True)
class Warned(Record):
    alpha: Estimate
    bound: float
    missing: float
    values: Tensor
    space: str
    warnings: tuple[str, ...] = ()


def test_html_says_interval_range_convention_and_warnings() -> None:
    values = torch.tensor([[1.5, math.nan], [-2.0, 3.0]])
    alpha = Estimate(1.23456789, 1.0, 2.0, 9, "95 % over images")
    page = Warned(alpha, -math.inf, math.nan, values, "unit", ("not <b>a</b> power law", "\x1b[2J\u202e"))._repr_html_()
    rows = dict(re.findall(r"<tr><th>(.*?)</th><td>(.*?)</td></tr>", page))
    assert rows["alpha"] == "1.23457 [1, 2] (95 % over images)"
    assert (rows["bound"], rows["missing"], rows["space"], rows["warnings"]) == ("-∞", "–", "unit", "2")
    assert rows["values"] == "2 × 2, float32, -2 to 3, 1 not finite"
    assert list(rows)[-2:] == ["space", "warnings"]
    assert page.endswith("<p>! not &lt;b&gt;a&lt;/b&gt; power law</p><p>! \\x1b[2J\\u202e</p>")
    calm = Warned(alpha, 0.0, 0.0, values, "unit")._repr_html_()
    assert "<td>none</td>" in calm
    assert "<p>" not in calm


def test_html_of_arrays_without_numbers() -> None:
    page = measured()._repr_html_()
    for text in ("1 × 2, bool, 1 true", "3 × 2, int64, 0 to 5", "(11, 500)", "<td>yes</td>", "deep list ((1), 2.5)"):
        assert text in page
    empty = Warned(Estimate(1.0), 0.0, 0.0, torch.empty(0, 3), "")._repr_html_()
    assert "<td>0 × 3, float32</td>" in empty
    assert "1 [–, –]" in empty


def test_numpy_reads_every_tensor() -> None:
    for tensor in measured().tensors().values():
        assert np.asarray(tensor).shape == tuple(tensor.shape)


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        measured().n = 8  # type: ignore[misc]


def test_an_estimate_is_a_number() -> None:
    estimate = Estimate(1.23456, 1.0, 2.0)
    assert float(estimate) == 1.23456
    assert estimate.interval == (1.0, 2.0)
    assert str(estimate) == "1.235 [1, 2]"
    assert str(Estimate(1.0)) == "1 (no interval)"
    assert str(Estimate(1.0, 0.5)) == "1 [0.5, nan]"


def test_host_is_a_detached_copy() -> None:
    x = torch.ones(3, requires_grad=True)
    y = host(x)
    assert (y.dtype, y.requires_grad) == (torch.float64, False)
    z = host(y)
    z[0] = 5
    assert float(y[0]) == 1
    assert host(torch.ones(2, dtype=torch.int64), None).dtype == torch.int64
