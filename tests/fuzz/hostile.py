"""Bytes, texts and values that nobody meant to write.

What belongs here: what every target draws from. All of it follows from the generator that it is handed.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from numpy.random import Generator

BOM = b"\xef\xbb\xbf"
MARKS = (
    *(b"\0", b"\xff\xfe", BOM, b"\x1b[2J", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\r\n", b"\n\n", b"\t"),
    *(b"NaN", b"-Infinity", b"1e400", b"-0", b"9" * 5000, b"[" * 900, b'{"a":' * 300, b"\\ud800", b"\\u0000"),
    *(b'"', b"'", b",", b":", b"\n", b"#", b"&a ", b"*a", b"!!int ", b"\x00\x00\x00\x80", b"\xff" * 8),
)
WORDS = ("river ", "lake ", "water ", "proof ", "bread\n", "number, ", "field. ", "Name\n\n")
ODDITIES = (
    *("Zürich", "e\u0301", "日本語", "مرحبا", "👩‍👩‍👧", "nan", "null", "0", "7.0", "run_id", "x" * 300, "\u0301" * 40),
    *("\x1b[31m", "\x07", "\0", "\u202e", "\u2066", "\ufeff", "\u2028", "\r", "\t", "\f", "\ud800", "\U000e0001"),
    *('"', "'", ",", "\\", "/", "%s", "{}", "=", "*", "..", "a " * 200),
)
VALUES = (
    *(None, True, False, 0, -1, 7, 2**63, -(2**63) - 1, 10**5000, 7.0, -0.0, 1e308, 5e-324),
    *(float("nan"), float("inf"), float("-inf"), Decimal("7.00"), Decimal("NaN"), Decimal("sNaN"), Decimal("1e4000")),
    *(date.max, datetime.max, datetime(2024, 1, 2, tzinfo=UTC), b"text", b"\xff", "", " "),
)


def pick(random: Generator, choices: Sequence[Any]) -> Any:
    """Return one of some choices, as it is."""
    return choices[int(random.integers(len(choices)))]


def chance(random: Generator, share: float) -> bool:
    """Return true in this share of cases."""
    return bool(random.random() < share)


def hostile_text(random: Generator, most: int = 8) -> str:
    """Return a text of at most so many pieces, of which three in ten are odd."""
    pieces = int(random.integers(most + 1))
    return "".join(pick(random, ODDITIES if chance(random, 0.3) else WORDS) for _ in range(pieces))


def hostile_value(random: Generator, depth: int = 3) -> Any:
    """Return any Python value: a number, a text, a moment, or a list or dictionary of such."""
    kind = int(random.integers(6 if depth else 4))
    if kind < 2:
        return pick(random, VALUES)
    if kind < 4:
        return hostile_text(random)
    values = [hostile_value(random, depth - 1) for _ in range(int(random.integers(4)))]
    return values if kind == 4 else {hostile_text(random, 2): value for value in values}


def hostile_json(random: Generator, value: Any) -> bytes:
    """Return a value as JSON, with what JSON has not (NaN, lone surrogates, 5,000 digits) as it comes."""
    try:
        return json.dumps(value, default=repr, ensure_ascii=chance(random, 0.5)).encode("utf-8", "surrogatepass")
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return b'{"text": "a", "gold": 0, "article": ' + b"9" * 5000 + b"}"


def damage(random: Generator, data: bytes) -> bytes:
    """Return bytes with one to four edits, now and then with none left."""
    for _ in range(int(random.integers(1, 5))):
        data = pick(random, EDITS)(random, data)
    return data


def _place(random: Generator, data: bytes) -> int:
    return int(random.integers(len(data) + 1))


def _flip(random: Generator, data: bytes) -> bytes:
    place, bit = _place(random, data), 1 << int(random.integers(8))
    return data[:place] + bytes(byte ^ bit for byte in data[place : place + 1]) + data[place + 1 :]


def _overwrite(random: Generator, data: bytes) -> bytes:
    place, mark = _place(random, data), pick(random, MARKS)
    return data[:place] + mark + data[place + len(mark) :]


def _insert(random: Generator, data: bytes) -> bytes:
    place = _place(random, data)
    return data[:place] + pick(random, MARKS) + data[place:]


def _cut_off(random: Generator, data: bytes) -> bytes:
    return data[: _place(random, data)]


def _take_out(random: Generator, data: bytes) -> bytes:
    first, last = sorted((_place(random, data), _place(random, data)))
    return data[:first] + data[last:]


def _repeat(random: Generator, data: bytes) -> bytes:
    first, last = sorted((_place(random, data), _place(random, data)))
    return data[:last] + data[first:last][:10_000] + data[last:]


Edit = Callable[[Generator, bytes], bytes]
EDITS: tuple[Edit, ...] = (_flip, _flip, _overwrite, _insert, _cut_off, _take_out, _repeat)
