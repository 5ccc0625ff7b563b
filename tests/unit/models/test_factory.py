"""`package.module:callable`: what works, and what is said when it does not."""

from pathlib import Path

import pytest
import torch
from torch import nn

from eigencode.base.errors import InputError
from eigencode.models import build
from eigencode.models.factory import settings_of


def test_a_class_a_function_and_a_module(lab: Path) -> None:
    assert build("acme.nets:SmallCNN", {"width": 3}).conv1.out_channels == 3
    assert type(build("acme.nets:dead")).__name__ == "SmallCNN"
    assert isinstance(build("acme.nets:ready"), nn.Sequential)
    assert type(build("acme.nets:parallel")).__name__ == "SmallCNN"


def test_an_untrained_network_is_the_same_every_time_and_disturbs_nothing(lab: Path) -> None:
    before = torch.random.get_rng_state()
    first, second, other = (build("acme.nets:SmallCNN", seed=seed).conv1.weight for seed in (0, 0, 1))
    torch.testing.assert_close(torch.random.get_rng_state(), before, rtol=0, atol=0)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert bool((first != other).any())


def test_what_the_code_prints_is_not_our_output(
    lab: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab / "acme" / "loud.py").write_text("from torch.nn import Flatten\nprint('hello')\n")
    build("acme.loud:Flatten")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\n")


@pytest.mark.parametrize(
    ("where", "settings", "message"),
    [
        ("acme.nets", {}, "not the name of a function or class"),
        ("acme/nets.py:SmallCNN", {}, "write acme.nets:SmallCNN"),
        ("./nets.py:SmallCNN", {}, "write nets:SmallCNN"),
        ("acme.nets:", {}, "not the name of a function or class"),
        (":SmallCNN", {}, "not the name of a function or class"),
        ("acme.net:SmallCNN", {}, "did you mean 'acme.nets'"),
        ("acmee.nets:SmallCNN", {}, "did you mean 'acme'"),
        ("nets.py:SmallCNN", {}, "write nets:SmallCNN"),
        ("torchvizion.models:resnet18", {}, "or install torchvizion"),
        ("acme.nets:SmalCNN", {}, "did you mean 'SmallCNN'"),
        ("acme.nets:plain", {}, "cannot be called"),
        ("acme.broken:f", {}, r"SyntaxError.*broken\.py, line 1"),
        ("acme.needy:f", {}, "a_module_nobody_has"),
        ("acme.nets:SmallCNN", {"widht": 3}, "did you mean 'width'"),
        ("acme.nets:SmallCNN", {"width": "three"}, "TypeError"),
        ("acme.nets:fails", {}, r"missing a required argument: 'depth'"),
        ("acme.nets:fails", {"depth": 9}, r"KeyError: 'no such depth' \(.*nets\.py, line"),
        ("acme.nets:number", {}, "got:    int"),
        ("acme.nets:ready", {"width": 3}, "a network already"),
    ],
)
def test_what_goes_wrong_is_explained(lab: Path, where: str, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(where, settings)


def test_settings() -> None:
    words = ["a=1", "b=2.5", "c=true", "d=[1, 2]", 'e="text"', "f=text", "g = 3"]
    expected = {"a": 1, "b": 2.5, "c": True, "d": [1, 2], "e": "text", "f": "text", "g": 3}
    assert settings_of(words) == expected


@pytest.mark.parametrize("word", ["depth", "=3", "a b=3", "3=a"])
def test_a_setting_without_a_name_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="name=value"):
        settings_of([word])


def test_a_module_that_ends_the_program_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ends_at_once.py").write_text("import sys; sys.exit(0)")
    (tmp_path / "ends_later.py").write_text("import sys\ndef net(): sys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    for where in ("ends_at_once:net", "ends_later:net"):
        with pytest.raises(InputError, match="SystemExit: 0"):
            build(where)
