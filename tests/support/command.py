"""Run the command line in the process of the test, which is faster than starting one."""

from typer.testing import CliRunner, Result

from eigencode.cli import app


def inside(*words: object) -> Result:
    """Run `eigencode WORDS` and return its result; exceptions other than SystemExit are raised."""
    result = CliRunner().invoke(app, list(map(str, words)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
