"""The hash of the code: reached through imports, blind to words and to the version of Python."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from code_cache import forget

from eigencode.study import _fingerprint as module

SOURCES = {
    "steps.py": '"""Steps."""\nfrom eigencode.low import f\nfrom eigencode.plug import A\nX = 1\n"""About X."""\n',
    "low.py": "import eigencode.lower as l\n\ndef f(x):\n    '''Twice.'''\n    return 2 * x  # twice\n",
    "lower.py": "import torch\nC = 3\n",
    "plug/__init__.py": "from eigencode.plug.a import A\n",
    "plug/a.py": "class A:\n    '''A.'''\n    y = 1\n",
    "late.py": "Z = 1\n",
    "other.py": "Y = 1\n",
}
EXAMPLES = Path(__file__).parents[3] / "examples"
START = ("eigencode.steps",)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small package in the place of ours."""
    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    forget()


def test_the_closure_follows_imports(package: Path) -> None:
    names = {"steps", "low", "lower", "plug", "plug.a"}
    assert module.closure(START) == {f"eigencode.{n}" for n in names}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("steps.py", "X = 1", "X = 2"),
        ("low.py", "2 * x", "3 * x"),
        ("low.py", "def f(x)", "def f(x=1)"),
        ("lower.py", "C = 3", "C = '3'"),
        ("plug/a.py", "y = 1", "y = 2"),
        ("plug/__init__.py", "from eigencode.plug.a import A", "from eigencode.plug.a import A as B"),
    ],
)
def test_code_that_is_used_counts(package: Path, file: str, old: str, new: str) -> None:
    before = module.fingerprint(START)
    change(package / file, old, new)
    assert module.fingerprint(START) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("low.py", "  # twice", "  # two times\n"),
        ("low.py", "Twice.", "Two times."),
        ("low.py", "    '''Twice.'''\n", ""),
        ("low.py", "return 2 * x", "return (\n        2 * x\n    )"),
        ("steps.py", '"""Steps."""', '"""All steps."""'),
        ("steps.py", '"""About X."""', '"""More about X."""'),
        ("steps.py", '"""About X."""\n', ""),
        ("plug/a.py", "'''A.'''", "'''The A.'''"),
        ("other.py", "Y = 1", "Y = 2"),
    ],
)
def test_words_and_unused_code_do_not(package: Path, file: str, old: str, new: str) -> None:
    before = module.fingerprint(START)
    change(package / file, old, new)
    assert module.fingerprint(START) == before


def same(one: str, other: str) -> bool:
    return module.canonical(ast.parse(one)) == module.canonical(ast.parse(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("raise InputError('a', got=x)", "raise InputError(f'b {y}', got=str(x), fix='c')"),
        ("raise errors.InputError('a') from error", "raise errors.InputError('b') from error"),
        ("def f():\n return DataError('a', wanted=1)", "def f():\n return DataError(f'{b}')"),
        ("raise found('a', n, f'{x}')", "raise found('b', n, f'{x} {y}')"),
        ("warnings.warn('a', OurWarning, stacklevel=2)", "warnings.warn(f'{b}', OurWarning, stacklevel=3)"),
        (
            "class OurError(E):\n def __init__(s, x):\n  s.t = f'got {x}'",
            "class OurError(E):\n def __init__(s, x):\n  s.t = ''",
        ),
    ],
)
def test_what_an_error_says_does_not_count(one: str, other: str) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if x > 1:\n raise InputError('a')", "if x > 2:\n raise InputError('a')"),
        ("raise InputError('a')", "raise DataError('a')"),
        ("raise found('a', n)", "raise found('a', m)"),
        ("f('a')", "f('b')"),
        ("x = 'raise'", "x = 'rise'"),
        ("f(1)", "f(True)"),
        ("f(1)", "f(1.0)"),
        ("f(None)", "f()"),
        ("x = 0.1", "x = 0.2"),
        ("f'{x}'", "f'{x!r}'"),
        ("f'{x:.2f}'", "f'{x:.3f}'"),
        ("f'a{x}'", "f'{x}a'"),
        ("f'a{x}b'", "f'a{x}' 'c'"),
        ("{**a, 'b': 1}", "{a: 1}"),
        ("def f(*, a, b=1): pass", "def f(*, a=1, b): pass"),
        ("async def f(): pass", "def f(): pass"),
    ],
)
def test_everything_else_does(one: str, other: str) -> None:
    assert not same(one, other)


