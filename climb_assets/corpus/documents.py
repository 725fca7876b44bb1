"""What a document is: its normal form, its id, its split, its table.

What belongs here: everything that is decided for one text alone. Reading files is `readers`; what is decided
among documents (duplicates, accounts) is `ingest`.
"""

import hashlib
from typing import NamedTuple

import pyarrow as pa

from climb_assets.config import Corpus
from climb_assets.corpus.normal_text import normalise
from climb_assets.corpus.records import Record

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


def document_id(text: str) -> str:
    """Return the first 32 hex digits of the SHA-256 of a normalised text."""
    return _id_of(text.encode())


def _id_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def assign_split(key: str, settings: Corpus) -> str:
    """Return the split of what is split as one: an article by its label, a document without one by its id."""
    drawn = hashlib.sha256(f"{settings.split_seed}\x1f{key}".encode()).digest()[:8]
    draw = int.from_bytes(drawn) / 2**64
    if draw < settings.search_eval:
        return "search_eval"
    return "report_eval" if draw < settings.search_eval + settings.report_eval else "train"


def make_document(record: Record, file: str, settings: Corpus) -> Document:
    """Return the document of a record. `file` is the path under the raw folder, its first part the shard's name.

    Where the record names no source, that is its source. Its split follows from its article or, if the record names
    none, from its text: never from the place where it lies.
    """
    text = normalise(record.text)
    data, article = text.encode(), record.article
    identity = _id_of(data)
    return Document(
        id=identity,
        text=text,
        file=file,
        record=record.row,
        source=record.source or file.partition("/")[0],
        licence=record.licence,
        article=article,
        split=assign_split(identity if article is None else article, settings),
        bytes=len(data),
    )
