"""What a document is: its normal form, its id, its split, its table.

What belongs here: everything that is decided for one text alone. Reading files is `readers`; what is decided
among documents (duplicates, accounts) is `ingest`.
"""

import re
import unicodedata
from typing import NamedTuple

import pyarrow as pa

from climb_assets.config import Corpus
from climb_assets.corpus.records import Record
from climb_assets.store.artifacts import sha256_text

SPLITS = ("train", "search_eval", "report_eval")

DOCUMENTS = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("file", pa.string()),
        ("record", pa.int64()),
        ("source", pa.string()),
        ("licence", pa.string()),
        ("article", pa.string()),
        ("split", pa.string()),
        ("bytes", pa.int64()),
    ]
)

MARKS = 30  # combining marks in a row that are kept (UAX #15, stream-safe text): NFC is quadratic in their number

_MANY_MARKS = re.compile(rf"[^\w\s\x00-\x7f]{{{MARKS + 1},}}")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff]")


class Document(NamedTuple):
    """One row of `DOCUMENTS`, in the order of its columns; `bytes` is the UTF-8 length of the text."""

    id: str
    text: str
    file: str
    record: int
    source: str | None
    licence: str | None
    article: str | None
    split: str
    bytes: int


def normalise(text: str) -> str:
    r"""Return a text's normal form; normalising it again changes nothing.

    Control characters but tab and newline go, and byte order marks; every kind of newline becomes ``\n``;
    NFC, of at most `MARKS` combining marks in a row; no space at the end of a line, no empty lines at either end.
    Linear in the length of the text.
    """
    text = _CONTROLS.sub("", text)
    if not text.isascii():
        text = _limit_marks(unicodedata.normalize("NFC", _limit_marks(text)))
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def _limit_marks(text: str) -> str:
    return _MANY_MARKS.sub(_keep_first_marks, text)


def _keep_first_marks(match: re.Match[str]) -> str:
    kept, marks = [], 0
    for character in match[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MARKS:
            kept.append(character)
    return "".join(kept)


def document_id(text: str) -> str:
    """Return the first 32 hex digits of the SHA-256 of a normalised text."""
    return sha256_text(text)[:32]


def assign_split(key: str, settings: Corpus) -> str:
    """Return the split of what is split as one: an article by its label, a document without one by its id."""
    draw = int(sha256_text(f"{settings.split_seed}\x1f{key}")[:16], 16) / 2**64
    if draw < settings.search_eval:
        return "search_eval"
    return "report_eval" if draw < settings.search_eval + settings.report_eval else "train"


def make_document(record: Record, file: str, settings: Corpus) -> Document:
    """Return the document of a record. `file` is the path under the raw folder.

    Its split follows from its article or, if the record names none, from its text: never from the place where it lies.
    """
    text = normalise(record.text)
    identity, article = document_id(text), _label(record.article)
    return Document(
        id=identity,
        text=text,
        file=file,
        record=record.row,
        source=_label(record.source),
        licence=_label(record.licence),
        article=article,
        split=assign_split(identity if article is None else article, settings),
        bytes=len(text.encode()),
    )


def _label(value: str | None) -> str | None:
    """Return a label on one line in NFC, so that one name is one however it was written; None if nothing is left."""
    return None if value is None else " ".join(normalise(value).split()) or None
