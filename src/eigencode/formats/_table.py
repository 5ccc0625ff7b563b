"""Tables, `.csv`, `.tsv` and `.parquet`: a row per presentation, a column per unit, and columns that say what it is."""

import contextlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from pandas.api import types

from eigencode.base.axes import WORDS, plain
from eigencode.base.errors import DataError, InputError
from eigencode.formats.stored import Stored, once

with contextlib.suppress(ImportError):
    import pyarrow.parquet

    assert pyarrow.parquet  # pandas imports it when it needs it: limits are set after all imports

CONDITIONS = "orientation direction angle phase contrast frequency size position reward"
BEHAVIOUR = "running run speed velocity pupil lick licking whisking reaction choice"
TIMES = "time start stop onset offset duration latency delay depth"
PARTS = {*CONDITIONS.split(), *BEHAVIOUR.split(), *TIMES.split()}
LABELS = {*WORDS["s"].split(), *WORDS["r"].split(), "index", ""}
"""Names of columns that are not responses: stimuli, repeats; and parts of names: conditions, behaviour and times."""

RESPONSE = "response rate firing_rate spike spike_count count activity amplitude event dff value"
"""Names of the column of responses in a table with a row for each response."""

UNITS = "unit neuron neuroid cell electrode roi voxel"
"""Names of the column of units in such a table."""

MISSING = ("", "-", "--", "?", "missing", "none", "#div/0!", "#value!", "#ref!", "#num!", "#name?")
"""Text that stands for a missing number."""

COLUMNS = 100_000
"""Text with more columns takes minutes to read."""


def table_file(path: Path) -> dict[str, Stored]:
    """Read a table: its unit columns as one array `responses` (`presentation x unit`), other columns by name.

    Others are columns of text, those called `stimulus`, `trial`, `time` and the like, and an index without a name.
    Where at least half of the rest, and three, have a number in their name (`unit0`), those are the units; otherwise
    all are but whole numbers beside ones with fractions.

    Raises:
        DataError: several columns of one name, a row for each response, or text in a column of numbers.
    """
    table = _parquet(path) if path.suffix.lower() == ".parquet" else _text(path)
    table.columns = ["index" if str(c).startswith("Unnamed: 0") else str(c) for c in table.columns]
    if not table.columns.is_unique:
        same = sorted(set(table.columns[table.columns.duplicated()]))
        raise DataError(
            f"{path}: several columns of one name", got=", ".join(same[:4]), wanted="a name for each column"
        )
    _refuse_long(path, table)
    numeric = [c for c in table if types.is_numeric_dtype(table[c]) and not types.is_bool_dtype(table[c])]
    units = [c for c in numeric if not _told(c)]
    numbered = [c for c in units if any(letter.isdigit() for letter in c)]
    floats = [c for c in units if types.is_float_dtype(table[c])]  # whole numbers with a missing cell, too
    if len(numbered) >= max(3, len(units) / 2):
        units = numbered
    elif any(bool((table[c].dropna() % 1 != 0).any()) for c in floats):
        units = floats
    _refuse_text(path, table, [c for c in table if c not in numeric and not _told(c)])
    found = {}
    if units:
        kind = np.result_type(*{table[c].to_numpy().dtype for c in units})
        read, shape, axes = once(partial(_matrix, table[units])), (len(table), len(units)), ("row", "unit")
        found["responses"] = Stored(shape, kind.name, kind.kind in "biuf", read, axes, tuple(units))
    for column in table:
        if column not in units:
            values = table[column]
            text = not types.is_numeric_dtype(values)
            name = f"{column} (column)" if column in found else str(column)
            found[name] = Stored(
                (len(table),), "text" if text else values.dtype.name, not text, once(partial(_column, values))
            )
    return found


