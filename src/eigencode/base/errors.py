"""Every error a user can meet says four things: what, got, wanted, and how to fix it."""


class EigencodeError(Exception):
    """Base of all errors raised on purpose by this package.  The command line ends with exit code 1."""

    exit_code = 1


class InputError(EigencodeError, ValueError):
    """The caller's input is wrong.  The command line ends with exit code 2.

    >>> raise InputError("eps is negative", got=-0.1, wanted="a number >= 0", fix="pass eps=0.1")
    Traceback (most recent call last):
    ...
    eigencode.base.errors.InputError: eps is negative
      got:    -0.1
      wanted: a number >= 0
      fix:    pass eps=0.1
    """

    exit_code = 2

    def __init__(self, what: str, *, got: object = None, wanted: object = None, fix: object = None) -> None:
        lines = [what]
        lines += [f"  got:    {got}"] if got is not None else []
        lines += [f"  wanted: {wanted}"] if wanted is not None else []
        lines += [f"  fix:    {fix}"] if fix is not None else []
        super().__init__("\n".join(lines))


class DataError(InputError):
    """A data file is missing, truncated, mislabelled or empty."""


class StudyError(InputError):
    """A study file or an override is wrong."""


class TrainingError(EigencodeError):
    """Training produced NaN or Inf and was stopped."""


class EigencodeWarning(UserWarning):
    """A number was computed but must be read with care; the message says why."""


class ConvergenceWarning(EigencodeWarning):
    """A local layer has not converged: measurements of it describe its start as much as its learning."""


def nearest(word: str, known: "list[str] | tuple[str, ...]") -> str:
    """The known word closest to `word`, or the whole list if none is close: for the `fix` of an error.

    >>> nearest("sedes", ["seeds", "models"])
    "did you mean 'seeds'?"
    """
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
