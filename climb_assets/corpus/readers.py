"""Raw files in, records out: Parquet, JSONL and plain text, the last two also as .gz and .zst.

What belongs here: opening, unpacking, the text formats (`parquet` is the third), and everything that can be
wrong with a file that strangers wrote. Each thing that was read comes out as a `Record` or as a `Fault`, never as
nothing, so that a caller can account for all of them. What a record means (normalising, splits, duplicates) is
`documents` and `ingest`.
"""

import codecs
import errno
import json
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard

from climb_assets.config import Corpus
from climb_assets.corpus.parquet import read_parquet
from climb_assets.corpus.records import WHOLE_FILE, BrokenFileError, Fault, Record, make_record, printable

KINDS = (".parquet", ".jsonl", ".txt")

READ_BYTES = 2**20
PACKED_BYTES = 1024  # at a time: they hold 32 MB at most (RFC 8878 3.1.1.2: an RLE block packs 128 kB into 4 bytes)
ZSTD_WINDOW = 2**27  # what `zstd -d` accepts without --long; also the memory that a frame may ask for


class _Frame(Protocol):
    """What zlib's and zstandard's decompression objects share: one gzip member, one zstd frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


PACKINGS: dict[str, Callable[[], _Frame]] = {
    ".gz": lambda: zlib.decompressobj(wbits=31),
    ".zst": lambda: zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj(),
}


def kind_of(name: str) -> tuple[str, str | None] | None:
    """Return a file's kind and its packing (".jsonl", ".gz"), or None if nothing here reads it."""
    packing = next((packing for packing in PACKINGS if name.lower().endswith(packing)), None)
    stem = name.lower().removesuffix(packing or "")
    kind = next((kind for kind in KINDS if stem.endswith(kind)), None)
    return None if kind is None or (kind == ".parquet" and packing) else (kind, packing)


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; a link, folder, FIFO, socket or device raises OSError and never blocks."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return os.fdopen(descriptor, "rb")


def read_records(path: Path, settings: Corpus) -> Iterator[Record | Fault]:
    """Yield every record and every fault of a file, in file order and in bounded memory.

    A lone surrogate is a fault, because no UTF-8 file can hold it; NUL and other control characters stay for
    `documents.normalise` to drop. `source`, `licence` (or `license`) and `article` are optional; a value that is
    neither text nor a whole number counts as absent. Blank lines of a JSONL file are not records.

    Raises
    ------
    OSError
        The device failed in the middle of the file: what was read says nothing about the file.
    """
    kind = kind_of(path.name)
    if kind is None:
        yield Fault(WHOLE_FILE, "unknown_kind", f"not one of {', '.join(KINDS)}, plain, .gz or .zst")
        return
    try:
        stream = open_regular(path)
    except OSError as error:
        yield Fault(WHOLE_FILE, "unreadable_file", error.strerror or "cannot be opened")
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
    if kind == ".parquet":
        return read_parquet(stream, settings)
    chunks = _plain(stream) if packing is None else _unpacked(stream, PACKINGS[packing], settings.max_expansion)
    return _read_jsonl(chunks, settings) if kind == ".jsonl" else _read_text(chunks, settings)


def _plain(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(READ_BYTES):
        yield chunk


def _unpacked(stream: BinaryIO, start: Callable[[], _Frame], max_expansion: int) -> Iterator[bytes]:
    """Yield the content of concatenated gzip members or zstd frames."""
    allowed = os.fstat(stream.fileno()).st_size * max_expansion
    frame: _Frame | None = None
    try:
        while packed := stream.read(PACKED_BYTES):
            while packed:
                frame = frame or start()
                chunk = frame.decompress(packed)
                allowed -= len(chunk)
                if allowed < 0:
                    raise BrokenFileError("bomb", f"unpacks to more than {max_expansion} times its size")
                yield chunk
                packed = b""
                if frame.eof:
                    packed, frame = frame.unused_data, None
    except (zlib.error, zstandard.ZstdError) as error:
        raise BrokenFileError("corrupt", str(error)) from None
    if frame is not None:
        raise BrokenFileError("truncated", "ends in the middle of compressed data")


def _lines(chunks: Iterable[bytes], limit: int) -> Iterator[bytes | None]:
    """Yield lines without their newline; None stands for a line of more than `limit` bytes, which is not kept."""
    pending, too_long = bytearray(), False
    for chunk in chunks:
        start = 0
        while start < len(chunk):
            end = chunk.find(b"\n", start)
            stop = len(chunk) if end < 0 else end
            too_long = too_long or len(pending) + stop - start > limit
            if too_long:
                pending.clear()
            else:
                pending += chunk[start:stop]
            if end >= 0:
                yield None if too_long else bytes(pending)
                pending.clear()
                too_long = False
            start = stop + 1
    if pending or too_long:
        yield None if too_long else bytes(pending)


def _read_jsonl(chunks: Iterable[bytes], settings: Corpus) -> Iterator[Record | Fault]:
    for row, line in enumerate(_lines(chunks, settings.max_record_bytes), start=1):
        if line is None:
            yield Fault(row, "record_too_long", f"more than {settings.max_record_bytes} bytes")
            continue
        if row == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if line.strip():
            yield _parse_json(row, line, settings.text_column)


def _parse_json(row: int, line: bytes, text_key: str) -> Record | Fault:
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError as error:
        return Fault(row, "bad_utf8", f"byte {error.start}: {error.reason}")
    except RecursionError:
        return Fault(row, "too_deep", "JSON is nested too deeply")
    except ValueError as error:
        return Fault(row, "bad_json", printable(str(error)))
    if not isinstance(value, dict):
        return Fault(row, "not_an_object", f"a {type(value).__name__}, not an object")
    return make_record(row, value, text_key)


def _read_text(chunks: Iterable[bytes], settings: Corpus) -> Iterator[Record | Fault]:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > settings.max_record_bytes:
            yield Fault(0, "record_too_long", f"more than {settings.max_record_bytes} bytes")
            return
    try:
        yield Record(0, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        yield Fault(0, "bad_utf8", f"byte {error.start}: {error.reason}")
