"""`eigencode probe` as somebody uses it on a network of another code base."""

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import own_network
import pytest
import torch
from command import inside
from PIL import Image
from safetensors.torch import save_file
from typer.testing import Result

import eigencode as ec

SCALED = ["--mean", own_network.MEAN, "--std", own_network.STD]
FIGURES = ("robustness", "robustness2", "seeds", "slopes", "spectra", "tradeoff", "windows")
KINDS = ("csv", "pdf", "png", "svg")
TINY = ["--data", "digits", "--images", 6, "--window", "2:20"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of that code base, with trained weights in three formats and some that do not fit."""
    folder = tmp_path_factory.mktemp("lab")
    own_network.write(folder)
    nets = own_network.module(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = own_network.trained(nets).state_dict()
    torch.save(state, folder / "plain.pt")
    torch.save({"epoch": 2, "state_dict": {f"module.{k}": v for k, v in state.items()}}, folder / "wrapped.pth")
    save_file(state, folder / "weights.safetensors")
    torch.save({k: v for k, v in state.items() if not k.startswith("fc2")}, folder / "headless.pt")
    torch.save({**state, "fc1.bias": torch.full((24,), torch.nan)}, folder / "nan.pt")
    own_network.forget()
    yield folder
    own_network.forget()


@pytest.fixture
def probe(lab: Path, coarse: None, monkeypatch: pytest.MonkeyPatch):
    """The command, started in the folder of the code base."""
    monkeypatch.chdir(lab)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*words: object) -> Result:
        return inside("probe", *words)

    return run


@pytest.fixture(scope="module")
def by_hand(lab: Path) -> ec.Probe:
    """The same without the command line."""
    net = own_network.module(lab).SmallCNN()
    net.load_state_dict(torch.load(lab / "plain.pt", weights_only=True))
    _, test = ec.load("digits")
    whole = ec.models.Standardised(net, own_network.MEAN, own_network.STD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ec.EigencodeWarning)
        return ec.probe(whole, test, "fc1", images=6, window=(2, 20), seed=0)


def test_table_figures_and_arrays(probe, by_hand: ec.Probe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = probe(
        "acme.nets:SmallCNN", "--weights", "weights.safetensors", *SCALED, "--place", "fc1", *TINY, "--out", out
    )
    assert done.exit_code == 0, done.output
    for word in ("test accuracy", "α, fc1", "participation ratio", "Jacobian norm", "quartile", "pixel space"):
        assert word in done.stdout
    for attack in ("noise", "FGSM", "PGD L∞", "PGD L2"):
        assert f"critical size, {attack}" in done.stdout
    assert "every channel is scaled to (x - mean) / std with mean -2 and std 0.1" in done.stdout
    assert "forward" not in done.stdout
    assert f"page: {out / 'report.html'}" in done.stdout
    figures = sorted((out / "figures").iterdir())
    assert [p.name for p in figures] == sorted(f"{name}.{kind}" for name in FIGURES for kind in KINDS)
    assert all(p.stat().st_size > (100 if p.suffix == ".csv" else 1000) for p in figures)
    kept = ec.Probe.found(out)
    assert str(kept).strip() in "\n".join(line.rstrip() for line in done.stdout.splitlines())
    for key, record in by_hand.records.items():
        torch.testing.assert_close(kept.records[key].tensors(), record.tensors(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("weights", ["plain.pt", "wrapped.pth", "weights.safetensors"])
def test_every_format_gives_the_same_numbers(probe, by_hand: ec.Probe, weights: str) -> None:
    done = probe("acme.nets:SmallCNN", "--weights", weights, *SCALED, "--place", "fc1", *TINY, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    notes = found.pop("notes")
    assert ("wrapped.pth: dropped the prefix 'module.' of all names" in notes) == (weights == "wrapped.pth")
    expected = json.loads(by_hand.json())
    for part in ("notes", "provenance"):
        expected.pop(part)
    found.pop("provenance")
    assert found == expected


def test_the_working_directory_is_on_the_path(probe, lab: Path) -> None:
    own_network.forget()
    assert not {"", ".", str(lab)} & set(sys.path)
    done = probe("acme.nets:SmallCNN")
    assert done.exit_code == 2
    assert "one of conv1, bn, act" in done.stderr


def test_a_network_without_weights_is_called_untrained(probe) -> None:
    done = probe("acme.nets:SmallCNN", "--arg", "width=4", "--place", "fc1", *TINY, "--json")
    found = json.loads(done.stdout)
    (spectrum,) = (c["record"] for c in found["cells"] if c["kind"] == "spectrum")
    assert spectrum["n_units"] == 24
    assert "untrained" in found["notes"][-1]
    assert not any("accuracy" in said for entry in found["summary"] for said in entry["warnings"])


def test_without_its_normalisation_the_network_is_doubted(probe) -> None:
    done = probe("acme.nets:SmallCNN", "--weights", "plain.pt", "--place", "logits", "--window", "2:8", *TINY[:4])
    assert done.exit_code == 0
    assert "! SmallCNN: accuracy" in done.stdout
    assert "is the input normalised as in training?  --mean and --std" in done.stdout


WITH = ["acme.nets:SmallCNN", "--weights", "plain.pt", "--place", "fc1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["acme.nets"], "package.module:callable"),
        (["acme.nets:SmalCNN"], "did you mean 'SmallCNN'"),
        (["acme.needy:f"], "a_module_nobody_has"),
        (["acme.nets:SmallCNN", "--arg", "widht=3"], "did you mean 'width'"),
        (["acme.nets:SmallCNN", "--arg", "width"], "--arg depth=3"),
        (["acme.nets:SmallCNN"], "one of conv1, bn, act, pool, drop, fc1, fc2, logits"),
        ([*WITH, "--place", "fc_1"], "did you mean 'fc1'"),
        ([*WITH, "--weights", "plan.pt"], "did you mean 'plain.pt'"),
        ([*WITH, "--weights", "headless.pt"], "fc2.weight (10, 24)"),
        ([*WITH, "--arg", "width=7"], "conv1.weight (6, 1, 3, 3), the network has (7, 1, 3, 3)"),
        ([*WITH, "--weights", "nan.pt"], "fc1.bias hold NaN or Inf"),
        ([*WITH, "--weights", "acme/nets.py"], "not a readable safetensors file"),
        ([*WITH, "--mean", "0.5"], "both or neither"),
        ([*WITH, "--mean", "a", "--std", "1"], "--mean is not a list of numbers"),
        ([*WITH, "--mean", "0.1,0.2", "--std", "0.1,0.2"], "2 numbers for 1 channels"),
        ([*WITH, "--mean", "0.1", "--std", "0"], "std > 0"),
        ([*WITH, "--expects", "standardized"], "did you mean 'standardised'"),
        ([*WITH, "--window", "2-20"], "FROM:TO"),
        ([*WITH, "--window", "11:500"], "the window of the fit does not fit the spectrum"),
        ([*WITH, "--data", "digit"], "did you mean 'digits'"),
        ([*WITH, "--data", "mnist5k"], "fails on the images of mnist5k/test"),
        ([*WITH, "--out", "plain.pt"], "exists already"),
        ([*WITH, "--out", "plain.pt/out"], "cannot create the folder for the results"),
        (["acme.nets:pair", "--place", "net.fc1"], "does not return logits"),
        (["acme.nets:softmaxed", "--place", "net.fc1"], "probabilities, not logits"),
        (["acme.nets:undefined", "--place", "net.fc1"], "returns NaN or Inf"),
        (["acme.nets:SmallCNN", "--arg", "classes=7", "--place", "fc1"], "fewer classes than the labels"),
        (["acme.nets:dead", "--place", "conv1"], "the same for all images"),
    ],
)
def test_what_is_wrong_is_explained_and_the_exit_code_is_2(probe, words: list[str], message: str) -> None:
    done = probe(*words[:1], *TINY, *words[1:])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.replace("forward\n", "").startswith("error: ")
    assert message in done.stderr


def test_a_network_with_scaled_logits_is_said_to_mask_its_gradients(probe, lab: Path) -> None:
    (lab / "loud.py").write_text("from acme.nets import Then\n\n\ndef loud():\n    return Then(lambda z: 1000 * z)\n")
    save_file({f"net.{k}": v for k, v in torch.load(lab / "plain.pt", weights_only=True).items()}, lab / "loud.st")
    done = probe("loud:loud", "--weights", "loud.st", *SCALED, "--place", "net.fc1", *TINY)
    assert done.exit_code == 0, done.stderr
    assert "! Then: gradients look masked" in done.stdout


def test_help_is_complete(probe) -> None:
    shown = probe("--help").stdout
    for word in (
        "--weights",
        "--data",
        "--place",
        "--data-dir",
        "--images",
        "--window",
        "--arg",
        "--expects",
        "--mean",
    ):
        assert word in shown


def test_a_folder_is_measured_whole_by_the_classes_of_the_network(probe, lab: Path, tmp_path: Path) -> None:
    """Ten outputs, folders of three of the classes, pictures of another size: all of them, with the labels 7, 3, 1."""
    _, test = ec.load("digits")
    for label in (7, 3, 1):
        folder = tmp_path / "some" / f"digit {label}"
        folder.mkdir(parents=True)
        for i in (test.y == label).nonzero().flatten().tolist():
            pixels = (test.x[i, 0] * 255).to(torch.uint8).numpy()
            wide = Image.new("L", (24, 16))
            wide.paste(Image.fromarray(pixels).resize((16, 16), Image.Resampling.NEAREST), (4, 0))
            wide.save(folder / f"{i}.png")
    names = ",".join(f"digit {i}" for i in range(10))
    words = [*WITH, *SCALED, "--images", 4, "--window", "2:8"]
    words += ["--data", f"folder:{tmp_path / 'some'}", "--classes", names, "--resize", 8]
    done = probe(*words, "--json", "--quiet")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    wanted = int(sum((test.y == label).sum() for label in (7, 3, 1)))
    assert f"all {wanted} images of folder:" in " ".join(found["notes"])
    accuracy = next(row for row in found["rows"] if "accuracy" in row["quantity"])
    assert accuracy["value"] > 0.7
