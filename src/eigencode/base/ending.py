"""How a command ends: errors, interrupts and closed outputs become one message and an exit code."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import typer

from eigencode.base import progress
from eigencode.base.disk_errors import system_error, told
from eigencode.base.errors import EigencodeError
from eigencode.base.text import printable

KEPT = "interrupted; every finished step is kept, the same command goes on from here"
CLOSED = (
    "standard output was closed before everything was printed; what is finished is kept\n"
    "  fix:    the same command again, into a file (> FILE) or a pager (| less)"
)


class Interrupt(KeyboardInterrupt):
    """A signal that asks the program to end.

    A class of its own: one that passes through `exec` would otherwise make Python end itself by the signal, caught or
    not.
    """


@contextmanager
def report_errors(interrupted: str = KEPT, quiet: bool = False) -> Iterator[None]:
    """Turn errors of this package, of the disk and of standard output, and interrupts, into a message and an exit code.

    Other exceptions are defects, and raised.
    """
    try:
        with _stopping(), progress.quiet(quiet):
            yield
            sys.stdout.flush()
    except KeyboardInterrupt as error:
        _fail(interrupted, 128 + next((n for n in error.args if isinstance(n, int)), signal.SIGINT))
    except SystemExit as error:
        if not isinstance(error.__context__, BrokenPipeError):  # of which rich makes a SystemExit
            _fail(f"a module that was imported ended the program: sys.exit({error.code!r})", 1)
        _fail(CLOSED, 1)
    except BrokenPipeError:
        _fail(CLOSED, 1)
    except Exception as error:
        if isinstance(error, EigencodeError):
            _fail(str(error), error.exit_code)
        if isinstance(error, typer.Exit) or not (isinstance(error, OSError) or system_error(error)):
            raise
        _fail(told(error), 1)


@contextmanager
def _stopping() -> Iterator[None]:
    """Make SIGTERM an interrupt like Ctrl-C; a second signal ends the program at once, without clean-up."""

    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Interrupt(number)

    here = threading.current_thread() is threading.main_thread()
    mine = [n for n in (signal.SIGINT, signal.SIGTERM) if here and signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in mine}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(message: str, code: int) -> NoReturn:
    try:
        sys.stdout.flush()
    except OSError:  # nobody reads it any more, or its disk is full: nor can what is left be printed at the end
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    say(f"error: {printable(message, 500, lines=True)}")
    raise typer.Exit(code)


def say(message: str) -> None:
    """Print on standard error, if anybody reads it; that nobody does stops no run."""
    with suppress(OSError):
        typer.echo(message, err=True)


def open_closed_outputs() -> None:
    """Give a program that was started without standard output or error (`>&-`) one that goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
