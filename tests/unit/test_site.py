"""The documentation is built from what the code says, and asks nothing of the network."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    for name in ("tools", "tools.site"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from tools import site

    return site


def test_the_benchmark_page_says_what_the_file_says(site) -> None:
    rows = json.loads((ROOT / "published" / "bench.json").read_text("utf-8"))["results"]
    page = site.benchmarks(rows)
    for row in rows:
        line = next(text for text in page.splitlines() if text.startswith(f"| {row['work']}"))
        assert f"| {row['ratio']:.1f}" in line
        assert (" (missed)" in line) == (row["wanted"] is not None and row["ratio"] < row["wanted"])
    changed = [{**row, "ratio": row["ratio"] + 1} for row in rows]
    assert site.benchmarks(changed) != page


def test_every_public_name_has_a_page(site) -> None:
    import eigencode

    pages = "\n".join(site.api(name) for name in ("eigencode", *site.MODULES))
    assert set(site.MODULES) == set(eigencode._MODULES)
    for home, names in eigencode._NAMES.items():
        for name in names:
            assert f"{home}.{name}" in pages


@pytest.mark.parametrize(
    ("docstring", "escaped"),
    [
        (["|W| and x_"], [r"\|W\| and x\_"]),
        (["`|W|` and ``x_``"], ["`|W|` and ``x_``"]),
        (["n *image"], [r"n \*image"]),
        ([">>> a = b * c", "|x|", "", "|y|"], [">>> a = b * c", "|x|", "", r"\|y\|"]),
        (["One.", "", "    y = |x|", "", "Two."], ["One.", "", "::", "", "    y = |x|", "", "Two."]),
        (["Args:", "    a: |x|", "", "    b: y"], ["Args:", r"    a: \|x\|", "", "    b: y"]),
    ],
)
def test_docstrings_keep_their_formulae(site, docstring: list[str], escaped: list[str]) -> None:
    assert site.escaped(docstring) == escaped


def test_every_page_is_in_the_contents() -> None:
    text = (ROOT / "docs" / "index.md").read_text("utf-8")
    contents = re.findall(r"^[\w/-]+$", "".join(re.findall(r"```{toctree}\n(.*?)```", text, re.S)), re.M)
    docs = ROOT / "docs"
    pages = [str(p.relative_to(docs).with_suffix("")) for p in (*docs.glob("*.md"), *docs.glob("appendix/*.md"))]
    assert sorted(p for p in contents if not p.startswith("generated/")) == sorted(set(pages) - {"index"})


@pytest.mark.slow
def test_the_site_builds_without_warnings_and_needs_no_network(tmp_path: Path) -> None:
    pytest.importorskip("furo", reason="`make slow` installs what the site needs")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-d", str(tmp_path / "trees"), str(ROOT / "docs"), "site"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = {p: p.read_text("utf-8") for p in (tmp_path / "site").rglob("*.html")}
    assert {"quickstart.html", "probe.html", "benchmarks.html", "api-spectra.html"} <= {p.name for p in pages}
    for path, text in pages.items():
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"([^\"]+)|<link[^>]*\shref=\"([^\"]+)", text)
        assert [a or b for a, b in loaded if (a or b).startswith(("http:", "https:", "//"))] == [], path.name
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//", sheet.read_text("utf-8")), sheet.name
