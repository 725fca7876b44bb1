"""Raw files in, records out: Parquet, Arrow, JSON lines and plain text, the last two also compressed.

What belongs here: which files are read as what, the text formats (`parquet` and `arrow_ipc` are the others), and
everything that can be wrong with a file that strangers wrote. Each thing that was read comes out as a `Record` or as a
`Fault`, never as nothing, so that a caller can account for all of them. What a record means (normalising, splits,
duplicates) is `documents` and `ingest`.
"""

import codecs
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from climb_assets.config import Corpus
from climb_assets.corpus.arrow_ipc import read_arrow_rows
from climb_assets.corpus.columns import read_table
from climb_assets.corpus.json_lines import parse_json
from climb_assets.corpus.parquet import read_parquet_rows
from climb_assets.corpus.records import WHOLE_FILE, BrokenFileError, Fault, Record
from climb_assets.corpus.regular_file import IrregularFileError, open_regular
from climb_assets.corpus.text_pieces import cut_text, split_text
from climb_assets.corpus.unpacking import PACKINGS, check_rows, read_packed, read_plain
from climb_assets.printable import printable

JSON_LINES = (".jsonl", ".ndjson", ".json")
TABLES = {".parquet": read_parquet_rows, ".arrow": read_arrow_rows, ".feather": read_arrow_rows}
KINDS = (*TABLES, *JSON_LINES, ".txt")
WEB_ARCHIVES = tuple(f"{kind}{packing}" for kind in (".warc", ".wet", ".wat") for packing in ("", *PACKINGS))
WEB_ARCHIVE_ADVICE = "a web archive, not text: extract its text to .jsonl first (trafilatura and datatrove do)"


def kind_of(name: str) -> tuple[str, str | None] | None:
    """Return a file's kind and its packing (".jsonl", ".gz"), or None if nothing here reads it."""
    packing = next((packing for packing in PACKINGS if name.lower().endswith(packing)), None)
    stem = name.lower().removesuffix(packing or "")
    kind = next((kind for kind in KINDS if stem.endswith(kind)), None)
    return None if kind is None or (kind in TABLES and packing) else (kind, packing)


def read_records(path: Path, settings: Corpus, name: str | None = None) -> Iterator[Record | Fault]:
    """Yield every record and every fault of a file, in file order and in bounded memory.

    A lone surrogate is a fault, because no UTF-8 file can hold it; NUL and other control characters stay for
    `normal_text` to drop. `source`, `licence` (or `license`) and `article` are optional (`labels`). Blank lines of JSON
    lines are not records. A text file is parted by `settings.text_files`; its pieces share an article, as they are one
    text.

    Parameters
    ----------
    name
        What the file is called, where `path` is what a link leads to.

    Raises
    ------
    OSError
        The file cannot be opened, or the device failed in the middle: that says nothing about what it holds.
    """
    name = path.name if name is None else name
    kind = kind_of(name)
    if kind is None:
        of_web = name.lower().endswith(WEB_ARCHIVES)
        known = f"not one of {', '.join(KINDS)}, the last four also as {', '.join(PACKINGS)}"
        yield Fault(WHOLE_FILE, "unknown_kind", WEB_ARCHIVE_ADVICE if of_web else known)
        return
    try:
        stream = open_regular(path)
    except IrregularFileError:
        yield Fault(WHOLE_FILE, "unreadable_file", "not a regular file")
        return
    with stream:
        if os.fstat(stream.fileno()).st_size == 0:
            yield Fault(WHOLE_FILE, "empty_file", "0 bytes")
            return
        empty = True
        try:
            for item in _read_kind(stream, *kind, settings):
                empty = False
                yield item
        except BrokenFileError as error:
            empty = False
            yield Fault(WHOLE_FILE, error.reason, printable(error.detail))
        if empty:
            yield Fault(WHOLE_FILE, "empty_file", "holds no record")


def _read_kind(stream: BinaryIO, kind: str, packing: str | None, settings: Corpus) -> Iterator[Record | Fault]:
    if kind in TABLES:
        return read_table(stream, TABLES[kind], settings)

    def read() -> Iterator[bytes]:
        stream.seek(0)
        return read_plain(stream) if packing is None else read_packed(stream, packing, settings)

    if kind == ".txt":
        return _read_text(read, settings)
    return _read_lines(read(), os.fstat(stream.fileno()).st_size, settings, whole_json=kind == ".json")


