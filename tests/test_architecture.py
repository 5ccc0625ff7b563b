"""The layout of the package is what design and README say it is; every rule is shown to catch a bad example."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import source_rules as rules

import eigencode

ROOT = Path(__file__).resolve().parents[1]
TESTS = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in sorted((ROOT / "tests").rglob("*.py"))}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(p): p.read_text(encoding="utf-8") for p in sorted((ROOT / "src" / "eigencode").rglob("*.py"))}
CONTENTS = [n for n in SOURCES if (ROOT / "src" / Path(*n.split("."))).is_dir() and n != "eigencode"]


def broken(rule: Callable[[str], list[str]], sources: dict[str, str]) -> dict[str, list[str]]:
    """What breaks a rule, by file."""
    return {name: wrong for name, source in sources.items() if (wrong := rule(source))}


def test_the_package_was_found() -> None:
    assert {"eigencode", "eigencode.cli", "eigencode.base.types", "eigencode.study"} <= set(SOURCES)
    assert set(rules.LEVELS) >= {n.split(".")[1] for n in SOURCES if n != "eigencode"}
    assert len(TESTS) > 10


def test_imports_go_down() -> None:
    found = {m: rules.imports_upwards(s, m) for m, s in SOURCES.items() if m != "eigencode"}
    assert {m: wrong for m, wrong in found.items() if wrong} == {}


def test_no_two_modules_import_each_other() -> None:
    assert rules.cycles(SOURCES) == []


LENDER = "eigencode.robustness.adapters._isolation"
"""The one module that seeds the global generators, for libraries that draw from nothing else; it puts them back."""

DROPOUT = "eigencode.models.layers"
"""Its Dropout draws from the global generator, as torch's does; trainings seed and restore that."""


@pytest.mark.parametrize("rule", [rules.unsafe, rules.global_randomness, rules.too_long, rules.no_docstring])
def test_source_keeps(rule: Callable[[str], list[str]]) -> None:
    found = broken(rule, SOURCES)
    if rule is rules.global_randomness:
        assert found.pop(LENDER)
        assert [line.split(": ")[1] for line in found.pop(DROPOUT)] == [".random_", "torch.rand"]
    assert found == {}


def test_init_files_are_tables_of_contents() -> None:
    assert broken(rules.more_than_contents, {n: SOURCES[n] for n in CONTENTS}) == {}


def test_a_module_is_private_unless_its_package_offers_something_of_it() -> None:
    assert rules.misnamed(SOURCES, CONTENTS) == []


@pytest.mark.parametrize("rule", [rules.dropped_comparisons, rules.asserts_nothing])
def test_tests_can_fail(rule: Callable[[str], list[str]]) -> None:
    assert broken(rule, TESTS) == {}


@pytest.mark.parametrize("name", eigencode.__all__)
def test_public_names_exist(name: str) -> None:
    assert getattr(eigencode, name) is not None
    assert name in dir(eigencode)


def test_the_top_level_imports_nothing_of_its_own() -> None:
    found = [m for _, m, _ in rules.imported(SOURCES["eigencode"]) if m.startswith((".", "eigencode"))]
    assert found == []
    with pytest.raises(AttributeError, match="nonsense"):
        eigencode.nonsense


HEAVY = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "pandas", "xarray", "jinja2", "distributed")
HEAVY += ("eigencode.study",)


