"""What readers hand out: a record or a fault.

What belongs here: the two of them, and what every format does alike with the keys of one row. Formats are
`readers`, `parquet` and `arrow_ipc`; what a label is, `labels`.
"""

from dataclasses import dataclass
from os import PathLike, fsdecode
from typing import Any, NamedTuple

from climb_assets.corpus.labels import LabelError, make_label
from climb_assets.printable import printable

WHOLE_FILE = -1
LABEL_KEYS = {"source": ("source",), "licence": ("licence", "license"), "article": ("article",)}


class Record(NamedTuple):
    """One text as it stands in a file.

    Parameters
    ----------
    row
        Lines and rows count from 1; the pieces of a .txt file from 0.
    dropped
        The labels whose values cannot be made text, so that they count as absent.
    """

    row: int
    text: str
    source: str | None = None
    licence: str | None = None
    article: str | None = None
    dropped: tuple[str, ...] = ()


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
    """Return the record of one row's values; a fault if its text is no text, or no UTF-8.

    A label is taken from the first of its `LABEL_KEYS` that holds one. What cannot be made text is dropped and told.
    """
    text = value.get(text_key)
    if not isinstance(text, str):
        return Fault(row, "no_text", f"{printable(text_key)} is {'absent' if text is None else type(text).__name__}")
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError as error:
        return Fault(row, "bad_utf8", f"character {error.start}: {error.reason}")
    labels: list[str | None] = []
    dropped: tuple[str, ...] = ()
    for name, keys in LABEL_KEYS.items():
        try:
            labels.append(_first_label(value, keys))
        except LabelError:
            labels.append(None)
            dropped += (name,)
    source, licence, article = labels
    return Record(row, text, source, licence, article, dropped)


def _first_label(value: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        label = make_label(value.get(key))
        if label is not None:
            return label
    return None


def printable_name(path: str | PathLike[str]) -> str:
    """Return a path as text that can be written down: bytes that are no UTF-8 are escaped."""
    return fsdecode(path).encode("utf-8", "backslashreplace").decode()
