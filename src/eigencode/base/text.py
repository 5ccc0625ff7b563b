"""Make text of unknown origin safe to display: names of models, classes and files, and error messages."""

import unicodedata

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of text."""


def printable(text: object, longest: int = 200, lines: bool = False) -> str:
    r"""Escape control and direction-changing characters, and shorten long text in its middle.

    Args:
        text: any object; `str(text)` is used.
        longest: characters kept of each line.
        lines: keep line breaks (of messages); otherwise they are escaped too.

    >>> printable("\x1b[31mred\u202e"), printable("a" * 300, longest=11)
    ('\\x1b[31mred\\u202e', 'aaaaa…aaaaa')
    """
    if lines:
        return "\n".join(printable(line, longest) for line in str(text).split("\n"))
    shown = "".join(_escaped(c) if _unprintable(c) else c for c in str(text))
    if len(shown) <= longest:
        return shown
    kept = longest - 1
    return f"{shown[: kept - kept // 2]}…{shown[len(shown) - kept // 2 :]}"


def _unprintable(character: str) -> bool:
    return character in _BIDI_CONTROLS or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
