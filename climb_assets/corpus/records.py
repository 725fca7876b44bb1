"""What readers hand out: a record or a fault.

What belongs here: the two of them, and what every format does alike with the keys of one row. Formats are
`readers` and `parquet`.
"""

from dataclasses import dataclass
from typing import Any

WHOLE_FILE = -1
LICENCE_KEYS = ("licence", "license")
DETAIL_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Record:
    """One text as it stands in a file. `row` counts lines or rows from 1; a .txt file is row 0."""

    row: int
    text: str
    source: str | None = None
    licence: str | None = None
    article: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is no record: one row, or with `row` -1 the whole file or all that follows in it."""

    row: int
    reason: str
    detail: str


class BrokenFileError(Exception):
    """The rest of a file cannot be read: reason and detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def make_record(row: int, value: dict[str, Any], text_key: str) -> Record | Fault:
    """Return the record of one row's values; a fault if its text is no text, or anything in it no UTF-8."""
    text = value.get(text_key)
    if not isinstance(text, str):
        return Fault(row, "no_text", f"{text_key} is {'absent' if text is None else type(text).__name__}")
    licence = next((value[key] for key in LICENCE_KEYS if value.get(key) is not None), None)
    labels = [_label(label) for label in (value.get("source"), licence, value.get("article"))]
    try:
        for part in (text, *labels):
            (part or "").encode()
    except UnicodeEncodeError as error:
        return Fault(row, "bad_utf8", f"character {error.start}: {error.reason}")
    return Record(row, text, *labels)


def _label(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def printable(text: str) -> str:
    """Return a short, one-line text that any table and terminal can hold."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())[:DETAIL_CHARACTERS]
