"""`ec.probe`: the numbers are those of the measures called directly, and what cannot be measured is explained."""

import copy
import importlib
import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import own_network
import pytest
import torch
from torch import nn

import eigencode as ec
from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.models import Standardised
from eigencode.report import StudyRun
from eigencode.report._numbers import measured

FGSM = {"FGSM": ec.robustness.FGSM()}


class Inside(nn.Module):
    """A network inside somebody's module, its logits multiplied."""

    def __init__(self, net: nn.Module, factor: float = 1.0) -> None:
        super().__init__()
        self.inner, self.factor = net, factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * self.inner(x)


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("lab")
    own_network.write(folder)
    yield own_network.module(folder)
    own_network.forget()


@pytest.fixture(scope="module")
def trained(nets: ModuleType) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Standardised(own_network.trained(nets), own_network.MEAN, own_network.STD)


@pytest.fixture(scope="module")
def held_out() -> ec.Images:
    return ec.load("digits")[1]


@pytest.fixture(scope="module")
def found(trained: nn.Module, held_out: ec.Images) -> ec.Probe:
    return ec.probe(trained, held_out, "fc1", images=20, window=(2, 20), points=5, seed=3)


def number(found: ec.Probe, quantity: str) -> dict:
    """A row of the results."""
    (row,) = (r for r in found.results["rows"] if r["quantity"] == quantity)
    return row


def quick(net: nn.Module, held_out: ec.Images, place: str = "logits", **more: object) -> ec.Probe:
    settings = {"images": 10, "attacks": FGSM, "points": 0, **more}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EigencodeWarning)  # read from the record
        return ec.probe(net, held_out, place, **settings)


def warned(net: nn.Module, held_out: ec.Images, place: str = "logits", **more: object) -> str:
    return "\n".join(quick(net, held_out, place, **more).warnings)


def explained(net: nn.Module, held_out: ec.Images, place: str = "logits", **more: object) -> str:
    with pytest.raises(InputError) as error:
        quick(net, held_out, place, **more)
    return str(error.value)


def test_the_numbers_are_those_of_the_measures(found: ec.Probe, trained: nn.Module, held_out: ec.Images) -> None:
    code, same = ec.at(trained, "fc1"), {"rtol": 0, "atol": 0, "equal_nan": True}
    spec = ec.spectrum(code, held_out.x, batch_size=250, seed=3)
    torch.testing.assert_close(found.spectrum.eigenvalues, spec.eigenvalues, **same)
    assert found.law == spec.power_law((2, 20))
    alpha = number(found, "α, fc1")
    assert (alpha["value"], alpha["low"], alpha["high"]) == (found.law.alpha, *found.law.interval)
    jacobian = ec.jacobian_norm(code, held_out.x[found.index], batch_size=250, seed=3)
    torch.testing.assert_close(found.jacobian.value, jacobian.value, **same)
    attacks = {
        "noise": ec.robustness.Gaussian(),
        "FGSM": ec.robustness.FGSM(),
        "PGD L∞": ec.robustness.PGD(norm="linf", steps=20),
        "PGD L2": ec.robustness.PGD(norm="l2", steps=20),
    }
    assert list(found.critical) == list(attacks)
    for name, attack in attacks.items():
        sizes = ec.robustness.critical_size(
            trained, held_out, attack, "pixel", subset=found.index, check=False, seed=3, batch_size=250
        )
        assert found.critical[name].median == sizes.median
        torch.testing.assert_close(found.critical[name].tensors(), sizes.tensors(), **same)
        curve = ec.robustness.curve(
            trained, held_out, attack, found.curves[name].eps, subset=found.index, check=False, seed=3, batch_size=250
        )
        torch.testing.assert_close(found.curves[name].tensors(), curve.tensors(), **same)
    assert (
        found.masking.scalars() == ec.robustness.masking_checks(trained, held_out, subset=found.index, seed=3).scalars()
    )


