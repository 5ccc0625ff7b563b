"""A study measured in parts: models, seeds and populations join its published results; nothing else moves."""

import copy
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = json.loads((ROOT / "published" / "paper" / "published_cifar10" / "results.json").read_text("utf-8"))
QUANTITY, LARGE = "critical size, PGD", 9.0


@pytest.fixture
def combine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "tools", raising=False)
    from eigencode.base.strict_json import dumps
    from tools.combine import combined

    return lambda whole, part: json.loads(dumps(combined(whole, part)))


@pytest.fixture
def part():
    """The same study, run for SpecReg alone."""
    found = copy.deepcopy(PUBLISHED)
    found["study"]["models"] = {"SpecReg": found["study"]["models"]["SpecReg"]}
    for name in ("rows", "cells"):
        found[name] = [e for e in found[name] if e["model"] in ("data", "SpecReg")]
    return found


def test_the_same_numbers_again_change_nothing(combine, part) -> None:
    made = combine(PUBLISHED, part)
    assert set(made.pop("parts")) >= {"SpecReg"}
    moments = {"epoch": None, "step": None}  # of finished networks, which older results do not say
    wanted = {k: v for k, v in PUBLISHED.items() if k != "parts"}
    wanted["seconds"] += part["seconds"]
    wanted |= {name: [moments | e for e in PUBLISHED[name]] for name in ("rows", "summary")}
    assert made == wanted


def test_new_numbers_reach_summary_and_claims(combine, part) -> None:
    row = next(r for r in part["rows"] if (r["model"], r["quantity"]) == ("SpecReg", QUANTITY))
    row |= {"value": LARGE, "low": LARGE - 1, "high": LARGE + 1}
    part["provenance"] = {"commit": "later"}
    made = combine(PUBLISHED, part)
    of = {(s["model"], s["quantity"]): s["mean"] for s in made["summary"]}
    old = {(s["model"], s["quantity"]): s["mean"] for s in PUBLISHED["summary"]}
    assert {k for k in of if of[k] != old[k]} == {("SpecReg", QUANTITY)}
    assert of["SpecReg", QUANTITY] == LARGE
    verdict = {c["statement"]: c["verdict"] for c in made["claims"]}
    assert verdict["local learning withstands more PGD than SpecReg"] == "reversed"
    assert verdict["local learning withstands more PGD than BP"] == "reproduced"
    assert made["parts"]["SpecReg"]["provenance"] == {"commit": "later"}
    assert made["provenance"] == PUBLISHED["provenance"]


def test_a_comparison_of_one_run_stays_paired(combine, part) -> None:
    """With one seed it is paired over images, which the rows of a file are not; Holm's values are those of all."""
    whole = copy.deepcopy(PUBLISHED)
    of = {c["statement"]: c for c in whole["claims"]}
    kept, lost = of["local learning withstands more PGD than BP"], of["local learning withstands more PGD than SpecReg"]
    kept |= {"low": kept["value"] - 1e-3, "high": kept["value"] + 1e-3, "p": 1e-30}
    lost |= {"low": lost["value"] - 1e-3, "high": lost["value"] + 1e-3, "p": 1e-30}
    row = next(r for r in part["rows"] if (r["model"], r["quantity"]) == ("SpecReg", QUANTITY))
    row["value"] *= 1.001
    part["claims"] = []
    made = combine(whole, part)
    found = {c["statement"]: c for c in made["claims"]}
    assert found[kept["statement"]] == kept | {"p_holm": found[kept["statement"]]["p_holm"]}
    assert 1e-30 < found[kept["statement"]]["p_holm"] < 1e-28
    assert found[lost["statement"]]["high"] - found[lost["statement"]]["low"] > 0.01


def test_a_departure_measured_in_one_run_stays_paired(combine) -> None:
    whole = json.loads((ROOT / "published" / "paper" / "corrected_cifar10" / "results.json").read_text("utf-8"))
    part = copy.deepcopy(whole)
    part["study"]["models"] = {"BP": whole["study"]["models"]["BP"]}
    for name in ("rows", "cells"):
        part[name] = [e for e in part[name] if e["model"] in ("data", "BP")]
    part["deviations"] = [d for d in part["deviations"] if d["model"] == "BP"]
    for shift in whole["deviations"]:
        shift |= {"low": shift["difference"] - 1e-3, "high": shift["difference"] + 1e-3}
    moved = next(d["quantity"] for d in part["deviations"])
    for row in (r for r in part["rows"] if (r["model"], r["quantity"]) == ("BP", moved)):
        row["value"] *= 1.001
    made = combine(whole, part)["deviations"]
    assert all(d in made for d in whole["deviations"] if d["model"] == "KH")
    assert not any(d in made for d in whole["deviations"] if (d["model"], d["quantity"]) == ("BP", moved))


