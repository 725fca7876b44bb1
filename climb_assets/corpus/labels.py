"""Labels of a record (source, licence, article) as text, whatever a file holds them as.

What belongs here: when two values are the same label, and which values are none. Documents of one article share a
split, so ``7``, ``7.0`` (pandas writes ids so where one is missing) and ``"7"`` must be one label.
"""

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from climb_assets.corpus.normal_text import normalise

EXACT_FLOATS = 2.0**53  # below, every whole number is a float of its own


class LabelError(Exception):
    """A value that is there and cannot be made text."""


def make_label(value: Any) -> str | None:
    """Return the text of a label on one line, in its normal form; None where there is none: null, NaN, blank.

    Whole numbers are written without a point, decimals without trailing zeros, dates as ISO 8601 (a moment at
    midnight is its day, one with a time zone is in UTC).

    Raises
    ------
    LabelError
        It cannot be made text: true and false, infinity, lists, bytes that are no UTF-8, a date beyond the year 9999.
    """
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isprintable():  # its normal form is as it is
        return " ".join(value.split()) or None
    try:
        text = _as_text(value)
        if text is None:
            return None
        text.encode()
    except (ValueError, ArithmeticError) as error:
        raise LabelError(str(error)) from None
    return " ".join(normalise(text).split()) or None


def _as_text(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case bytes():
            return value.decode()
        case bool():
            raise LabelError("true or false")
        case float():
            return _number_as_text(value)
        case Decimal():
            return None if value.is_nan() else _drop_zeros(f"{value:f}")
        case datetime():
            return _moment_as_text(value)
        case date() | time():
            return value.isoformat()
        case int() | UUID():
            return str(value)
        case _:
            raise LabelError(f"a {type(value).__name__}")


def _number_as_text(value: float) -> str | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise LabelError("infinity")
    return str(int(value)) if value.is_integer() and abs(value) < EXACT_FLOATS else repr(value)


def _drop_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moment_as_text(value: datetime) -> str | None:
    if value != value:  # pandas' NaT
        return None
    if value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    return value.date().isoformat() if value.time() == time() else value.isoformat()
