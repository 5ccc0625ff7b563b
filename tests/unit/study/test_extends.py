"""`extends`: a study file on top of another, table by table, entry by entry."""

from pathlib import Path

import pytest

from eigencode.base.errors import StudyError
from eigencode.study import plan, read_study

BASE = """
title = "base"
data = "digits"
models.A = { units = 5, supervised = { epochs = 3, lr = 0.1 } }
models.B.units = 6
[[spectra]]
name = "α"
window = [1, 5]
[[claims]]
statement = "one"
quantity = "α"
model = "A"
value = 1.0
published = "1"
"""
ABOVE = """
extends = "inner/base.toml"
seeds = [3]
models.A.supervised.epochs = 7
models.C.units = 8
[[spectra]]
name = "β"
at = "encoder"
window = [1, 6]
[[spectra]]
name = "α"
weights = "1/n"
[[claims]]
statement = "two"
quantity = "β"
model = "C"
value = 2.0
[[claims]]
statement = "one"
value = 3.0
"""


def written(folder: Path, above: str = ABOVE, base: str = BASE) -> Path:
    (folder / "inner").mkdir(exist_ok=True)
    (folder / "inner" / "base.toml").write_text(base, "utf-8")
    (folder / "above.toml").write_text(above, "utf-8")
    return folder / "above.toml"


def test_tables_merge_and_entries_of_one_name_too(tmp_path: Path) -> None:
    found = read_study(written(tmp_path), ["models.B.units=9"])
    assert (found.name, found.title, found.datasets, found.seeds) == ("above", "base", ("digits",), (3,))
    assert {name: m.units for name, m in found.models.items()} == {"A": 5, "B": 9, "C": 8}
    taught = found.models["A"].supervised
    assert taught is not None
    assert (taught.epochs, taught.lr) == (7, 0.1)
    assert [(s.name, s.settings()) for s in found.spectra] == [
        ("α", {"window": [1, 5], "weights": "1/n"}),
        ("β", {"window": [1, 6]}),
    ]
    assert [(c.statement, c.value, c.published) for c in found.claims] == [("one", 3.0, "1"), ("two", 2.0, "")]
    assert {c.quantity for c in plan(found) if c.kind == "spectrum"} == {"α", "β"}


def test_claims_of_one_statement_about_several_data_are_kept_apart(tmp_path: Path) -> None:
    base = BASE.replace('data = "digits"', 'data = ["digits", "mnist5k"]')
    base = base.replace('statement = "one"', 'statement = "one"\ndata = "digits"')
    base += '[[claims]]\nstatement = "one"\ndata = "mnist5k"\nquantity = "α"\nmodel = "A"\nvalue = 5.0\n'
    above = ABOVE.replace('statement = "one"', 'statement = "one"\ndata = "mnist5k"')
    claims = read_study(written(tmp_path, above, base)).claims
    assert [(c.statement, c.data, c.value) for c in claims] == [
        ("one", "digits", 1.0),
        ("one", "mnist5k", 3.0),
        ("two", "", 2.0),
    ]


def test_entries_without_a_name_are_appended(tmp_path: Path) -> None:
    base = BASE.replace('name = "α"\n', "").replace('quantity = "α"', 'quantity = "α images"')
    above = ABOVE.replace('name = "α"\n', "source = 'noise'\n")
    assert [s.settings().get("source") for s in read_study(written(tmp_path, above, base)).spectra] == [
        None,
        None,
        "noise",
    ]


@pytest.mark.parametrize("base", ["missing.toml", "above.toml", "inner", "3"])
def test_what_cannot_be_extended(tmp_path: Path, base: str) -> None:
    with pytest.raises(StudyError, match=r"above.toml cannot extend this\n.*got: "):
        read_study(written(tmp_path, ABOVE.replace("inner/base.toml", base)))


def test_a_mistake_in_the_file_below_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"base.toml is not a TOML file"):
        read_study(written(tmp_path, base="models = "))


def test_an_empty_list_clears_that_of_the_file_below(tmp_path: Path) -> None:
    claim = '[[claims]]\nstatement = "a"\nquantity = "test accuracy"\nmodel = "A"\nvalue = 0.1\n'
    (tmp_path / "base.toml").write_text(
        f'data = "digits"\n[models.A]\nunits = 5\n[[spectra]]\nwindow = [1, 5]\n{claim}'
    )
    (tmp_path / "over.toml").write_text('extends = "base.toml"\nclaims = []\nspectra = []\n')
    (tmp_path / "same.toml").write_text('extends = "base.toml"\n')
    assert len(read_study(tmp_path / "same.toml").claims) == 1
    found = read_study(tmp_path / "over.toml")
    assert (found.claims, found.spectra) == ((), ())
