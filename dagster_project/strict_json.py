"""JSON that every reader takes: what `--json` prints.

What belongs here: turning values of Python, DuckDB and Arrow into what JSON has. RFC 8259 knows neither NaN nor
Infinity, no date and no decimal of its own.
"""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

WIDEST = 76  # digits of Arrow's widest decimal


def to_json(value: Any) -> str:
    """Return a value as JSON text, ASCII only: not finite becomes null, decimals numbers, dates ISO 8601, bytes hex."""
    return json.dumps(_plain(value), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            if not value.is_finite():
                return None
            whole = value.adjusted() < WIDEST and value == value.to_integral_value()
            return int(value) if whole else _plain(float(value))
        case Mapping():
            return {key if isinstance(key, str) else str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case date() | datetime() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
    return str(value)
