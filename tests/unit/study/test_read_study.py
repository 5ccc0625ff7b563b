"""Every mistake in a study file is named by its key, with the nearest valid one."""

from pathlib import Path
from typing import Any

import pytest
from tiny import STUDY, write

from eigencode.base.errors import StudyError
from eigencode.paper._recipes import RECIPES
from eigencode.study import read_study
from eigencode.study.plan import plan
from eigencode.study.read import study

ROOT = Path(__file__).resolve().parents[3]


def raw(**changes: Any) -> dict[str, Any]:
    models = {"KH": {"recipe": "KH"}, "local": {"units": 5}}
    return {"name": "x", "data": "digits", "models": models, "spectra": [{}], **changes}


def complaint(source: dict[str, Any], *overrides: str) -> str:
    with pytest.raises(StudyError) as caught:
        study(source, overrides)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_tiny_study_is_read_as_written(tmp_path: Path) -> None:
    found = read_study(write(tmp_path))
    assert list(found.models) == ["Init", "KH", "BP"]
    assert found.datasets == ("digits",)
    assert found.seeds == (0, 1)
    kh = found.models["KH"]
    assert kh.local is not None
    assert kh.supervised is not None
    assert (kh.units, kh.kind, kh.n, kh.prune) == (12, "krotov_hopfield", 4.5, True)
    assert (kh.local.epochs, kh.local.batch_size, kh.local.lr, kh.local.rule.settings()) == (
        2,
        50,
        0.02,
        {"k": 2, "delta": 0.4},
    )
    assert (kh.supervised.parameters, kh.supervised.epochs) == ("readout", 2)
    assert found.models["Init"].supervised is None
    assert found.spectra[0].settings()["window"] == [2, 8]
    assert found.critical[1].settings()["attack"]["name"] == "FGSM"


def test_the_name_is_that_of_the_file_unless_given(tmp_path: Path) -> None:
    assert read_study(write(tmp_path, ('name = "tiny"\n', ""), name="other.toml")).name == "other"


def test_reading_does_not_change_a_recipe(tmp_path: Path) -> None:
    before = repr(RECIPES)
    read_study(write(tmp_path), ["models.KH.local.epochs=7", "models.BP.supervised.schedule.kind=linear"])
    assert repr(RECIPES) == before


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda p: p.stem)
def test_the_studies_that_ship_are_valid(path: Path) -> None:
    found = read_study(path)
    assert found.models or found.calibration


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_valid(name: str) -> None:
    assert study(raw(models={"A": {"recipe": name, "units": 5}})).models["A"].units == 5


UNKNOWN = [
    (raw(sedes=[0]), "unknown key sedes", "'seeds'"),
    (raw(spectra=[{}, {"widnow": [1, 5]}]), "unknown key spectra.1.widnow", "'window'"),
    (raw(models={"KH": {"untis": 3}}), "unknown key models.KH.untis", "'units'"),
    (raw(models={"KH": {"recipes": "KH"}}), "unknown key models.KH.recipes", "'recipe'"),
    (raw(models={"local": {"untis": 3}}), "unknown key models.local.untis", "'units'"),
    (raw(models={"KH": {"recipe": "KH", "local": {"epoch": 3}}}), "unknown key models.KH.local.epoch", "'epochs'"),
    (raw(models={"supervised": {"recipe": "KH", "local": {"lrate": 3}}}), "models.supervised.local.lrate", "'lr'"),
    (raw(models={"A": {"supervised": {"schedule": {"knd": 1}}}}), "models.A.supervised.schedule.knd", "'kind'"),
    (raw(models={"A": {"supervised": {"adversarial": {"epsilon": 1}}}}), "supervised.adversarial.epsilon", "'eps'"),
    (raw(critical=[{"atack": {"name": "PGD"}}]), "unknown key critical.0.atack", "'attack'"),
    (raw(curves=[{"attack": {"name": "PGD"}, "point": 3}]), "unknown key curves.0.point", "'points'"),
    (raw(claims=[{"statment": "a"}]), "unknown key claims.0.statment", "'statement'"),
]


@pytest.mark.parametrize(("source", "key", "fix"), UNKNOWN, ids=[u[1] for u in UNKNOWN])
def test_an_unknown_key_is_named_with_the_nearest(source: dict[str, Any], key: str, fix: str) -> None:
    said = complaint(source)
    assert key in said
    assert fix in said.splitlines()[-1]