EVERYTHING = """
'''A module.'''
import numpy as np
from a.b import c as d
X: int = 3
class A(B, metaclass=M):
    '''Words.'''
    y: "list[int]" = f"a{{b}} {x!r:>{width}.{digits}f} {y:%H{{}}}" "c" f"{z=}" 'é\\u0378'
    def f(self, a, /, b=None, *c, d=1, e, **g) -> None:
        global h
        raise InputError(f"{a}", got=b)
@dataclass(frozen=True)
class C: ...
async def k(x):
    async with a as b, c: await x
    return [i for i in x if i], {**a, 1: 2j}, lambda: (yield), x[1:2, ...], not -x
match x:
    case {"a": [1, *_], **rest} | None if rest: pass
try: pass
except* E as e: del e
while (n := f()) <= 1 < 2: continue
"""


def test_the_digest_of_a_text_is_the_same_in_every_version_of_python() -> None:
    """Seen in 3.11.7, 3.12.1 and 3.13.0; should another version read trees differently, it shows here."""
    digest = hashlib.sha256(module.canonical(ast.parse(EVERYTHING)).encode()).hexdigest()
    assert digest == "d42ac11714744441ca997bc86b005c7c87d919b54bf91dfa750801e754d52005", f"Python {sys.version}"


def test_fields_that_only_some_versions_have_do_not_count() -> None:
    old, new = (ast.parse("def f(): pass\nx = 'a'") for _ in range(2))
    for tree, empty in ((old, None), (new, [])):
        tree.body[0].type_params = empty  # type: ignore[attr-defined]
        tree.body[0].later = empty  # type: ignore[attr-defined]
        tree.body[0]._fields = (*ast.FunctionDef._fields, "type_params", "later")  # type: ignore[misc]
    del old.body[0].later  # type: ignore[attr-defined]
    new.body[1].value.kind = "u"  # type: ignore[attr-defined]
    assert module.canonical(old) == module.canonical(new)


def test_pieces_of_text_in_an_f_string_are_one() -> None:
    """`f"{x:a{{b}"` has two in 3.12 and one in 3.11."""
    value = ast.FormattedValue(ast.Name("x"), -1)
    one, other = (["ab", value], ["a", "b", value, ""])
    trees = [ast.JoinedStr([v if isinstance(v, ast.expr) else ast.Constant(v) for v in vs]) for vs in (one, other)]
    assert module.canonical(trees[0]) == module.canonical(trees[1])
    assert module.canonical(trees[0]) != module.canonical(ast.JoinedStr([value, ast.Constant("ab")]))


BLOCKS = {
    "try": ("try:\n    from eigencode import late\nfinally:\n    pass\n", True),
    "if": ("if True:\n    import eigencode.late\n", True),
    "class": ("class K:\n    import eigencode.late\n", True),
    "function": ("def g():\n    import eigencode.late\n", False),
    "method": ("class K:\n    def g(self):\n        from eigencode.late import Z\n", False),
}


@pytest.mark.parametrize(("text", "counts"), BLOCKS.values(), ids=list(BLOCKS))
def test_imports_count_unless_a_function_makes_them(package: Path, text: str, counts: bool) -> None:
    change(package / "low.py", "import eigencode.lower as l\n", f"import eigencode.lower as l\n{text}")
    before = module.fingerprint(START)
    assert ("eigencode.late" in module.closure(START)) == counts
    change(package / "late.py", "Z = 1", "Z = 2")
    assert (module.fingerprint(START) != before) == counts


def test_names_are_part_of_it(package: Path) -> None:
    (package / "twin.py").write_text((package / "late.py").read_text())
    assert module.fingerprint(("eigencode.twin",)) != module.fingerprint(("eigencode.late",))


