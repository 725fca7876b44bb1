"""JSON that every reader takes."""

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.strict_json import to_json


def refuse(constant: str) -> None:
    """Fail on NaN and Infinity, which are no JSON."""
    raise AssertionError(constant)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (math.nan, None),
        ({"a": [math.inf, -math.inf, 0.5]}, {"a": [None, None, 0.5]}),
        (Decimal("12345678901234567890"), 12345678901234567890),
        (Decimal("1.50"), 1.5),
        (Decimal("NaN"), None),
        (date(2020, 1, 2), "2020-01-02"),
        (datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T00:00:00+00:00"),
        (b"\x00\xff", "00ff"),
        ({3: (True, None)}, {"3": [True, None]}),
        ("\x1b\ud800é", "\x1b\ud800é"),
    ],
)
def test_values_become_what_json_has(value: Any, read: Any) -> None:
    text = to_json(value)
    assert json.loads(text, parse_constant=refuse) == read and text.isascii()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_whatever_is_printed_is_strict(value: Any) -> None:
    json.loads(to_json(value), parse_constant=refuse)