def _text(path: Path) -> Any:
    """A table of text; its first line has the names of the columns, unless it holds numbers that are no names.

    Columns may be separated by semicolons and numbers written with decimal commas, as in many European countries.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        names, numbers = file.readline(1 << 24).strip(), file.readline(1 << 24)
    separator = "\t" if path.suffix.lower() == ".tsv" else ";" if ";" in names and ";" in numbers else ","
    decimal = "," if separator != "," and "," in numbers and "." not in numbers else "."
    first = names.replace(decimal, ".").split(separator)
    if len(first) > COLUMNS:
        fix = "np.save(path, x), if these are units"
        raise DataError(f"{path}: too many columns", got=f"{len(first)} or more", wanted=f"at most {COLUMNS}", fix=fix)
    try:
        values = np.array(first, dtype=float)
    except ValueError:
        values = None
    named = values is None or bool((values % 1 == 0).all() and (np.diff(values) > 0).all())
    return pandas.read_csv(path, sep=separator, decimal=decimal, header=0 if named else None, low_memory=False)


def _parquet(path: Path) -> Any:
    try:
        return pandas.read_parquet(path, engine="pyarrow")
    except ImportError as error:
        wanted = "the package pyarrow, which reads this format"
        fix = "pip install pyarrow; or save the table as .csv"
        raise InputError(f"{path}: parquet files cannot be read here", got=error, wanted=wanted, fix=fix) from None


def _refuse_long(path: Path, table: Any) -> None:
    """Raise `DataError` for a table with a row for each response, which names the unit in a column."""
    words = {c: _word(c) for c in table if not types.is_float_dtype(table[c])}
    named = [c for c, word in words.items() if word.removesuffix("_specimen").rpartition("_")[2] in UNITS.split()]
    if not named:
        return
    unit, others = named[0], [c for c in table if c not in ("index", named[0])]
    told = [c for c in others if _told(c) or not types.is_numeric_dtype(table[c])]
    measured = [c for c in others if c not in told] or others[-1:]
    called = [c for c in measured if _word(c) in RESPONSE.split()]
    fractions = [c for c in measured if types.is_float_dtype(table[c])]
    value = [*called, *fractions, *measured][0] if measured else unit
    index, repeats = [c for c in told if c != value], ""
    if table.duplicated([*index, unit]).any():
        again = "repeat" if "repeat" not in table else "presentation"
        repeats = f".assign({again}=table.groupby({[*index, unit]}, dropna=False).cumcount())"
        index = [*index, again]
    raise DataError(
        f"{path}: a table with a row for each response of each unit",
        got=f"a column {unit!r}",
        wanted="a row for each presentation and a column for each unit",
        fix=f"table{repeats}.pivot(index={index}, columns={unit!r}, values={value!r})"
        ".reset_index().to_csv('wide.csv', index=False)",
    )


def _refuse_text(path: Path, table: Any, columns: list[str]) -> None:
    """Raise `DataError` for a column of numbers in which a few cells hold text, or one for a missing number."""
    for column in columns:
        cells = table[column].dropna()
        if types.is_bool_dtype(cells):
            continue
        known = pandas.to_numeric(cells, errors="coerce").notna()
        text = sorted(set(map(str, cells[~known])))
        missing = all(word.strip().lower() in MISSING for word in text)
        if 0 < len(cells) - known.sum() < len(cells) / (2 if missing else 20):
            raise DataError(
                f"{path}: column {column!r} holds text among its numbers",
                got=", ".join(map(repr, text[:4])),
                wanted="numbers, and nothing where one is missing",
                fix="delete these cells, or call the column 'stimulus' if it has the labels",
            )


def _word(column: str) -> str:
    """A name of a column in plain words; names with digits, such as `n0`, are those of units."""
    return column if any(letter.isdigit() for letter in column) else plain(column)


def _told(column: str) -> bool:
    """True for the name of a stimulus, a condition, a repeat, a time or behaviour."""
    word = _word(column)
    return word in LABELS or bool(PARTS & {*word.split("_")})


def _matrix(table: Any) -> np.ndarray:
    return np.asarray(table.to_numpy())


def _column(values: Any) -> np.ndarray:
    if types.is_numeric_dtype(values):
        return np.asarray(values.to_numpy())
    return np.array(["" if missing else str(v) for v, missing in zip(values, values.isna(), strict=True)])
