"""The hash of the code: reached through imports, blind to comments and docstrings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from eigencode.study import fingerprint as module

SOURCES = {
    "steps.py": '"""Steps."""\nfrom eigencode.low import f\nfrom eigencode.plug import A\nX = 1\n"""About X."""\n',
    "low.py": "import eigencode.lower as l\n\ndef f(x):\n    '''Twice.'''\n    return 2 * x  # twice\n",
    "lower.py": "import torch\nC = 3\n",
    "plug/__init__.py": "from eigencode.plug.a import A\n",
    "plug/a.py": "class A:\n    '''A.'''\n    y = 1\n",
    "late.py": "Z = 1\n",
    "other.py": "Y = 1\n",
}
START = ("eigencode.steps",)


def forget() -> None:
    for cached in (module.imports, module._digest, module._path):
        cached.cache_clear()


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


def test_modules_of_others_are_left_out() -> None:
    assert module.closure(("torch", "fake_steps", "eigencode.nonsense")) == frozenset()


def test_the_real_steps_see_what_they_compute_with() -> None:
    trained = module.closure(("eigencode.study.steps.trained",))
    wanted = {"training.supervised", "models.stack", "models.layers", "base.seeding", "study.steps.data"}
    assert {f"eigencode.{n}" for n in wanted} <= trained
    strangers = (
        "eigencode.report",
        "eigencode.cli",
        "eigencode.robustness",
        "eigencode.spectra",
        "eigencode.study.config",
    )
    assert not {n for n in trained if n.startswith(strangers)}
    assert "eigencode.training.local" in module.closure(("eigencode.study.steps.networks",))
    assert {"eigencode.robustness.critical", "eigencode.spectra.covariance"} <= module.closure(
        ("eigencode.study.steps.measures",)
    )


def test_what_only_shows_something_is_no_part_of_the_code(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = module.fingerprint(START)
    monkeypatch.setattr(module, "SHOWN_ONLY", frozenset({"eigencode.lower"}))
    assert "eigencode.lower" not in module.closure(START)
    assert module.fingerprint(START) != before
    shown = module.fingerprint(START)
    change(package / "lower.py", "C = 3", "C = 4")
    assert module.fingerprint(START) == shown


def test_the_progress_bar_is_such_a_module() -> None:
    assert "eigencode.base.progress" not in module.closure(("eigencode.training.local",))
