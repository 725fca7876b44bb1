"""Numbers for people: as many digits as say something.

What belongs here: rounding of what is shown. What is stored or computed further keeps all its digits.
"""

import math
from typing import Any

import pyarrow as pa

DIGITS = 4  # significant ones


def round_number(number: float, digits: int = DIGITS) -> float:
    """Return a number rounded to so many significant digits; digits before the point all stay."""
    if not math.isfinite(number):
        return number
    return float(round(number)) if abs(number) >= 10**digits else float(f"{number:.{digits}g}")


def round_numbers(value: Any, digits: int = DIGITS) -> Any:
    """Return a JSON value, all of whose floats are rounded; integers stay."""
    match value:
        case float():
            return round_number(value, digits)
        case dict():
            return {key: round_numbers(entry, digits) for key, entry in value.items()}
        case list() | tuple():
            return [round_numbers(entry, digits) for entry in value]
    return value


def round_table(table: pa.Table, digits: int = DIGITS) -> pa.Table:
    """Return a table whose columns of floats, or of lists of floats, are rounded."""
    for place, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_list(field.type) else field.type
        if pa.types.is_floating(kind):
            rounded = pa.array(round_numbers(table[field.name].to_pylist(), digits), field.type)
            table = table.set_column(place, field, rounded)
    return table
