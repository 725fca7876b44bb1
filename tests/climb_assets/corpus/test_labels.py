"""One label is one text, however a file writes it."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.corpus.labels import LabelError, make_label


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (7, "7"),
        (7.0, "7"),
        (-0.0, "0"),
        (Decimal("7.00"), "7"),
        (Decimal("-7.50"), "-7.5"),
        (7.25, "7.25"),
        (1e300, "1e+300"),
        ("e\u0301\t x\n", "\u00e9 x"),
        (b"caf\xc3\xa9", "caf\u00e9"),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2), "2024-01-02"),
        (pd.Timestamp("2024-01-02"), "2024-01-02"),
        (datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))), "2024-01-02T02:00:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (None, None),
        (" \ufeff\x00 ", None),
        (math.nan, None),
        (Decimal("NaN"), None),
        (pd.NaT, None),
    ],
)
def test_values_that_are_labels_or_none(value: Any, label: str | None) -> None:
    assert make_label(value) == label


@pytest.mark.parametrize(
    "value", [True, math.inf, [1], {"a": 1}, b"\xff", "\ud800", object(), datetime.max.replace(tzinfo=UTC)]
)
def test_values_that_are_no_labels(value: Any) -> None:
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=timezone(timedelta(hours=-14)))
    with pytest.raises(LabelError):
        make_label(value)


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_a_whole_number_is_one_label_as_int_float_decimal_and_text(number: int) -> None:
    assert {make_label(form) for form in (number, float(number), Decimal(number), str(number))} == {str(number)}


@given(st.text())
def test_a_label_is_its_own_label(text: str) -> None:
    label = make_label(text)
    assert make_label(label) == label


def test_a_number_of_thousands_of_digits_is_no_label() -> None:
    with pytest.raises(LabelError):
        make_label(10**5000)
