"""What stands beside a claim is what the claim compares."""

from hostile import edit

from eigencode.report import StudyRun
from eigencode.report.html._headline import claims, evidence, sentences
from eigencode.report.view import View

CLAIM = {"statement": "KH is steeper", "quantity": "α noise", "data": "digits"}
STUDY_CLAIM = {"statement": "KH is steeper", "quantity": "α noise", "order": [], "model": "KH", "other": "BP"}


def test_evidence_is_every_number_that_is_compared(run: StudyRun) -> None:
    for extra, told in (
        ({}, ["KH", "KH", "BP", "BP"]),
        ({"other_quantity": ""}, ["KH", "KH", "BP", "BP"]),
        ({"other_quantity": "α images"}, ["KH", "KH", "BP (α images)", "BP (α images)"]),
        ({"other": "KH", "other_quantity": "α images"}, ["KH", "KH", "KH (α images)", "KH (α images)"]),
        ({"model": None, "other": None, "order": ["BP", "Init"]}, ["BP", "BP", "Init", "Init"]),
    ):
        edit(run, study={**run.results["study"], "claims": [STUDY_CLAIM | extra]})
        found = evidence(run, CLAIM)
        assert [row["model"] for row in found] == told
        assert [row["seed"] for row in found] == [0, 1, 0, 1]
        assert len({row["value"] for row in found}) > 1


def test_a_verdict_that_does_not_stand_among_all_claims_says_so(run: StudyRun) -> None:
    claim = {**CLAIM, "compared": "KH − BP", "published": "", "value": 1.0, "low": 0.5, "high": 1.5, "seeds": 2}
    said = {("reproduced", 0.01): "reproduced", ("reproduced", 0.2): "reproduced, not after Holm"}
    said[("undecided, same sign", 0.2)] = "undecided, same sign"
    for (verdict, p), told in said.items():
        edit(run, claims=[{**claim, "verdict": verdict, "p": p, "p_holm": p}])
        (found,) = claims(View([run]))
        assert found["by_run"]["tiny"][1] == told


def test_claims_of_one_statement_about_other_models_are_apart(run: StudyRun) -> None:
    claim = {**CLAIM, "compared": "", "published": "", "low": 0.5, "high": 1.5, "seeds": 2, "p": 0.01, "p_holm": 0.01}
    one, two = ({**claim, "verdict": v, "value": x} for v, x in (("reproduced", 1.0), ("reversed", -1.0)))
    edit(run, claims=[one, two])
    edit(run, study={**run.results["study"], "claims": [STUDY_CLAIM, {**STUDY_CLAIM, "model": "Init"}]})
    found = claims(View([run]))
    assert [f["judged"][0]["shown"] for f in found] == ["1", "-1"]
    assert [f["by_run"]["tiny"][1] for f in found] == ["reproduced", "reversed"]
    assert [f["judged"][0]["evidence"][0]["model"] for f in found] == ["KH", "Init"]


def test_a_seed_that_was_not_measured_leaves_no_lead(run: StudyRun) -> None:
    rows = numbers("test accuracy", KH=[0.9, 0.9, 0.9], BP=[0.8, 0.81, 0.79])
    edit(run, rows=rows, claims=[])
    assert any("KH is the most accurate" in said for said in sentences(View([run])))
    edit(run, rows=[{**r, "value": float("nan")} if (r["model"], r["seed"]) == ("KH", 2) else r for r in rows])
    assert not any("accurate" in said for said in sentences(View([run])))


ROW = {"data": "digits", "convention": "", "key": "", "warnings": [], "notes": []}


def numbers(quantity: str, **values: list[float]) -> list[dict[str, object]]:
    """A row per model and seed, each with an interval of ± 1."""
    return [
        {**ROW, "model": m, "seed": i, "quantity": quantity, "value": v, "low": v - 1, "high": v + 1}
        for m, seeds in values.items()
        for i, v in enumerate(seeds)
    ]


def test_the_result_names_the_models_that_lead_and_those_not_told_from_them(run: StudyRun) -> None:
    """KH withstands FGSM in both seeds alike; BP's accuracy is below KH's in one seed and above it in the other."""
    rows = numbers("critical size, FGSM", KH=[5.0, 5.1], BP=[2.0, 2.1], Init=[1.0, 1.1])
    rows += numbers("test accuracy", KH=[0.8, 0.9], BP=[0.9, 0.79], Init=[0.1, 0.11])
    summary = [{**s, "mean": 0.85} for s in run.results["summary"] if s["quantity"] == "test accuracy"]
    edit(run, rows=rows, summary=summary, claims=[])
    assert sentences(View([run])) == [
        "KH withstands the largest perturbations (FGSM).",
        "KH and BP are the most accurate (0.85).",
    ]
    endless = numbers("critical size, FGSM", KH=[5.0, 5.1], BP=[2.0, 2.1], Init=[1.0, 1.1])
    endless[2] |= {"value": "Infinity", "high": "Infinity"}  # half of the images outlived BP's first seed
    edit(run, rows=endless)
    assert sentences(View([run]))[0] == "BP withstands the largest perturbations (FGSM)."
    edit(run, rows=numbers("test accuracy", KH=[0.8, 0.9], BP=[0.9, 0.79]), claims=[])
    assert not any("accurate" in said for said in sentences(View([run])))
