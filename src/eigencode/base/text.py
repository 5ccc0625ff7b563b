"""Text of unknown origin, made safe to show: names of models, classes, files, and messages that quote them."""

import unicodedata

_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of the text around them."""


def printable(text: object, longest: int = 200, lines: bool = False) -> str:
    r"""The text with control and direction-changing characters written out, and its middle left out if it is long.

    Args:
        text: anything; `str(text)` is shown.
        longest: characters kept of each line.
        lines: keep line breaks (of messages); otherwise they are written out too.

    >>> printable("\x1b[31mred\u202e"), printable("a" * 300, longest=11)
    ('\\x1b[31mred\\u202e', 'aaaaa…aaaaa')
    """
    if lines:
        return "\n".join(printable(line, longest) for line in str(text).split("\n"))
    shown = "".join(_escaped(c) if _harmful(c) else c for c in str(text))
    if len(shown) <= longest:
        return shown
    kept = longest - 1
    return f"{shown[: kept - kept // 2]}…{shown[len(shown) - kept // 2 :]}"


def _harmful(character: str) -> bool:
    return character in _TURNING or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
