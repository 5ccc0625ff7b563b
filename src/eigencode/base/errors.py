"""Exceptions and warnings of the package; an input error states the problem, the value, the valid values and a fix."""

import sys
import warnings
from types import FrameType


class EigencodeError(Exception):
    """Base of all errors that this package raises.  The command line ends with exit code 1."""

    exit_code = 1


class InputError(EigencodeError, ValueError):
    """Invalid input.  The command line exits with code 2.

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
    """A data file that is missing, truncated, mislabelled or empty."""


class StudyError(InputError):
    """An error in a study file or an override."""


class TrainingError(EigencodeError):
    """Training stopped because of NaN or Inf."""


class EigencodeWarning(UserWarning):
    """A number was computed but may mislead; the message gives the reason."""


class ConvergenceWarning(EigencodeWarning):
    """A local layer has not converged, so measurements of it still depend on its initial weights."""


class BatchWarning(EigencodeWarning):
    """A network mixes the images of a batch or is random, so that no number is that of a single image."""


def warn(said: str, kind: type[EigencodeWarning] = EigencodeWarning) -> None:
    """Warn at the line outside this package that led here."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and (_ours(frame) or "<@beartype" in frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    warnings.warn(said, kind, stacklevel=level)


def _ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == __name__.partition(".")[0]


def nearest(word: str, known: "list[str] | tuple[str, ...]") -> str:
    """Suggest the known word closest to `word`, or list all known words; for the `fix` of an error.

    >>> nearest("sedes", ["seeds", "models"]), nearest("kh", ["BP", "KH"])
    ("did you mean 'seeds'?", "did you mean 'KH'?")
    """
    import difflib

    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.5)
    return f"did you mean {lower[close[0]]!r}?" if close else f"known: {', '.join(sorted(known))}"
