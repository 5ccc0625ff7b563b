"""Text of strangers shown as text; numbers of ours written so that every parser reads them."""

import json
import math
import unicodedata

import pytest
from hypothesis import given, strategies as st

from eigencode.base.strict_json import dumps, number
from eigencode.base.text import printable

HARMFUL = "".join(map(chr, range(32))) + "\x7f\x85\x9b\u2028\u2029\u202a\u202e\u2066\u2069\u200f"


@given(st.text(), st.integers(1, 50))
def test_nothing_that_moves_a_cursor_or_turns_text_survives(text: str, longest: int) -> None:
    shown = printable(text, longest)
    assert len(shown) <= longest
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(shown) & set(HARMFUL)


@pytest.mark.parametrize("character", HARMFUL)
def test_harmful_characters_are_written_out(character: str) -> None:
    shown = printable(f"a{character}b")
    assert shown.isprintable()
    assert shown == "a" + character.encode("unicode_escape").decode() + "b"


@pytest.mark.parametrize("text", ["KH", "α images", "שלום", "日本", "a [bold]b[/]", "<b>", "$x$", "é", "👩‍🔬", "", " "])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_lone_surrogates_can_be_written_to_a_file() -> None:
    assert printable("\ud800").encode("utf-8") == b"\\ud800"


def test_long_text_keeps_both_ends() -> None:
    shown = printable("begin" + "x" * 10_000 + "end", longest=21)
    assert len(shown) == 21
    assert shown.startswith("beginxxxxx…")
    assert shown.endswith("xxend")


def test_messages_keep_their_lines() -> None:
    assert printable("a\nb\x1b", lines=True) == "a\nb\\x1b"
    assert printable("a\nb") == "a\\nb"


@given(
    st.recursive(
        st.floats() | st.text() | st.none() | st.booleans(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_every_number_can_be_read_by_a_strict_parser(value: object) -> None:
    json.loads(dumps(value), parse_constant=pytest.fail)
    assert dumps(value) == dumps(value)


def test_what_is_no_number_is_null_and_what_is_too_large_is_named() -> None:
    found = json.loads(dumps({"a": (math.nan, math.inf, -math.inf, 0.5, 3)}))
    assert found == {"a": [None, "Infinity", "-Infinity", 0.5, 3]}


@given(st.floats())
def test_numbers_come_back(value: float) -> None:
    found = number(json.loads(dumps({"x": [value]}))["x"][0])
    assert found == value or (math.isnan(found) and math.isnan(value))