@pytest.mark.parametrize("what", ["spectra", "data"])
def test_runs_that_do_not_belong_together_are_refused(combine, part, what: str) -> None:
    if what == "spectra":
        part["study"]["spectra"][0]["window"] = [11, 251]
    else:
        next(r for r in part["rows"] if r["model"] == "data")["value"] *= 1.01
    with pytest.raises(SystemExit, match={"spectra": "spectra differ", "data": "same images"}[what]):
        combine(PUBLISHED, part)


@pytest.mark.parametrize("path", sorted(ROOT.glob("published/**/results.json")), ids=str)
def test_the_computing_time_of_a_published_file_is_that_of_all_its_parts(path: Path) -> None:
    found = json.loads(path.read_text("utf-8"))
    assert found["seconds"] > sum({part["seconds"] for part in found.get("parts", {}).values()})


def of_seed(part: dict, seed: int, by: float) -> dict:
    """The part with another seed, all its values multiplied."""
    part["study"]["seeds"] = [seed]
    part["study"]["models"]["SpecReg"]["ridge"] = None  # defaults that older results do not have
    for claim in part["study"]["claims"]:
        claim["share"] = None
    for entry in part["study"]["spectra"]:
        entry["shards"] = 1
    for e in (*part["rows"], *part["cells"]):
        e["seed"] = seed
    for r in (r for r in part["rows"] if r["model"] != "data" and r["quantity"] == QUANTITY):
        r |= {k: r[k] * by for k in ("value", "low", "high")}
    return part


def test_another_seed_joins(combine, part) -> None:
    old = next(s for s in PUBLISHED["summary"] if (s["model"], s["quantity"]) == ("SpecReg", QUANTITY))
    made = combine(PUBLISHED, of_seed(part, 7, 3.0))
    new = next(s for s in made["summary"] if (s["model"], s["quantity"]) == ("SpecReg", QUANTITY))
    assert made["study"]["seeds"] == [*PUBLISHED["study"]["seeds"], 7]
    assert len(made["claims"]) == len(PUBLISHED["claims"])
    assert (old["seeds"], new["seeds"]) == (1, 2)
    assert new["mean"] == pytest.approx(2 * old["mean"])
    assert "SpecReg, seed 7" in made["parts"]
    assert len(made["rows"]) == len(PUBLISHED["rows"]) + len(part["rows"])
    of = {s["model"]: s for s in made["summary"] if s["quantity"] == QUANTITY}
    assert of["BP"] == {"epoch": None, "step": None} | next(
        s for s in PUBLISHED["summary"] if (s["model"], s["quantity"]) == ("BP", QUANTITY)
    )


def test_another_model_joins_with_its_claims(combine, part) -> None:
    whole, specreg = copy.deepcopy(PUBLISHED), lambda claim: "SpecReg" in (claim["model"], claim["other"])
    del whole["study"]["models"]["SpecReg"]
    part["study"]["claims"] = [c for c in PUBLISHED["study"]["claims"] if specreg(c)]
    whole["study"]["claims"] = [c for c in PUBLISHED["study"]["claims"] if not specreg(c)]
    for name in ("rows", "cells"):
        whole[name] = [e for e in whole[name] if e["model"] != "SpecReg"]
    made = combine(whole, part)
    judged = {c["statement"]: (c["verdict"], c["value"]) for c in made["claims"]}
    assert judged == {c["statement"]: (c["verdict"], c["value"]) for c in PUBLISHED["claims"]}
    assert len(made["rows"]) == len(PUBLISHED["rows"])


NOISY = {
    **{"kinds": ["gaussian"], "alphas": [1.0, [0.2, 4, 2.0]], "units": [20], "stimuli": [60], "replicates": 2},
    **{"n_min": 2, "weights": "1/n", "noise": {"snr": [30.0, 1.0], "repeats": [2]}},
}
MADE = {"claims": [], "deviations": [], "seconds": 1.0}


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory):
    """Run a small calibration with other settings and return its results."""
    from eigencode.study import Store, execute, plan, results, rows
    from eigencode.study.read import study

    store = Store(tmp_path_factory.mktemp("calibrated"))

    def run(commit: str = "a", noise: dict = NOISY["noise"], **settings: object) -> dict:
        chosen = study({"name": "c", "calibration": {**NOISY, "noise": noise, **settings}})
        cells = plan(chosen)
        assert execute([cell.step for cell in cells], store).ok
        folder = store.root / "reports" / f"c{len(list(store.root.glob('reports/*')))}"
        made = MADE | {"provenance": {"commit": commit}}
        results.write(folder, chosen, cells, rows(chosen, cells, store), made)
        return json.loads((folder / "results.json").read_text("utf-8"))

    return run


def without(results: dict) -> dict:
    return {k: v for k, v in results.items() if k not in ("parts", "sha256", "provenance", "seconds")}


