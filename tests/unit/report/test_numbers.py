"""Numbers with the digits their spread allows."""

import math

import pytest
from hypothesis import given, strategies as st

from eigencode.report._numbers import measured

CASES = [
    (0.87931, 0.0081, "0.8793 ± 0.0081"),
    (0.87931, 0.081, "0.879 ± 0.081"),
    (2.4408, 0.0315, "2.441 ± 0.032"),
    (2.4408, 0.5, "2.44 ± 0.50"),
    (1234.4, 20.0, "1234 ± 20"),
    (1234.5, 1.0, "1234.5 ± 1.0"),
    (1234.56, 250.0, "1235 ± 250"),
    (12.0, 9.96, "12 ± 10"),
    (0.5, 0.0999, "0.50 ± 0.10"),
    (0.5, 0.00996, "0.500 ± 0.010"),
    (-1.5, 0.25, "-1.50 ± 0.25"),
    (0.0, 0.1, "0.00 ± 0.10"),
    (1e-9, 2e-10, "1.000e-09 ± 2.0e-10"),
    (1e12, 3e10, "1.000e+12 ± 3.0e+10"),
    (5.0, 1e-12, "5.000e+00 ± 1.0e-12"),
    (0.1234567, math.nan, "0.1235"),
    (0.1234567, 0.0, "0.1235"),
    (0.5, math.nan, "0.5"),
    (1.41, 0.0, "1.41"),
    (3.0, math.nan, "3"),
    (1234567.0, math.nan, "1.235e+06"),
    (0.00001234567, math.nan, "1.235e-05"),
    (0.0, math.nan, "0"),
    (-0.00001, 0.1, "0.00 ± 0.10"),
    (math.inf, math.nan, "∞"),
    (-math.inf, math.nan, "−∞"),
    (math.nan, math.nan, "–"),
    (1.0, math.inf, "1"),
]


@pytest.mark.parametrize(("mean", "spread", "text"), CASES)
def test_measured(mean: float, spread: float, text: str) -> None:
    assert measured(mean, spread) == text


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_what_is_written_is_within_the_rounding_of_the_spread(mean: float, spread: float) -> None:
    shown, width = map(float, measured(mean, spread).split(" ± "))
    assert abs(width / spread - 1) <= 0.051
    assert abs(shown - mean) <= 0.51 * max(1.0, 0.1 * spread) if spread >= 10 else abs(shown - mean) <= 0.051 * spread


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True))
def test_any_two_numbers_have_a_short_text(mean: float, spread: float) -> None:
    assert 0 < len(measured(mean, spread)) < 40