def _lines(chunks: Iterable[bytes], size: int, settings: Corpus) -> Iterator[tuple[int, bytes | None]]:
    """Yield lines that are not empty, without their newline, with their numbers from 1.

    None stands for a line of more than `settings.max_record_bytes`, which is not kept.

    Parameters
    ----------
    size
        Bytes of the file as it lies on the disk, which bounds the number of lines.
    """
    limit = settings.max_record_bytes
    pending, too_long, row = bytearray(), False, 0
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        check_rows(row + len(whole), size, settings)
        for line in whole:
            row += 1
            if pending or too_long:
                too_long = too_long or len(pending) + len(line) > limit
                line = b"" if too_long else bytes(pending) + line
                pending.clear()
            if too_long or len(line) > limit:
                yield row, None
                too_long = False
            elif line:
                yield row, line
        too_long = too_long or len(pending) + len(rest) > limit
        if too_long:
            pending.clear()
        else:
            pending += rest
    if pending or too_long:
        yield row + 1, None if too_long else bytes(pending)


def _read_lines(chunks: Iterable[bytes], size: int, settings: Corpus, *, whole_json: bool) -> Iterator[Record | Fault]:
    """Yield the records of JSON lines.

    Parameters
    ----------
    size
        Bytes of the file as it lies on the disk.
    whole_json
        The file may be one JSON value over many lines, which is told once instead of line by line.
    """
    first = True
    for row, line in _lines(chunks, size, settings):
        if line is None:
            yield Fault(row, "record_too_long", f"more than corpus.max_record_bytes, {settings.max_record_bytes}")
            first = False
            continue
        if row == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        stripped = line.strip()
        if first and whole_json and stripped in (b"[", b"{"):
            raise BrokenFileError("not_json_lines", "needs one object a line; `jq -c '.[]'` makes that of an array")
        if stripped:
            first = False
            yield parse_json(row, line, settings)


def _read_text(read: Callable[[], Iterator[bytes]], settings: Corpus) -> Iterator[Record | Fault]:
    """Yield the pieces of a text file.

    Cut by length it is never held whole, so it may have any size; it is then read twice, as its pieces bear the hash of
    the whole.

    Parameters
    ----------
    read
        Begins the file anew.
    """
    by_length = settings.text_files == "length"
    digest, content, size = hashlib.sha256(), list[str](), 0
    try:
        for text in _decode(read()):
            encoded = text.encode()
            digest.update(encoded)
            size += len(encoded)
            if not by_length:
                content.append(text)
                if size > settings.max_record_bytes:
                    limit = f"more than corpus.max_record_bytes, {settings.max_record_bytes}"
                    yield Fault(0, "record_too_long", f"{limit}; or part it: corpus.text_files: length")
                    return
    except UnicodeDecodeError as error:
        yield Fault(0, "bad_utf8", f"byte {error.start}: {error.reason}")
        return
    pieces: Iterator[str]
    if by_length:
        pieces = (piece for piece in cut_text(_decode(read()), settings.text_characters) if piece.strip())
    else:
        pieces = iter(split_text("".join(content), settings.text_files))
    first, second = next(pieces, ""), next(pieces, None)
    article = None if second is None else f"text {digest.hexdigest()[:32]}"
    for row, piece in enumerate(chain([first] if second is None else [first, second], pieces)):
        if len(piece.encode()) > settings.max_record_bytes:
            yield Fault(row, "record_too_long", f"more than corpus.max_record_bytes, {settings.max_record_bytes}")
        else:
            yield Record(row, piece, article=article)


def _decode(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the text of chunks of UTF-8, without a byte order mark.

    Raises
    ------
    UnicodeDecodeError
        It is none; `start` counts the bytes before.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    taken = 0
    for chunk in chain(chunks, [None]):
        pending = len(decoder.getstate()[0])
        try:
            yield decoder.decode(chunk or b"", final=chunk is None)
        except UnicodeDecodeError as error:
            error.start += taken - pending
            raise
        taken += len(chunk or b"")
