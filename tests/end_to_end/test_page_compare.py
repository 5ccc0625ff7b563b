"""Several runs on one page, several data sets on one page, and names that try to be more than names."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from browser import opened
from command import inside
from hostile import NAMES, renamed
from shared import once
from small_study import finished

from eigencode.report import StudyRun, compare
from eigencode.study._integrity import signed


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    """Another study: one model fewer, one seed, another spectrum's window, the same data."""

    def make(folder: Path) -> None:
        finished(folder, "seeds=[5]", "name=other", "spectra.0.window=[3,9]")

    folder = once(tmp_path_factory, "other", make)
    return StudyRun(folder / "store" / "reports" / "other", folder / "store")


def test_two_runs_are_compared(browser: Any, shown: StudyRun, other: StudyRun, tmp_path: Path) -> None:
    path = tmp_path / "comparison.html"
    done = inside("report", shown.folder, other.folder, "--out", path)
    assert (done.exit_code, f"page: {path}" in done.stdout) == (0, True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["comparison.html"]
    assert not (shown.folder / "figures").exists()
    with opened(browser, path) as seen:
        seen.picture("comparison-1600-light")
        assert (seen.requests, seen.messages) == ([], [])
        assert seen.page.locator("#results tr:has(td)").count() == 4 + 4
        runs = seen.page.locator("#runs button")
        assert runs.all_inner_texts() == ["tiny", "other"]
        assert seen.page.locator("#claims .matrix th").all_inner_texts()[1:3] == ["tiny", "other"]
        assert seen.page.locator("#claims .matrix tr").nth(1).locator(".verdict").count() == 2
        runs.nth(0).click()
        with seen.page.expect_download() as waited:
            seen.page.click("#robustness .downloads button:text-is('CSV')")
        rows = list(csv.DictReader(io.StringIO(Path(waited.value.path()).read_text("utf-8"))))
        assert {r["run"] for r in rows} == {"other"}
        assert waited.value.suggested_filename == "comparison-robustness.csv"
        names = seen.page.locator("#spectra-alpha th[scope=row]").all_inner_texts()
        assert names == [f"{model} · other" for model in ("data", "Init", "KH", "BP")]
    again = inside("report", shown.folder, other.folder, "--out", path)
    assert again.exit_code == 0
    path.write_text("a text of mine")
    refused = inside("report", shown.folder, other.folder, "--out", path)
    assert (refused.exit_code, "there is a file already" in refused.stderr) == (2, True)
    assert path.read_text() == "a text of mine"


def test_data_sets_are_chosen(browser: Any, shown: StudyRun, other: StudyRun, tmp_path: Path) -> None:
    found = json.loads((other.folder / "results.json").read_text("utf-8").replace('"digits"', '"folder:others"'))
    folder = tmp_path / "others"
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(signed(found)), encoding="utf-8")
    path = tmp_path / "page.html"
    compare([shown, StudyRun(folder, other.store)], path)
    with opened(browser, path, 380) as seen:
        assert seen.page.locator("#results table").count() == 2
        shown_ids = "all => all.filter((n) => n.offsetParent).map((n) => n.id)"
        assert "spectra-digits" in seen.page.eval_on_selector_all(".figure", shown_ids)
        first = seen.page.locator("#spectra-digits-alpha th[scope=row]").all_inner_texts()
        seen.page.select_option("#data-set", label="folder:others")
        drawn = seen.page.eval_on_selector_all(".figure", shown_ids)
        assert "spectra-folder_others" in drawn
        assert not [n for n in drawn if n.endswith("-digits")]
        second = seen.page.locator("#spectra-folder_others-alpha th[scope=row]").all_inner_texts()
        assert {n.rpartition(" · ")[2] for n in first} == {"tiny"}
        assert {n.rpartition(" · ")[2] for n in second} == {"other"}
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 380
        assert seen.messages == []


BAD = [NAMES[k] for k in ("script", "attribute", "long", "right to left", "formula", "empty")]
EVEN_WORSE = ["=HYPERLINK(\"http://evil.example\")", "</script><script>window.owned=1</script>", "%{x}<b>bold</b>",
              "<img src=x onerror=window.owned=1>", "a\u2028b\u2029c", "'; window.owned=1; '"]  # fmt: skip


@pytest.mark.parametrize("names", [pytest.param(BAD, marks=pytest.mark.slow), EVEN_WORSE], ids=["bad", "worse"])
def test_a_name_is_only_a_name_in_the_browser(browser: Any, shown: StudyRun, tmp_path: Path, names: list[str]) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "results.json").write_bytes((shown.folder / "results.json").read_bytes())
    run = StudyRun(folder, shown.store)
    renamed(run, *names)
    found = json.loads((folder / "results.json").read_text("utf-8"))
    found["study"]["name"] = names[0]
    for claim in found["claims"]:
        claim |= {"statement": names[1], "published": names[0], "compared": names[3]}
    (folder / "results.json").write_text(json.dumps(signed(found)), encoding="utf-8")
    vars(run).pop("results", None)
    path = tmp_path / "page.html"
    compare([run], path)
    with opened(browser, path, 380) as seen:
        seen.picture(f"hostile-{len(names[0])}")
        assert (seen.requests, seen.messages) == ([], [])
        assert seen.page.evaluate("[window.owned, document.querySelectorAll('img, iframe, b > b').length]") == [None, 0]
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 380
        titles = seen.page.text_content("#widths") or ""
        assert ("<script>alert(1)</script>" if names is BAD else "%{x}<b>bold</b>") in titles
        words = seen.page.text_content("#models") or ""
        assert (
            "<script>alert(1)</script>" if names is BAD else "</script><script>window.owned=1</script>"[:39]
        ) in words
        with seen.page.expect_download() as waited:
            seen.page.click("#robustness .downloads button:text-is('CSV')")
        name = waited.value.suggested_filename
        assert name.isascii()
        assert not set(name) & set("/\\<>:\"'|?*= ")
        cells = [c for r in csv.reader(io.StringIO(Path(waited.value.path()).read_text("utf-8"))) for c in r]
        assert not [c for c in cells if c[:1] in "=+@" and c]
        with seen.page.expect_download() as waited:
            seen.page.click("#robustness .downloads button:text-is('SVG')")
        svg = Path(waited.value.path()).read_text("utf-8")
        assert "<script" not in svg
        assert "onerror=" not in svg.replace("&lt;img src=x onerror=", "")