def test_what_somebody_writes_outside_counts_and_what_is_installed_does_not(
    package: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("mine")
    (here / "mine").mkdir()
    (here / "mine" / "rule.py").write_text("import torch, eigencode.late\nfrom . import help\nfrom .deep import x\n")
    (here / "mine" / "help.py").write_text("H = 1\n")
    (here / "mine" / "deep.py").write_text("import beside\nx = 1\n")
    (here / "beside.py").write_text("B = 1\n")
    monkeypatch.syspath_prepend(here)
    forget()
    wanted = {"mine.rule", "mine.help", "mine.deep", "beside", "eigencode.late"}
    assert module.closure(("mine.rule", "json", "no_such_module", "eigencode.nonsense")) == wanted
    before = module.fingerprint(("mine.rule",))
    change(here / "beside.py", "B = 1", "B = 2")
    assert module.fingerprint(("mine.rule",)) != before
    assert "mine" not in sys.modules, "nothing was imported"


def test_the_real_steps_see_what_they_compute_with() -> None:
    trained = module.closure(("eigencode.study.steps.trained",))
    wanted = {"training.supervised", "models.stack", "models.layers", "base.seeding", "study.steps.data"}
    assert {f"eigencode.{n}" for n in wanted} <= trained
    strangers = (
        "eigencode.report",
        "eigencode.cli",
        "eigencode.robustness",
        "eigencode.spectra",
        "eigencode.rules.krotov_hopfield",
        "eigencode.training.local",
        "eigencode.study.config",
        "eigencode.study._fingerprint",
        "eigencode.study._order",
    )
    assert not {n for n in trained if n.startswith(strangers)}
    assert "eigencode.training.local" in module.closure(("eigencode.study.steps.local",))
    assert "eigencode.robustness.critical" in module.closure(("eigencode.measures.critical",))
    assert "eigencode.spectra._covariance" in module.closure(("eigencode.measures.spectrum",))


def test_what_only_shows_something_is_no_part_of_the_code(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = module.fingerprint(START)
    monkeypatch.setattr(module, "DISPLAY_ONLY", frozenset({"eigencode.lower"}))
    forget()
    assert "eigencode.lower" not in module.closure(START)
    assert module.fingerprint(START) != before
    shown = module.fingerprint(START)
    change(package / "lower.py", "C = 3", "C = 4")
    assert module.fingerprint(START) == shown


def test_the_progress_bar_is_such_a_module() -> None:
    assert "eigencode.base.progress" not in module.closure(("eigencode.training.local",))


def test_a_change_that_can_change_no_result_keeps_the_keys(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, old = module.fingerprint(START), module._read("eigencode.lower")[0]
    change(package / "lower.py", "C = 3", "C = 3; checked = True")
    new = module._read("eigencode.lower")[0]
    assert module.fingerprint(START) != before
    monkeypatch.setattr(module, "SAME_RESULT", {new: old})
    forget()
    assert module.fingerprint(START) == before
    change(package / "lower.py", "C = 3", "C = 4")
    assert module.fingerprint(START) != before


def test_a_new_module_that_can_change_no_result_keeps_the_keys(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(package / "lower.py", "C = 3", "C = 3")
    before, old = module.fingerprint(START), module._read("eigencode.lower")[0]
    (package / "newer.py").write_text("D = 1\n")
    change(package / "lower.py", "C = 3", "from eigencode.newer import D\nC = 3")
    new, added = (module._read(f"eigencode.{name}")[0] for name in ("lower", "newer"))
    monkeypatch.setattr(module, "SAME_RESULT", {new: old, added: ""})
    forget()
    assert module.fingerprint(START) == before
    change(package / "newer.py", "D = 1", "D = 2")
    assert module.fingerprint(START) != before


def test_every_such_change_is_one_of_the_code_of_now() -> None:
    """An entry for code that was changed again serves nobody."""
    root = Path(module.__file__).parents[1]
    digests = {
        hashlib.sha256(module.canonical(ast.parse(p.read_bytes())).encode()).hexdigest()
        for p in (*root.rglob("*.py"), *EXAMPLES.glob("*.py"))
    }
    assert digests >= set(module.SAME_RESULT)


THEIRS = {
    "theirs/__init__.py": "WIDTH = 3\n",
    "theirs/net.py": "import importlib\nimport theirs.layers\nfrom wave import K\n"
    "class GainError:\n    MODE = 'strong'\n"
    "def make():\n    import theirs_late\n    from ....nowhere import far\n"
    "OTHER = importlib.import_module('theirs_named')\nX = GainError(0.05)\n"
    "importlib.import_module('.relative', __package__)\nimportlib.import_module(name='theirs_by_keyword')\n"
    "from theirs_starred import *\n",
    "theirs/relative.py": "D = 1\n",
    "theirs_by_keyword.py": "E = 1\n",
    "theirs_starred/__init__.py": "__all__ = ['inner', 'no module']\n",
    "theirs_starred/inner.py": "F = 1\n",
    "theirs/layers.py": "A = 1\n",
    "theirs_late.py": "B = 1\n",
    "theirs_named.py": "C = 1\n",
    "wave.py": "K = 1\n",
}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("theirs/__init__.py", "3", "4"),
        ("theirs/net.py", "'strong'", "'off'"),
        ("theirs/net.py", "0.05", "50.0"),
        ("theirs/layers.py", "1", "2"),
        ("theirs_late.py", "1", "2"),
        ("theirs_named.py", "1", "2"),
        ("theirs/relative.py", "1", "2"),
        ("theirs_by_keyword.py", "1", "2"),
        ("theirs_starred/inner.py", "1", "2"),
        ("wave.py", "1", "2"),
    ],
)
def test_the_code_of_others_counts_whole(
    file: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what has the name of an error, is imported in a function or by its name, or stands in the package around."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    for name, text in THEIRS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    forget()
    before = module.fingerprint(("theirs.net",))
    change(tmp_path / file, old, new)
    assert module.fingerprint(("theirs.net",)) != before
    forget()
