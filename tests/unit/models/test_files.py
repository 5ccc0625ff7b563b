"""Networks survive the disk bit by bit; files that are not ours are named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from toy_rules import stack

from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.base.types import Images
from eigencode.models import RePU, build, initialise, krotov_hopfield, load, perceptron, save
from eigencode.rules import KrotovHopfield, KrotovHopfieldSequential

TRAIN = Images(torch.full((2, 1, 3, 4), 0.5), torch.tensor([0, 1]), ("a", "b", "c"))


def used(net: torch.nn.Module) -> torch.nn.Module:
    """With weights and buffers that no constructor gives."""
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.copy_(torch.randint(0, 1000, tensor.shape) if not tensor.is_floating_point() else tensor + 0.25)
    return net


@pytest.mark.parametrize(
    "net",
    [
        krotov_hopfield(TRAIN, 5, 2.5, 3.0, radius=2.0, spread=0.1, norm_p=2.0, seed=3),
        perceptron(TRAIN, 6, n=2.0),
        perceptron(TRAIN, 6, batch_norm=True, seed=9),
    ],
    ids=["krotov_hopfield", "perceptron", "batch_norm"],
)
def test_round_trip(net: torch.nn.Module, tmp_path: Path) -> None:
    used(net)
    save(net, tmp_path / "a.safetensors")
    save(net, str(tmp_path / "b.safetensors"))
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    before = torch.random.get_rng_state()
    back = load(tmp_path / "a.safetensors")
    torch.testing.assert_close(torch.random.get_rng_state(), before, rtol=0, atol=0)
    torch.testing.assert_close(back.state_dict(), net.state_dict(), rtol=0, atol=0)
    assert (repr(back), back.spec, back.shape) == (repr(net), net.spec, net.shape)
    assert [p.requires_grad for p in back.parameters()] == [p.requires_grad for p in net.parameters()]
    x = torch.rand(4, 1, 3, 4)
    torch.testing.assert_close(back.eval()(x), net.eval()(x), rtol=0, atol=0)


def written(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save(perceptron(TRAIN, 6), path)
    return path


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_truncated_file(tmp_path: Path, keep: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"net\.safetensors is not a readable"):
        load(path)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "notes.safetensors"
    path.write_text("nothing of the sort" * 100)
    with pytest.raises(InputError, match=r"notes\.safetensors is not a readable"):
        load(path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(InputError, match="no such file of weights"):
            load(path)


def test_weights_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.ones(3)}, str(path))
    with pytest.raises(InputError, match=r"has no header of models.save(?s:.*)load_state_dict"):
        load(path)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "header",
    [
        "not json",
        "[1, 2]",
        "{}",
        '{"kind": "transformer", "units": 6, "shape": [1, 3, 4], "classes": 3}',
        '{"kind": "perceptron", "units": 6, "shape": [1, 3, 4], "classes": 3, "colour": "red"}',
        '{"kind": "perceptron", "units": 7, "shape": [1, 3, 4], "classes": 3}',
    ],
)
def test_a_header_that_does_not_describe_the_weights(tmp_path: Path, header: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_file(perceptron(TRAIN, 6).state_dict(), str(path), metadata={"eigencode": header})
    with pytest.raises(InputError, match=r"odd\.safetensors"):
        load(path)


def test_anybodys_module_with_the_callable_that_builds_it(lab: Path) -> None:
    net, where = used(build("acme.nets:SmallCNN", {"width": 3})), "acme.nets:SmallCNN"
    save(net, lab / "cnn.safetensors", where=where, settings={"width": 3})
    back = load(lab / "cnn.safetensors", where=where)
    torch.testing.assert_close(back.state_dict(), net.state_dict(), rtol=0, atol=0)
    assert repr(back) == repr(net)


def test_a_file_does_not_choose_the_code_that_is_run(lab: Path) -> None:
    evil = json.dumps({"where": "os:mkdir", "settings": {"path": str(lab / "made")}})
    save_file({"weight": torch.ones(1)}, str(lab / "evil.safetensors"), metadata={"eigencode": evil})
    for where in (None, "acme.nets:SmallCNN"):
        with pytest.raises(InputError, match=r"(?s)needs other code.*wanted: where='os:mkdir'.*pass it as `where`"):
            load(lab / "evil.safetensors", where=where)
    assert not (lab / "made").exists()
    save(perceptron(TRAIN, 6), lab / "ours.safetensors")
    with pytest.raises(InputError, match="leave `where` out"):
        load(lab / "ours.safetensors", where="acme.nets:SmallCNN")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"width": 4}, r"builds another network(?s:.*)bn.bias"),
        ({}, "builds another network"),
        ({"width": 3, "classes": torch.tensor(10)}, "settings that JSON cannot hold"),
        ({"widht": 3}, "did you mean 'width'"),
    ],
)
def test_another_callable_or_other_settings_are_refused_before_anything_is_written(
    lab: Path, settings: dict[str, Any], says: str
) -> None:
    net = build("acme.nets:SmallCNN", {"width": 3})
    with pytest.raises(InputError, match=says):
        save(net, lab / "cnn.safetensors", where="acme.nets:SmallCNN", settings=settings)
    assert not (lab / "cnn.safetensors").exists()


def test_settings_that_no_weight_shows_count_too(lab: Path) -> None:
    source = "from eigencode.models import Stack, UnitNorm\ndef f(p):\n    return Stack({'norm': UnitNorm(p)})\n"
    (lab / "plain.py").write_text(source)
    net = build("plain:f", {"p": 2})
    with pytest.raises(InputError, match=r"UnitNorm\(p=2\) and \(norm\): UnitNorm\(p=3\)"):
        save(net, lab / "a.safetensors", where="plain:f", settings={"p": 3})


def test_a_module_that_nothing_builds_is_explained_and_the_advice_works(lab: Path) -> None:
    net = stack()
    with pytest.raises(
        InputError, match=r"(?s)this Stack does not record.*build\(\) in mynets.py.*where='mynets:build'"
    ):
        save(net, lab / "stack.safetensors")
    (lab / "mynets.py").write_text("from toy_rules import stack\ndef build(seed):\n    return stack(seed=seed)\n")
    save(net, lab / "stack.safetensors", where="mynets:build", settings={"seed": 5})
    back = load(lab / "stack.safetensors", where="mynets:build")
    torch.testing.assert_close(back.state_dict(), net.state_dict(), rtol=0, atol=0)
    with pytest.raises(InputError, match="this Linear does not record"):
        save(torch.nn.Linear(2, 2), lab / "linear.safetensors")


def test_a_network_changed_after_it_was_built_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    changed = perceptron(TRAIN, 6)
    changed.activation = RePU(3.0)
    for net, told in ((changed, r"RePU\(n=3\) and"), (perceptron(TRAIN, 6).double(), "float64")):
        with pytest.raises(InputError, match=f"builds another network(?s:.*){told}"):
            save(net, path)
    assert not path.exists()


@pytest.mark.parametrize("rule", [KrotovHopfield(k=3, delta=0.1), KrotovHopfieldSequential(losers="2..k")])
def test_the_rule_of_a_layer_is_kept(rule: Any, tmp_path: Path) -> None:
    net = krotov_hopfield(TRAIN, 5)
    initialise(net, rule)
    save(net, tmp_path / "net.safetensors")
    again = load(tmp_path / "net.safetensors")
    assert again.encoder.rule == rule
    save(again, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "net.safetensors").read_bytes()


class Mine(KrotovHopfield):
    """A rule of other code."""


def test_a_rule_of_other_code_is_told(tmp_path: Path) -> None:
    net = krotov_hopfield(TRAIN, 5)
    initialise(net, Mine(k=3))
    save(net, tmp_path / "net.safetensors")
    with pytest.warns(EigencodeWarning, match=r"Mine\(.*k=3.*set its `rule`"):
        again = load(tmp_path / "net.safetensors")
    assert again.encoder.rule == krotov_hopfield(TRAIN, 5).encoder.rule


def test_a_file_cannot_name_other_code_as_a_rule(tmp_path: Path) -> None:
    net = krotov_hopfield(TRAIN, 5)
    spec = {**net.spec, "rules": {"encoder": {"rule": "Convergence", "settings": {}}}}
    save_file(net.state_dict(), tmp_path / "net.safetensors", {"eigencode": json.dumps(spec)})
    with pytest.raises(InputError, match="does not describe"):
        load(tmp_path / "net.safetensors")