WRONG = [
    (raw(seeds="all"), "seeds: "),
    (raw(seeds=[-1]), "seeds.0: "),
    (raw(seeds=[2**32]), "seeds.0: "),
    (raw(seeds=[0.5]), "seeds.0: "),
    (raw(data=3), "data: "),
    (raw(data=["digits", 3]), "data.1: "),
    (raw(name="a b"), "name: "),
    (raw(name="../up"), "name: "),
    (raw(name="tiny\n"), "name: "),
    (raw(validation=1.0), "validation: "),
    (raw(spectra=[{"window": [5, 6]}]), "spectra.0.window: wanted 1 <= n_min"),
    (raw(spectra=[{"window": [0, 6]}]), "spectra.0.window: "),
    (raw(spectra=[{"window": [1, 2, 3]}]), "spectra.0.window"),
    (raw(spectra=[{"source": "nois"}]), "spectra.0.source: Input should be 'images' or 'noise'"),
    (raw(spectra={"window": [1, 5]}), "spectra: "),
    (raw(curves=[{"attack": {"name": "PGD"}, "eps": [0.1, 0.01]}]), "curves.0.eps: wanted 0 < eps"),
    (raw(curves=[{"attack": {"name": "PGD"}, "eps": [0, 0.01]}]), "curves.0.eps: "),
    (raw(critical=[{"attack": "PGD"}]), "critical.0.attack: "),
    (raw(critical=[{"attack": {"norm": "l2"}}]), "critical.0.attack.name: Field required"),
    (raw(critical=[{"attack": {"name": "PGD"}, "eps_max": float("inf")}]), "critical.0.eps_max: "),
    (raw(models={"A": {"units": 1}}), "models.A.units: "),
    (raw(models={"A": {"units": "many"}}), "models.A.units: "),
    (raw(models={"A": {"p": 0.5}}), "models.A.p: "),
    (raw(models={"A": {"n": float("nan")}}), "models.A.n: "),
    (raw(models={"A": {"kind": "transformer"}}), "models.A.kind: "),
    (raw(models={"A": {"supervised": {"lr": 0}}}), "models.A.supervised.lr: "),
    (
        raw(models={"A": {"supervised": {"penalties": [{"name": "Lp"}]}}}),
        "models.A.supervised.penalties.0.coefficient: Field required",
    ),
    (raw(seeds="0,1"), "seeds: wrong type\n  got:    0,1\n  wanted: a list, such as [0, 1]\n  fix:    seeds = [0, 1]"),
    (raw(models={"A": {"prune": 3}}), "models.A.prune: wrong type\n  got:    3\n  wanted: true or false"),
    (raw(models={"A": {"supervised": {"snapshots": "x"}}}), 'models.A.supervised.snapshots: wanted "log:N"'),
    (
        raw(models={"A": {"supervised": {"snapshots": [1, "a"]}}}),
        "models.A.supervised.snapshots.1: wrong type\n  got:    a\n  wanted: a number",
    ),
    (raw(models={"A": 4}), "models.A is not a table"),
    (raw(models={"A": {"recipe": "KG"}}), "models.A.recipe is unknown"),
    (raw(models={"A": {"recipe": ["KH"]}}), "models.A.recipe is unknown"),
    (raw(models={}), "the study names no models"),
    (raw(models=[1]), "the study names no models"),
    ({"name": "x"}, "the study names no models"),
]


@pytest.mark.parametrize(("source", "key"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_a_wrong_value_is_named_by_its_key(source: dict[str, Any], key: str) -> None:
    assert complaint(source).startswith(key)


def test_an_unknown_key_is_told_before_what_is_missing_because_of_it() -> None:
    assert "unknown key models.A.supervised.adversarial.esp" in complaint(
        raw(models={"A": {"supervised": {"adversarial": {"esp": 0.1}}}})
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"models = ", "broken.toml is not a TOML file"),
        (b"\xff\xfe", "broken.toml is not a TOML file"),
        (b"", "the study names no models"),
        (STUDY.replace("\n", "\r\n").encode().replace(b"seeds", b"sedes"), "unknown key sedes"),
    ],
)
def test_files_that_are_no_study(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "broken.toml").write_bytes(content)
    with pytest.raises(StudyError, match=says):
        read_study(tmp_path / "broken.toml")


@pytest.mark.parametrize("where", ["missing.toml", "."])
def test_a_missing_file(tmp_path: Path, where: str) -> None:
    with pytest.raises(StudyError, match="no such study file"):
        read_study(tmp_path / where)


def test_the_study_in_the_documentation_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    (tmp_path / "a.toml").write_text(text.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    found = read_study(tmp_path / "a.toml", ["data=digits"])
    measured = {"accuracy", "spectrum", "widths", "critical", "certified", "curve", "landscape"}
    assert {c.kind for c in plan(found)} == measured | {"convergence", "pruning", "raw"}
    assert len(found.claims) == 1


DEEP = ["[" * 2000 + "]" * 2000, "{a=" * 900 + "1" + "}" * 900, "[" * 60 + "]" * 60]


@pytest.mark.parametrize("value", DEEP, ids=["list", "table", "a little"])
def test_a_study_that_is_nested_too_deeply(value: str, tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text(f"{STUDY}\n[models.A.settings]\ndeep = {value}\n", encoding="utf-8")
    (tmp_path / "upon.toml").write_text('extends = "deep.toml"\nmodels.A.settings.deep = 1\n', encoding="utf-8")
    for name in ("deep.toml", "upon.toml"):
        with pytest.raises(StudyError, match="nested too deeply"):
            read_study(tmp_path / name)
    for text in (f"models.KH.settings.deep={value}", f"models.KH.settings.{'a.' * 2000}a=1"):
        assert complaint(raw(), text).startswith("the study is nested too deeply")


def test_replicates_are_bounded() -> None:
    assert complaint({"name": "x", "calibration": {"replicates": 2_000_000}}).startswith("calibration.replicates: ")