def test_accuracy_is_that_of_evaluation_mode(found: ec.Probe, trained: nn.Module, held_out: ec.Images) -> None:
    hits = ec.at(trained, "logits")(held_out.x).argmax(1) == held_out.y
    assert found.accuracy.value == float(hits.double().mean()) > 0.7
    assert found.accuracy.n == len(held_out)


def test_the_network_is_left_as_it_was(nets: ModuleType, held_out: ec.Images, leaves_no_trace: Callable) -> None:
    net = own_network.trained(nets)
    net.bn.eval()
    leaves_no_trace(net, held_out.x[:2], lambda: quick(net, held_out, "fc1", window=(2, 20)))


class Counting(nn.Module):
    """A network that counts the images it has seen, in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 3))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += len(x)
        logits: torch.Tensor = self.body(x)
        return logits


@pytest.mark.parametrize("kind", ["probe", "profile", "places", "landscape", "landscape through"])
def test_a_state_between_calls_is_left_as_it_was(kind: str, leaves_no_trace: Callable) -> None:
    net, x = Counting(), torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    test = ec.Images(x, net(x).argmax(1), classes="abc")
    plane = {"place": "body.2", "space": "pixel", "points": 4}
    actions: dict[str, Callable[[], object]] = {
        "probe": lambda: quick(net, test, "body.2", window=(2, 10), trained=False),
        "profile": lambda: ec.profile(net, test, ["body.2"], window=(2, 10), jacobian=3),
        "places": lambda: ec.places(net, x[:2]),
        "landscape": lambda: ec.landscape(net, x[0], radius=1.0, **plane),
        "landscape through": lambda: ec.geometry.landscape_through(net, x[0], x[1], x[2], **plane),
    }
    leaves_no_trace(net, x[:2], actions[kind])


def test_a_network_in_training_mode_is_measured_in_evaluation_mode(trained: nn.Module, held_out: ec.Images) -> None:
    assert trained.training
    evaluated = Standardised(trained.net, own_network.MEAN, own_network.STD).eval()
    one, other = (quick(net, held_out, "fc1", window=(2, 20)) for net in (trained, evaluated))
    trained.train()
    assert repr(one.results["rows"]) == repr(other.results["rows"])


def test_the_sample_of_images_is_random_and_the_same_for_a_seed(trained: nn.Module, held_out: ec.Images) -> None:
    one, again, other = (quick(trained, held_out, "fc1", window=(2, 20), seed=s).index for s in (0, 0, 1))
    assert one.tolist() == again.tolist() != other.tolist()
    assert len(set(one.tolist())) == 10
    everything = quick(trained, held_out[:30], "fc1", window=(2, 20), images=None).index
    assert everything.tolist() == list(range(30))


@pytest.mark.usefixtures("one_figure")
def test_the_record_survives_the_disk(found: ec.Probe, tmp_path: Path) -> None:
    found.save(tmp_path / "kept")
    back = ec.Probe.found(tmp_path / "kept")
    assert list(back.records) == list(found.records)
    for key, record in found.records.items():
        torch.testing.assert_close(back.records[key].tensors(), record.tensors(), rtol=0, atol=0, equal_nan=True)
        assert repr(back.records[key].scalars()) == repr(record.scalars())
    assert back.json() == found.json()
    assert str(back) == str(found)
    assert back.masking.scalars() == found.masking.scalars()
    with pytest.raises(InputError, match="no results here"):
        ec.Probe.found(tmp_path)


def test_rows_are_read_from_the_records_as_in_a_study(found: ec.Probe) -> None:
    content = json.loads(found.json(), parse_constant=pytest.fail)
    assert {"study", "headline", "cells", "rows", "summary", "claims", "provenance", "notes"} <= set(content)
    assert set(content["headline"]) <= {r["quantity"] for r in content["rows"]}
    assert [r["value"] for r in content["rows"]] == [s["mean"] for s in content["summary"]]
    expected = {
        "test accuracy": found.accuracy.value,
        "α, fc1, plain": found.law.plain,
        "α, fc1, participation ratio": found.spectrum.participation_ratio,
        "α, fc1, RankMe": found.spectrum.rankme,
        "Jacobian norm, fc1": float(found.jacobian.median),
        "Jacobian norm, fc1, lower quartile": float(found.jacobian.value.quantile(0.25)),
        "critical size, PGD L2": float(found.critical["PGD L2"].median),
        "critical size, FGSM, eps": float(found.critical["FGSM"].quantile(0.5, of="eps")),
    }
    assert {name: number(found, name)["value"] for name in expected} == expected
    curve = next(c for c in content["cells"] if c["quantity"] == "accuracy, FGSM")["record"]
    assert curve["accuracy"] == found.curves["FGSM"].accuracy.tolist()
    eigenvalues = next(c for c in content["cells"] if c["kind"] == "spectrum")["record"]["eigenvalues"]
    assert eigenvalues == found.spectrum.eigenvalues.tolist()
    assert content["images"] == found.index.tolist()


def test_the_table_shows_every_headline_with_its_interval(found: ec.Probe) -> None:
    for text in (str(found), found._repr_html_()):
        for name in found.results["headline"]:
            row = number(found, name)
            (line,) = (line for line in text.splitlines() if f" {name} " in line)
            assert f" {measured(row['value'])} " in line
            if not math.isnan(row["low"]):
                assert row["low"] <= row["value"] <= row["high"]
                assert f"[{measured(row['low'])}, {measured(row['high'])}]" in line
            assert row["convention"][:20] in line


def test_a_frame_has_the_numbers_of_the_table(found: ec.Probe, tmp_path: Path) -> None:
    table = found.to_frame().set_index("quantity")
    assert list(table.index) == [entry["quantity"] for entry in found.results["summary"]]
    accuracy = table.loc["test accuracy"]
    assert (accuracy["mean"], accuracy["low"], accuracy["high"]) == (
        found.accuracy.value,
        found.accuracy.low,
        found.accuracy.high,
    )
    assert table["mean"]["critical size, FGSM"] == found.critical["FGSM"].median.value
    assert all(warning in " ".join(table["warnings"]) for warning in found.warnings)
    found.save(tmp_path)
    assert StudyRun.found(tmp_path).to_frame().equals(found.to_frame())


def test_a_prompt_shows_the_table(found: ec.Probe) -> None:
    assert repr(found) == str(found)
    assert "tensor(" not in repr(found)
    assert "{" not in repr(found)


def test_names_are_harmless(found: ec.Probe) -> None:
    bad = "<script>\x1b[31m"
    rows = [{**r, "model": bad, "data": bad} for r in found.results["rows"]]
    summary = [{**s, "model": bad, "warnings": ("<b>\x07",)} for s in found.results["summary"]]
    cells = [{**c, "data": bad} for c in found.results["cells"]]
    hostile = ec.Probe({**found.results, "rows": rows, "summary": summary, "cells": cells}, found.records)
    assert "<script>" in str(hostile)
    assert "<script>" not in hostile._repr_html_()
    assert "<b>" not in hostile._repr_html_()
    assert "\x1b" not in str(hostile)
    assert "\x07" not in str(hostile)


def test_a_network_with_huge_logits_is_said_to_hide_its_gradients(trained: nn.Module, held_out: ec.Images) -> None:
    with pytest.warns(EigencodeWarning, match="gradients look masked.*logits are large"):
        masked = ec.probe(Inside(trained, 1000.0), held_out, "logits", images=30, attacks=FGSM, points=0, window=(2, 8))
    assert "! Inside: gradients look masked" in str(masked)
    assert "masked" not in warned(trained, held_out, images=30, window=(2, 8))


def test_an_input_without_its_normalisation_is_noticed(trained: nn.Module, held_out: ec.Images) -> None:
    said = warned(trained.net, held_out, window=(2, 8))
    assert "no better than always answering the most frequent class" in said
    assert "normalised as in training" in said


def test_the_scaling_that_would_be_right_is_found(trained: nn.Module, held_out: ec.Images) -> None:
    wants_bytes = Standardised(copy.deepcopy(trained), 0.0, 255.0).eval()
    assert re.search("with --expects 0-255 it would be 0.[789]", warned(Inside(wants_bytes), held_out, window=(2, 8)))
    assert not re.search(
        "scaled|normalised", warned(Standardised(Inside(wants_bytes), 0.0, 1 / 255), held_out, window=(2, 8))
    )


def test_an_untrained_network_is_not_asked_about_its_scaling(nets: ModuleType, held_out: ec.Images) -> None:
    assert "accuracy" not in warned(nets.SmallCNN(), held_out, window=(2, 8), trained=False)
    assert "accuracy" in warned(nets.SmallCNN(), held_out, window=(2, 8))


@pytest.mark.parametrize(
    ("factory", "message", "fix"),
    [
        ("pair", r"a tuple of 0: (250, 10), 1: (250, 10)", "net(x)[0] alone"),
        ("named", r"a dict of 'hidden': (250, 1), 'logits': (250, 10)", "net(x)['logits'] alone"),
        ("softmaxed", "probabilities, not logits", "drop the last softmax"),
        ("answers", "(250,) of int64", "before argmax"),
        ("single", "(250, 1) of float32", "torch.stack"),
        ("squeezed", "(10,) of float32", "one per class"),
        ("maps", "(250, 10, 1, 1) of float32", "nn.Flatten()"),
        ("undefined", "returns NaN or Inf", "scale the input as in training"),
        ("colour", "3 channels, by its first convolution", "--data"),
        ("rows", "rows of 64 numbers", "nn.Sequential(nn.Flatten(), net)"),
        ("large", "65 numbers per image", "--arg"),
    ],
)
def test_what_cannot_be_measured_is_explained(
    nets: ModuleType, held_out: ec.Images, factory: str, message: str, fix: str
) -> None:
    for net in (getattr(nets, factory)(), Standardised(getattr(nets, factory)(), 0.5, 0.5)):
        said = explained(net, held_out)
        assert message in said
        assert fix in said
        assert "Standardised" not in said


def test_too_few_classes_and_weights_that_are_not_numbers_are_explained(nets: ModuleType, held_out: ec.Images) -> None:
    assert "7 logits per image" in explained(nets.SmallCNN(classes=7), held_out)
    net = nets.SmallCNN()
    net.fc1.weight.data[0, 0] = math.nan
    said = explained(net, held_out)
    assert "fc1.weight hold NaN" in said
    assert "load other weights" in said


def test_the_shape_of_the_data_is_named(nets: ModuleType, held_out: ec.Images) -> None:
    said = explained(nets.colour(), held_out)
    assert "images of digits/test" in said
    assert "(250, 1, 8, 8)" in said


@pytest.mark.parametrize(
    ("factory", "message"),
    [("sigmoids", "like those of a sigmoid"), ("noisy", "random in evaluation mode"), ("mixing", "mixes the images")],
)
def test_what_must_be_known_is_warned_of(nets: ModuleType, held_out: ec.Images, factory: str, message: str) -> None:
    assert message in warned(getattr(nets, factory)(), held_out, "net.fc1", window=(2, 20), trained=False)


def test_more_outputs_than_classes_are_told(nets: ModuleType, held_out: ec.Images) -> None:
    assert "12 outputs for 10 classes" in warned(nets.SmallCNN(classes=12), held_out, window=(2, 8), trained=False)


def test_an_unknown_place_is_answered_with_the_nearest_of_their_own(trained: nn.Module, held_out: ec.Images) -> None:
    said = explained(trained, held_out, "conv_1")
    assert "SmallCNN has no place 'conv_1'" in said
    assert "did you mean 'conv1'" in said


def test_a_place_that_is_the_same_for_all_images_is_explained(nets: ModuleType, held_out: ec.Images) -> None:
    assert "'conv1' is the same for all images" in explained(nets.dead(), held_out, "conv1", trained=False)


def test_a_place_without_a_derivative_is_told(nets: ModuleType, held_out: ec.Images) -> None:
    said = explained(nets.Detached(), held_out, "side", window=(2, 8), trained=False)
    assert "no derivative with respect to the images" in said
    assert "detach" in said
    flat = warned(nets.rounded(), held_out, "rounded", window=(2, 8), trained=False)
    assert "the Jacobian is zero for 10 of 10 images" in flat


def test_a_derivative_that_functorch_refuses_is_computed_row_by_row(nets: ModuleType, held_out: ec.Images) -> None:
    net = nets.old()
    found = quick(net, held_out, "1", window=(2, 8), trained=False)
    inner = ec.jacobian_norm(ec.at(net, "0"), held_out.x[found.index]).value
    torch.testing.assert_close(found.jacobian.value, 2 * inner, rtol=1e-5, atol=0)


def test_the_method_of_the_jacobian_can_be_chosen(trained: nn.Module, held_out: ec.Images) -> None:
    assert quick(trained, held_out, "fc1", window=(2, 8)).jacobian.method == "exact"
    found = quick(trained, held_out, "fc1", window=(2, 8), method="hutchinson")
    assert (found.jacobian.method, found.jacobian.reason) == ("hutchinson", "asked for")


def test_images_that_influence_one_another_at_the_place_have_no_derivative(
    nets: ModuleType, held_out: ec.Images
) -> None:
    assert "no derivative of its own" in explained(nets.mixing(), held_out, window=(2, 8), trained=False)


def test_windows(trained: nn.Module, held_out: ec.Images) -> None:
    assert "does not fit" in explained(trained, held_out, "fc1", window=(11, 500))
    usual = quick(trained, held_out, "fc1")
    assert usual.law.window == (1, 12)
    assert any("too few for ranks 11..500" in said for said in usual.warnings)
    assert "1..12" in str(usual)


def test_without_a_window_a_spectrum_too_short_for_any_has_no_alpha(held_out: ec.Images) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.ReLU(), nn.Linear(3, 10))
    none = quick(net, held_out, "1", trained=False)
    assert none.law is None
    assert math.isnan(number(none, "α, 1")["value"])
    assert any("α, 1: the window of the fit does not fit" in said for said in none.warnings)
    assert {r["quantity"]: r["value"] for r in json.loads(none.json())["rows"]}["α, 1"] is None


def test_eigenvalues_of_rounding_are_not_fitted_in_silence(trained: nn.Module, held_out: ec.Images) -> None:
    found = quick(trained, held_out, "conv1", window=(11, 300))
    assert any("are rounding: no interval" in said for said in found.warnings)
    assert "nan" not in str(found)


def test_a_wide_place_gets_fewer_images_and_says_so(
    trained: nn.Module, held_out: ec.Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("eigencode.given.probe"), "MAX_RESPONSES", 100 * 24)
    few = quick(trained, held_out, "fc1", window=(2, 20))
    assert few.spectrum.n_samples == 100
    assert any("uses 100 of 359 images" in said for said in few.warnings)


def test_nothing_correct_is_no_error(held_out: ec.Images) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 11))
    nn.init.zeros_(net[1].weight)
    net[1].bias.data = torch.eye(11)[10]
    net[1].weight.data[10] = 1.0
    none = quick(net, held_out, "0", window=(2, 20), points=3, trained=False)
    assert none.critical["FGSM"].n_correct == 0
    assert {r["quantity"]: r["value"] for r in json.loads(none.json())["rows"]}["critical size, FGSM"] is None


def test_not_a_module_and_too_few_images(trained: nn.Module, held_out: ec.Images, unchecked: None) -> None:
    assert "a torch.nn.Module" in explained(lambda x: x, held_out)
    assert ">= 2" in explained(trained, held_out, images=1, window=(2, 8))
