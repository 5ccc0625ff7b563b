"""What stands beside a claim is what the claim compares."""

from hostile import edit

from eigencode.report import StudyRun
from eigencode.report.html._headline import claims, evidence
from eigencode.report.html.shown import Shown

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
        (found,) = claims(Shown([run]))
        assert list(found["verdicts"]) == [told]
