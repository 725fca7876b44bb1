"""Rounding: few digits for people, and nothing else changes."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.rounding import round_number, round_numbers, round_table


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0.4285714285714285, 0.4286), (2.9157869226079196, 2.916), (123456.789, 123457.0), (1.23456e-7, 1.235e-7)],
)
def test_numbers_have_four_digits_and_lose_none_before_the_point(number: float, shown: float) -> None:
    assert round_number(number) == shown
    assert round_number(-number) == -shown


@given(st.floats())
def test_a_rounded_number_is_near_and_stays(number: float) -> None:
    rounded = round_number(number)
    assert math.isnan(number) or rounded == number or abs(rounded - number) <= 5.001e-4 * abs(number)
    assert math.isnan(number) or round_number(rounded) == rounded


def test_only_floats_are_rounded_however_deep() -> None:
    value = {"a": [1 / 3, {"b": 2 / 3}], "count": 123456, "text": "0.3333333333", "flag": True, "none": None}
    assert round_numbers(value) == value | {"a": [0.3333, {"b": 0.6667}]}


def test_tables_keep_their_types_and_nulls() -> None:
    table = pa.table({"x": [1 / 3, None], "n": [10**9 + 1, 2], "w": pa.array([[1 / 3, 2 / 3], None])})
    rounded = round_table(table)
    assert rounded.schema == table.schema
    assert rounded.to_pydict() == {"x": [0.3333, None], "n": [10**9 + 1, 2], "w": [[0.3333, 0.6667], None]}
