"""The pages people follow, run as they are written: every code block in order, one folder and namespace per page.

A comment directly above a block says how it is tested, and readers of the rendered page do not see it:

    <!-- slow -->             only the slow suite runs it
    <!-- file: NAME -->       the page tells the reader to save the block as NAME; so it is saved
    <!-- with: WORDS -->      words added to every `eigencode` command, so that a test of it takes seconds
    <!-- needs: NAME ... -->  what the page takes for granted (`tests/support/props.py`): somebody's network, their data
"""

import os
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import props
import pytest
from command import inside

from eigencode.base.errors import EigencodeWarning

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p for p in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")))
SHOWN = ("examples", "studies", "published", "tests")
"""Folders of the repository that a command on a page may name."""

SET_UP = {"ruff", "mypy", "sphinx-build", "touch", "echo"}
"""Tools of the developer that a make target calls: that they are called is tested, not the tools."""

MODULES = {"pytest", "pip"}
"""The same, called as modules of Python."""

FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.S | re.M)
MARK = re.compile(r"<!-- (slow|file|with|needs)(?:: (.*?))? -->\n")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the marks above it."""

    where: str
    language: str
    text: str
    marks: dict[str, str]

    @property
    def slow(self) -> bool:
        """Run by the slow suite only."""
        return "slow" in self.marks

    @property
    def runnable(self) -> bool:
        """Something is done with it; a block that is only looked at goes stale."""
        return self.language in ("python", "sh") or "file" in self.marks or self.language.startswith("{")


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text, found = page.read_text("utf-8"), []
    for match in FENCE.finditer(text):
        above = re.search(rf"(?:{MARK.pattern})+\Z", text[: match.start()])
        marks = {m[1]: m[2] or "" for m in MARK.finditer(above[0])} if above else {}
        where = f"{page.name}:{text[: match.start()].count(chr(10)) + 1}"
        found.append(Block(where, match[1].strip(), match[2], marks))
    return found


class Reader:
    """Somebody who follows a page, in a folder of their own with the folders of the repository beside it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, everything: bool = False) -> None:
        self.folder, self.patch, self.everything = folder, patch, everything
        self.names: dict[str, object] = {"__name__": "__main__"}
        for name in SHOWN:
            (folder / name).symlink_to(ROOT / name)
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        patch.setattr(sys, "path", [str(folder), *sys.path])

    def follow(self, page: Path) -> list[str]:
        """Run the blocks of a page; returns where those stand that were run."""
        before, done = set(sys.modules), []
        try:
            for block in blocks(page):
                if self.everything or not block.slow:
                    self.run(block)
                    done.append(block.where)
        finally:
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(self.folder)):
                    del sys.modules[name]
            for entry in [e for e in sys.path_importer_cache if not os.path.isabs(e)]:
                del sys.path_importer_cache[entry]  # it means another folder on the next page
        return done

    def run(self, block: Block) -> None:
        """Run one block; whatever goes wrong names the page and the line."""
        for need in block.marks.get("needs", "").split():
            getattr(props, need)(self.folder, self.patch)
        if "file" in block.marks:
            path = self.folder / block.marks["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
        elif block.language == "python":
            exec(compile(block.text, block.where, "exec"), self.names)
        elif block.language == "sh":
            for line in block.text.replace("\\\n", " ").splitlines():
                self.command(
                    shlex.split(os.path.expandvars(line), comments=True), shlex.split(block.marks.get("with", ""))
                )
        elif not block.runnable:
            raise AssertionError(f"{block.where}: nobody runs a block of {block.language!r}; save it, or make it run")

    def command(self, words: list[str], more: list[str], really: bool = True) -> None:
        """One line of a shell: an eigencode command, a Python script, a make target, or a tool of the developer.

        Without `really` nothing runs, but a line that nobody would know how to run still fails.
        """
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            self.patch.setenv(name, os.path.expanduser(value))
        if not words:
            return
        program = Path(words[0]).name
        if program == "make":
            for line in recipe(words[1:]):
                self.command(shlex.split(line), more, really=self.everything)
        elif program == "eigencode":
            if really:
                done = inside(*words[1:], *more)
                assert done.exit_code == 0, f"{shlex.join(words)}\n{done.output}"
        elif program == "python" and words[1].endswith(".py"):
            if really:
                self.patch.setattr(sys, "argv", [words[1], *words[2:], *more])
                with warnings.catch_warnings():  # that a few epochs are too few is an answer, not a defect
                    warnings.simplefilter("ignore", EigencodeWarning)
                    runpy.run_path(words[1], run_name="__main__")
        elif not _is_set_up(program, words):
            raise AssertionError(f"the test does not know how to run {shlex.join(words)!r}")


def _is_set_up(program: str, words: list[str]) -> bool:
    if program == "sh":
        return words[1].startswith("tools/") and (ROOT / words[1]).is_file()
    return program in SET_UP or (program == "python" and words[1] == "-m" and words[2] in MODULES)


def recipe(words: list[str]) -> list[str]:
    """The commands of make targets, as make itself says; the virtual environment is taken to be there."""
    made = [flag for stamp in (".installed", ".docs") for flag in ("-o", f".venv/{stamp}")]
    command = ["make", "-s", "-n", *made, "-C", str(ROOT), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
