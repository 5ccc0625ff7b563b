"""A profile: every place in one pass, each row with the numbers that the place has by itself."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from resnet import ResNet
from torch import nn

import eigencode as ec
from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.given import Profile
from eigencode.given._options import probe_from_options
from eigencode.representation import places

X = torch.rand(300, 3, 8, 8, generator=torch.Generator().manual_seed(0))
NET = ResNet(width=8)


@pytest.fixture(scope="module")
def found() -> Profile:
    return ec.profile(NET, X, window=(1, 12), jacobian=5)


def test_every_place_in_the_order_of_execution(found: Profile) -> None:
    assert [row.place for row in found] == list(places(NET, X[:2]).names)
    assert {row.units for row in found} == {8, 10, 16, 32}
    assert {row.images for row in found} == {300}


@pytest.mark.parametrize("place", ["stem", "layer2.relu", "layer3", "logits"])
def test_a_row_has_the_numbers_of_its_place(found: Profile, place: str) -> None:
    row = next(row for row in found if row.place == place)
    code = ec.at(NET, place, reduce="mean")
    spec = ec.spectrum(code, X)
    assert row.participation_ratio == pytest.approx(spec.participation_ratio, rel=1e-5)
    assert row.rankme == pytest.approx(spec.rankme, rel=1e-5)
    if row.units >= 12:
        law = spec.power_law((1, 12))
        assert (row.alpha.value, *row.alpha.interval) == pytest.approx((law.alpha, *law.interval), rel=1e-4)
        assert row.plain == pytest.approx(law.plain, rel=1e-5)
        range_ = spec.shape((1, 12)).slope_range
        assert (row.slope_range.value, row.slope_range.high) == pytest.approx((range_.value, range_.high), rel=1e-4)
    else:
        assert math.isnan(row.alpha.value)
        assert "does not fit" in row.warnings[0]
    drawn = ec.profile(NET, X, [place], jacobian=300, interval=False).rows[0].jacobian
    assert drawn.value == pytest.approx(float(ec.jacobian_norm(code, X).median), rel=1e-4)


def test_one_forward_pass_per_batch_and_nothing_left_behind(leaves_no_trace) -> None:
    net, passes = ResNet(width=4).train(), []
    leaves_no_trace(net, X, lambda: ec.profile(net, X, "layer?"))
    net.stem.register_forward_hook(lambda module, args, out: passes.append(len(out)))
    ec.profile(net, X, interval=False, batch_size=100)
    assert passes.count(100) == 3
    assert sum(passes) < 300 + 40, "beside a few images, to list the places and see whether the network is random"


def test_patterns_and_names(found: Profile) -> None:
    assert [r.place for r in ec.profile(NET, X, "layer?", interval=False)] == ["layer1", "layer2", "layer3"]
    assert [r.place for r in ec.profile(NET, X, ["logits", "pool"], interval=False)] == ["pool", "logits"]
    with pytest.raises(InputError, match="did you mean 'layer1'"):
        ec.profile(NET, X, "layr1")


def test_networks_side_by_side() -> None:
    both = ec.profile({"a": NET, "b": ResNet(width=4, seed=1)}, X, "layer?", interval=False)
    assert [(r.network, r.units) for r in both] == [(n, w * k) for n, k in (("a", 8), ("b", 4)) for w in (1, 2, 4)]
    assert set(both.spectra) == {(r.network, r.place) for r in both}
    with pytest.raises(InputError, match="no network to profile"):
        ec.profile({}, X)


def test_table_frame_json_and_files(found: Profile, tmp_path: Path) -> None:
    frame = found.to_frame()
    assert list(frame.place) == [r.place for r in found]
    assert {"alpha", "alpha_low", "alpha_high", "slope_range", "jacobian_low", "window"} <= set(frame.columns)
    assert "layer3" in str(found) == repr(found)
    assert "! fc:" in str(found)
    assert "<table" in found._repr_html_()
    page = found.save(tmp_path / "out")
    assert page.is_file()
    assert {p.name for p in page.parent.iterdir()} == {f"profile.{s}" for s in ("pdf", "png", "svg", "csv", "json")}
    kept = json.loads((page.parent / "profile.json").read_text("utf-8"))["profile"]
    assert [row["place"] for row in kept] == list(frame.place)
    assert kept[-1]["alpha"]["value"] is None
    assert found.save(tmp_path / "again").read_bytes() == page.read_bytes()


def test_how_maps_became_rows_is_told() -> None:
    """Averaged over positions in a profile, flattened by `probe`: exponents differ, and both say which."""
    found = ec.profile(NET, X, "all", interval=False)
    heads = [c.header for c in found.table().columns]
    maps = [str(cell) for cell in found.table().columns[heads.index("maps")].cells]
    assert maps == ["mean" if len(row.shape) > 1 else "" for row in found.rows]
    assert any("averaged over positions" in note for note in found.notes)
    whole = ec.profile(NET, X, "stem", reduce="flatten", interval=False)
    assert not any("averaged" in note for note in whole.notes)
    test = ec.Images(X, torch.arange(len(X)) % 10)
    for place, told in (("stem", True), ("logits", False)):
        one = ec.probe(NET, test, place, images=4, window=(1, 5), attacks={}, trained=False)
        assert any("numbers of its maps are units" in note for note in one.results["notes"]) == told
    assert one.results["notes"] == []
    flat = Profile.table(ec.profile(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), X, "1", interval=False))
    assert "maps" not in [c.header for c in flat.columns]


def test_windows_that_differ_are_told() -> None:
    rows = ec.profile(NET, X, ["layer1", "layer3"])
    assert rows.rows[0].window != rows.rows[1].window
    assert "windows differ" in rows.notes[-1]


def test_a_constant_place_and_a_wide_one(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = nn.Linear(192, 5)
    nn.init.zeros_(dead.weight)
    row = ec.profile(nn.Sequential(nn.Flatten(), dead), X, ["1"]).rows[0]
    assert row.warnings == ("the same for all images",)
    assert math.isnan(row.participation_ratio)
    monkeypatch.setattr(sys.modules["eigencode.given.profile"], "WIDEST", 100)
    wide = ec.profile(NET, X, ["stem", "logits"], reduce="flatten", interval=False)
    assert [(r.units, r.reduced) for r in wide] == [(100, "random:100"), (10, "flatten")]
    assert "512 numbers per image are projected to 100" in wide.warnings[0]


def test_the_scaling_of_a_pretrained_network_is_asked_for() -> None:
    net = ResNet(width=4)
    net.default_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}
    with pytest.warns(EigencodeWarning, match=r"Standardised\(net, mean=\[0.5, 0.5, 0.5\]"):
        ec.profile(net, X, "layer1", interval=False)
    ec.profile(ec.models.Standardised(net, 0.5, 0.2), X, "layer1", interval=False)


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "timmlike.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    made = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))\n"
        "    made.pretrained_cfg = {'mean': [0.3], 'std': [0.2]}\n"
        "    return made\n"
    )
    monkeypatch.chdir(tmp_path)
    told = probe_from_options("timmlike:net", "all", data="digits", test_images=100, images=4)
    assert isinstance(told, Profile)
    assert [r.place for r in told] == ["0", "1", "2", "3", "logits"]
    assert {r.images for r in told} == {100}
    assert not math.isnan(told.rows[-1].jacobian.value)
    assert any("mean 0.3 and std 0.2" in note for note in told.notes)
    assert any("pretrained_cfg" in note for note in told.notes)
    for place in ("2", "all"):
        wide = probe_from_options("timmlike:net", place, data="digits", test_images=100, reduce="flatten")
        assert isinstance(wide, Profile)
        assert {r.reduced for r in wide} == {"flatten"}
    with pytest.raises(InputError, match="unknown way to reduce"):
        probe_from_options("timmlike:net", "2", data="digits", test_images=100, reduce="men")
    probed = probe_from_options(
        "timmlike:net", "2", data="digits", images=4, window="1:6", attacks="none", expects="0-1"
    )
    assert probed.critical == {}
    with pytest.raises(InputError, match="unknown attack"):
        probe_from_options("timmlike:net", "2", data="digits", attacks="noise,pdg-linf")
    with pytest.raises(InputError, match="no such device"):
        probe_from_options("timmlike:net", "2", data="digits", device="gpu7")


class Blurred(nn.Module):
    """Units that depend on the other images of the batch, or on chance, also in evaluation mode."""

    def __init__(self, chance: bool) -> None:
        super().__init__()
        self.first, self.last, self.chance = nn.Linear(192, 12), nn.Linear(12, 10), chance

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.first(x.flatten(1))
        return self.last(nn.functional.dropout(z, 0.3, training=True) if self.chance else z - z.mean(0))


@pytest.mark.parametrize("chance", [True, False])
def test_a_network_that_mixes_images_is_told(chance: bool) -> None:
    found = ec.profile({"a": Blurred(chance), "b": NET}, X, "l*", window=(1, 8))
    own = [row for row in found if row.network == "a"]
    assert all("image" in row.warnings[0] for row in own)
    assert not any(w for row in found if row.network == "b" for w in row.warnings if w in own[0].warnings)
    assert sum(own[0].warnings[0] in said for said in found.warnings) == 1
    assert any(said.startswith("a, all places: ") for said in found.warnings)


def test_names_in_brackets_are_printed() -> None:
    assert all(name in str(ec.profile({"net[a]": NET, "net[b]": NET}, X, ["stem"])) for name in ("net[a]", "net[b]"))


@pytest.mark.parametrize("rows", [2, 0.5])
def test_a_function_gives_one_row_per_image(rows: float) -> None:
    """Several rows would be given to images in an order that nobody has stated."""
    change = (lambda z: z.flatten(2).mT.flatten(0, 1)) if rows > 1 else (lambda z: z.flatten(1)[::2])
    for measured in (lambda: ec.profile(NET, X, ["stem"], reduce=change), lambda: ec.at(NET, "stem", reduce=change)(X)):
        with pytest.raises(InputError, match="does not give one row of numbers per image"):
            measured()


class Last(nn.Module):
    """Maps with their channels last between a convolution and the read-out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.act, self.out = nn.Conv2d(3, 8, 3), nn.LayerNorm(8), nn.GELU(), nn.Linear(288, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.act(self.norm(self.conv(x).permute(0, 2, 3, 1))).flatten(1))


def test_maps_with_their_channels_last_are_told() -> None:
    found = {row.place: row for row in ec.profile(Last(), X, interval=False)}
    told = {place for place, row in found.items() if any("channels last" in w for w in row.warnings)}
    assert told == {"norm", "act"}
    fixed = eval(found["act"].warnings[0].partition("reduce=")[2].rpartition(",")[0])
    assert ec.profile(Last(), X, ["act"], reduce=fixed, interval=False).rows[0].units == 8
    assert not any("channels last" in w for row in ec.profile(NET, X, interval=False) for w in row.warnings)