@pytest.mark.parametrize(
    ("mine", "theirs", "told"),
    [
        ({"units": [20]}, {"units": [30]}, "units = [30]"),
        ({"units": [30]}, {"units": [20]}, "units = [20]"),
        ({"noise": {"snr": [1.0], "repeats": [2]}}, {"noise": {"snr": [30.0], "repeats": [2]}}, "snr = [30.0]"),
        ({}, {"noise": {"snr": [30.0, 1.0], "repeats": [3]}}, "repeats = [3]"),
        ({"alphas": [1.0]}, {"alphas": [[0.2, 4, 2.0]]}, "alphas = [[0.2, 4.0, 2.0]]"),
    ],
)
def test_populations_join_as_if_they_were_measured_together(
    combine, calibrated, mine: dict, theirs: dict, told: str
) -> None:
    whole, part = calibrated(**mine), calibrated("b", **theirs)
    made = combine(whole, part)
    both = {k: sorted([*mine[k], *theirs[k]], key=str) for k in mine if k != "noise"}
    snr = sorted({*whole["study"]["calibration"]["noise"]["snr"], *part["study"]["calibration"]["noise"]["snr"]})
    repeats = {n for results in (whole, part) for n in results["study"]["calibration"]["noise"]["repeats"]}
    together = calibrated(noise={"snr": snr[::-1], "repeats": sorted(repeats)}, **both)
    assert without(made) == without(together)
    assert made["provenance"] == {"commit": "a"}
    assert made["seconds"] == whole["seconds"] + part["seconds"]
    assert {k: v["provenance"] for k, v in made["parts"].items()} == {told: {"commit": "b"}}


def test_populations_that_were_not_measured_are_not_in_the_table(combine, calibrated) -> None:
    """Two parts that do not fill the grid, and a part that both have."""
    made = combine(calibrated(), calibrated("b", units=[30], noise={"snr": [1.0], "repeats": [2]}))
    measured = {(c["data"].split(", ")[1], c["model"].split(", ")[2]) for c in made["cells"]}
    assert measured == {("20 units", "SNR 30"), ("20 units", "SNR 1"), ("30 units", "SNR 1")}
    again = combine(made, calibrated("c", noise={"snr": [30.0], "repeats": [2]}))
    assert without(again) == without(made)
    assert set(again["parts"]) == {"units = [30]; snr = [1.0]", "units = [20]; snr = [30.0]"}


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"replicates": 3}, "replicates differ"),
        ({"n_min": 3}, "n_min differ"),
        ({"stimuli": [], "samples": [3.0]}, "stimuli differ"),
        ({"noise": None}, "noise differ"),
    ],
)
def test_calibrations_that_do_not_belong_together_are_refused(combine, calibrated, other: dict, says: str) -> None:
    whole = calibrated()
    part = copy.deepcopy(whole)
    part["study"]["calibration"] |= other
    with pytest.raises(SystemExit, match=f"one calibration: {says}"):
        combine(whole, part)


def test_populations_with_other_numbers_are_refused(combine, calibrated) -> None:
    whole = calibrated()
    part = copy.deepcopy(whole)
    part["rows"][3]["value"] = LARGE
    with pytest.raises(SystemExit, match=r"do not agree: .* and 9\.0"):
        combine(whole, part)


def test_the_command_renews_file_and_figures(
    calibrated, coarse: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "tools", raising=False)
    from eigencode.study._integrity import intact
    from tools import combine, publish

    monkeypatch.setattr(publish, "refresh", lambda: None)
    for name, results in (("whole", calibrated()), ("part", calibrated("b", units=[30]))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results), "utf-8")
    monkeypatch.setattr(sys, "argv", ["combine", *(str(tmp_path / n / "results.json") for n in ("whole", "part"))])
    combine.main()
    made = json.loads((tmp_path / "whole" / "results.json").read_text("utf-8"))
    assert intact(made)
    assert made["study"]["calibration"]["units"] == [20, 30]
    assert len(list((tmp_path / "whole" / "figures").glob("calibration-*.svg"))) == 2


def test_claims_and_relations_that_a_part_left_out_come_from_the_study_file(combine) -> None:
    from eigencode.study.part import part as of_models
    from tools.combine import study_of, with_claims_of

    relation = {"name": "R", "outcome": QUANTITY, "predictors": ["test accuracy"], "groups": ["family"]}
    whole = study_of(PUBLISHED["study"] | {"relations": [relation]})
    some = of_models(whole, list(whole.models)[:-1])
    assert not some.relations
    assert len(some.claims) < len(whole.claims)
    rows = [r for r in PUBLISHED["rows"] if r["model"] in (*some.models, "data")]
    made = with_claims_of(PUBLISHED | {"study": some.model_dump(mode="json"), "rows": rows}, whole)
    assert {c["statement"] for c in made["claims"]} == {c.statement for c in some.claims}
    (found,) = made["relations"]
    assert [p["model"] for p in found["points"]] == list(some.models)
    again = with_claims_of(PUBLISHED, whole)
    judged = {c["statement"]: c["verdict"] for c in again["claims"]}
    assert judged == {c["statement"]: c["verdict"] for c in PUBLISHED["claims"]}