@pytest.mark.parametrize(
    "start",
    [
        "import eigencode",
        "import eigencode.cli",
        "import runpy; sys.argv = ['eigencode', '--help']; runpy.run_module('eigencode', run_name='__main__')",
        "import runpy; sys.argv = ['eigencode', 'run', '--help']; runpy.run_module('eigencode', run_name='__main__')",
    ],
)
def test_starting_is_cheap(start: str) -> None:
    code = (
        f"import sys\ntry:\n    {start}\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('loaded:', [m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1:] == ["loaded: []"], done.stdout + done.stderr


Rule = Callable[..., list[str]]

BAD: list[tuple[Rule, str]] = [
    (rules.dropped_comparisons, "def test_a():\n    torch.allclose(a, b)"),
    (rules.dropped_comparisons, "np.array_equal(a, b)"),
    (rules.dropped_comparisons, "torch.isclose(a, b)"),
    (rules.dropped_comparisons, "a.equal(b)"),
    (rules.dropped_comparisons, "f(a).isclose(b)"),
    (rules.dropped_comparisons, "a == b"),
    (rules.dropped_comparisons, "a and b"),
    (rules.dropped_comparisons, "assert (a == b, 'they differ')"),
    (rules.dropped_comparisons, "assert (x > 0 for x in y)"),
    (rules.dropped_comparisons, "assert 'a message'"),
    (rules.dropped_comparisons, "assert True"),
    (rules.asserts_nothing, "def test_a():\n    run()"),
    (rules.asserts_nothing, "def helper():\n    run()\ndef test_a():\n    helper()"),
    (rules.asserts_nothing, "class TestA:\n    def test_a(self):\n        x = 1"),
    (rules.unsafe, "import pickle"),
    (rules.unsafe, "def f():\n    from pickle import loads"),
    (rules.unsafe, "import torch\ntorch.load('x')"),
    (rules.unsafe, "torch.load('x', weights_only=False)"),
    (rules.unsafe, "torch.save(x, 'y')"),
    (rules.unsafe, "np.load(path, allow_pickle=True)"),
    (rules.unsafe, "eval('1')"),
    (rules.unsafe, "exec(code)"),
    (rules.unsafe, "import yaml"),
    (rules.unsafe, "subprocess.run(x, shell=True)"),
    (rules.global_randomness, "torch.manual_seed(0)"),
    (rules.global_randomness, "torch.cuda.manual_seed_all(0)"),
    (rules.global_randomness, "torch.rand(3)"),
    (rules.global_randomness, "torch.randn_like(x)"),
    (rules.global_randomness, "torch.randperm(5)"),
    (rules.global_randomness, "x.normal_()"),
    (rules.global_randomness, "f(x).uniform_(0, 1)"),
    (rules.global_randomness, "nn.init.kaiming_normal_(w)"),
    (rules.global_randomness, "np.random.rand(3)"),
    (rules.global_randomness, "np.random.seed(0)"),
    (rules.global_randomness, "np.random.default_rng()"),
    (rules.global_randomness, "random.shuffle(x)"),
    (rules.global_randomness, "from random import shuffle"),
    (rules.too_long, '"""Long."""\n' + "a = 1\n" * 400),
    (rules.no_docstring, "import os"),
    (rules.more_than_contents, '"""Contents."""\ndef f():\n    pass'),
    (rules.more_than_contents, "class A:\n    pass"),
]

GOOD: list[tuple[Rule, str]] = [
    (rules.dropped_comparisons, "assert torch.allclose(a, b)\ntorch.testing.assert_close(a, b)\nx = a == b\nrun(a)"),
    (rules.asserts_nothing, "def check():\n    assert 1 > x\ndef test_a():\n    check()\ndef helper():\n    pass"),
    (rules.asserts_nothing, "def test_a():\n    with pytest.raises(ValueError):\n        f()"),
    (rules.unsafe, "torch.load('x', weights_only=True)\nnet.eval()\nre.compile('a')\nsubprocess.run(['a'])"),
    (rules.global_randomness, "torch.rand(3, generator=g)\nx.normal_(generator=g)\nrng.normal(3)\ng.manual_seed(0)"),
    (rules.global_randomness, "np.random.default_rng(0)\ntorch.Generator().manual_seed(0)\nrandom.Random(1)"),
    (rules.too_long, "a = 1\n" * 400),
]


@pytest.mark.parametrize(("rule", "source"), BAD)
def test_rules_catch(rule: Rule, source: str) -> None:
    assert len(rule(source)) == 1


@pytest.mark.parametrize(("rule", "source"), GOOD)
def test_rules_let_pass(rule: Rule, source: str) -> None:
    assert rule(source) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("eigencode.base.types", "from eigencode.data import load"),
        ("eigencode.base.types", "def f():\n    import eigencode.study.step"),
        ("eigencode.spectra.spectrum", "from eigencode.geometry.jacobian import jacobian_norm"),
        ("eigencode.models.stack", "from eigencode.penalties import Penalty"),
        ("eigencode.training.local", "from eigencode.study.step import Step"),
        ("eigencode.study.plan", "if TYPE_CHECKING:\n    from eigencode.report import build"),
        ("eigencode.report.build", "import eigencode.cli"),
        ("eigencode.rules.oja", "from .protocol import Rule"),
        ("eigencode.rules.oja", "from .. import base"),
        ("eigencode.study.plan", "import eigencode"),
        ("eigencode.study.plan", "from eigencode import load"),
        ("eigencode.study.plan", "from eigencode.extras import load"),
    ],
)
def test_a_forbidden_import_is_caught(module: str, source: str) -> None:
    assert len(rules.imports_upwards(source, module)) == 1


def test_allowed_imports_pass() -> None:
    source = "import torch\nfrom eigencode.base.types import Images\nfrom eigencode.rules.protocol import Rule"
    assert rules.imports_upwards(source, "eigencode.models.stack") == []
    assert rules.imports_upwards(source, "eigencode.rules.oja") == []


@pytest.mark.parametrize(
    "sources",
    [
        {"eigencode.a": "import eigencode.b", "eigencode.b": "from eigencode.a import x"},
        {"eigencode.a": "from eigencode.b import c", "eigencode.b.c": "from eigencode import a", "eigencode.b": ""},
        {"eigencode.p": "from eigencode.p.x import y", "eigencode.p.x": "def f():\n    from eigencode.p import y"},
        {"eigencode.a": "from eigencode.a import b"},
    ],
)
def test_a_cycle_is_caught(sources: dict[str, str]) -> None:
    assert len(rules.cycles(sources)) == 1


def test_a_diamond_is_no_cycle() -> None:
    sources = {"e.a": "import e.b\nimport e.c", "e.b": "import e.d", "e.c": "import e.d", "e.d": "import os"}
    assert rules.cycles(sources) == []


def test_misnamed_modules_are_caught() -> None:
    sources = {"eigencode.a": "from eigencode.a.x import f\nfrom eigencode.a._y import g", "eigencode.b": ""}
    inside = ("eigencode.a.x", "eigencode.a._y", "eigencode.a._z", "eigencode.a.hidden", "eigencode.b.free")
    found = rules.misnamed(sources | dict.fromkeys(inside, ""), ["eigencode.a", "eigencode.b"])
    assert found == ["eigencode.a._y", "eigencode.a.hidden"]
