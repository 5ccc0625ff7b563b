"""The command line in the process of the test, which saves the time of starting one."""

from typer.testing import CliRunner, Result

from eigencode.cli import app


def inside(*words: object) -> Result:
    """The result of `eigencode WORDS`; an exception that is no exit code is a defect and goes on."""
    result = CliRunner().invoke(app, list(map(str, words)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
