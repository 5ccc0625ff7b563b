"""Run the command line in the process of the test, which is faster than starting one."""

import inspect

from typer.testing import CliRunner, Result

from eigencode.cli import app

APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
"""Keeps the two outputs apart before click 8.2, as later versions always do."""


def inside(*words: object) -> Result:
    """Run `eigencode WORDS` and return its result; exceptions other than SystemExit are raised."""
    result = CliRunner(**APART).invoke(app, list(map(str, words)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
