"""Run the code blocks of the documentation pages in order, with one folder and namespace per page.

A comment directly above a block says how it is tested, and readers of the rendered page do not see it:

    <!-- slow -->             only the slow suite runs it
    <!-- file: NAME -->       the page tells the reader to save the block as NAME; so it is saved
    <!-- with: WORDS -->      words added to every `eigencode` command, so that a test of it takes seconds
    <!-- needs: NAME ... -->  things the page assumes the reader has (`tests/support/props.py`), such as data

A block of `text` is the output of the block above it: the same words, and numbers that differ by a tenth at most.
"""

import io
import os
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import props
import pytest
from command import inside

from eigencode.base.errors import EigencodeWarning

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("docs/appendix/*.md"))
)
LINKED = ("examples", "studies", "published", "tests")
"""Folders of the repository that a command on a page may name."""

DEVELOPER_TOOLS = {"ruff", "mypy", "sphinx-build", "touch", "echo", "pip"}
"""Developer tools that a make target calls; the tests check the call but do not run the tool."""

DEVELOPER_MODULES = {"pytest", "pip", "benchmarks.compare", "tools.dependencies"}
"""The same for tools called with `python -m`."""

FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.S | re.M)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
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
        """True if only the slow suite runs the block."""
        return "slow" in self.marks

    @property
    def runnable(self) -> bool:
        """True if the test can run or save the block; other blocks would go out of date unnoticed."""
        return self.language in ("python", "sh", "text") or "file" in self.marks or self.language.startswith("{")


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
    """Runs the blocks of pages in a folder of its own that links to folders of the repository."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, everything: bool = False) -> None:
        self.folder, self.patch, self.everything = folder, patch, everything
        self.names: dict[str, object] = {"__name__": "__main__"}
        self.servers = ExitStack()
        self.printed = ""
        for name in LINKED:
            (folder / name).symlink_to(ROOT / name)
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        patch.setattr(sys, "path", [str(folder), *sys.path])

    def follow(self, page: Path) -> list[str]:
        """Run the blocks of a page; return the positions of those that were run."""
        before, done = set(sys.modules), []
        try:
            with self.servers:
                for block in blocks(page):
                    if self.everything or not block.slow:
                        self.run(block)
                        done.append(block.where)
        finally:
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(self.folder)):
                    del sys.modules[name]
            for entry in [e for e in sys.path_importer_cache if not os.path.isabs(e)]:
                del sys.path_importer_cache[entry]  # a relative path means another folder on the next page
        return done

    def run(self, block: Block) -> None:
        """Run one block, or save it as a file; compare a block of text with the output of the one before."""
        if block.language == "text" and "file" not in block.marks:
            assert agrees(block.text, self.printed), f"{block.where}: printed was\n{self.printed}"
            return
        output = io.StringIO()
        with redirect_stdout(output):
            self.perform(block)
        self.printed = output.getvalue()

    def perform(self, block: Block) -> None:
        """Run one block, or save it as a file."""
        for need in block.marks.get("needs", "").split():
            made = getattr(props, need)(self.folder, self.patch)
            if made is not None:  # it runs until the page is done
                self.servers.enter_context(made)
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
            raise AssertionError(f"{block.where}: no test runs a block of {block.language!r}; save it, or make it run")

    def command(self, words: list[str], more: list[str], really: bool = True) -> None:
        """Run one shell line: an eigencode command, a Python script, a make target, or a developer tool.

        Without `really` nothing runs, but an unknown kind of command still fails.
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
                print(done.stdout, end="")
        elif program == "sbatch":
            if really:
                subprocess.run(words, check=True, capture_output=True, timeout=300)
        elif program == "python" and words[1].endswith(".py"):
            if really:
                self.patch.setattr(sys, "argv", [words[1], *words[2:], *more])
                with warnings.catch_warnings():  # a warning that training was too short is expected here
                    warnings.simplefilter("ignore", EigencodeWarning)
                    runpy.run_path(words[1], run_name="__main__")
        elif not _is_developer_tool(program, words):
            raise AssertionError(f"the test does not know how to run {shlex.join(words)!r}")


def agrees(shown: str, printed: str) -> bool:
    """Whether an output is as shown on a page: the same words, and numbers that differ by a tenth at most."""
    texts = [" ".join(text.split()) for text in (shown, printed)]
    words = [NUMBER.split(text) for text in texts]
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in texts]
    return words[0] == words[1] and numbers[1] == pytest.approx(numbers[0], rel=0.1)


def _is_developer_tool(program: str, words: list[str]) -> bool:
    if program == "dask":  # started by what the block needs
        return words[1] in ("scheduler", "worker")
    if program == "sh":
        return words[1].startswith("tools/") and (ROOT / words[1]).is_file()
    return program in DEVELOPER_TOOLS or (
        program in ("python", "python3") and words[1] == "-m" and words[2] in DEVELOPER_MODULES
    )


def recipe(words: list[str]) -> list[str]:
    """The commands of make targets, from `make -n`; the virtual environment is assumed to exist."""
    made = [flag for stamp in (".installed", ".docs") for flag in ("-o", f".venv/{stamp}")]
    command = ["make", "-s", "-n", *made, "-C", str(ROOT), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
