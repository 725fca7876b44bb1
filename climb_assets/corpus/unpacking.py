"""Compressed files as bytes, in bounded memory, and how much a file may hold for its size.

What belongs here: gzip, zstd, bzip2 and xz, whose members and frames may be concatenated, and the bounds that keep a
small file from costing hours. What the bytes mean is `readers`.
"""

import bz2
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

import zstandard

from climb_assets.config import Corpus
from climb_assets.corpus.records import BrokenFileError

READ_BYTES = 2**20
PACKED_BYTES = 1024  # at a time: they hold 32 MB at most (RFC 8878 3.1.1.2: an RLE block packs 128 kB into 4 bytes)
XZ_MEMORY = 2**27  # what xz -9 needs to unpack, twice
PADDED = frozenset([".gz", ".bz2", ".xz"])  # may have zeros after a member, as tapes and copies by the block leave them


class _Frame(Protocol):
    """One gzip member, zstd frame, bzip2 or xz stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


PACKINGS: dict[str, Callable[[Corpus], _Frame]] = {
    ".gz": lambda settings: zlib.decompressobj(wbits=31),
    ".zst": lambda settings: zstandard.ZstdDecompressor(max_window_size=settings.max_window_bytes).decompressobj(),
    ".zstd": lambda settings: zstandard.ZstdDecompressor(max_window_size=settings.max_window_bytes).decompressobj(),
    ".bz2": lambda settings: bz2.BZ2Decompressor(),
    ".xz": lambda settings: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY),
}
ERRORS = (zlib.error, zstandard.ZstdError, lzma.LZMAError, OSError)  # OSError: bzip2, which reads no device here


def read_plain(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the content of a file as it is."""
    while chunk := stream.read(READ_BYTES):
        yield chunk


def read_packed(stream: BinaryIO, packing: str, settings: Corpus) -> Iterator[bytes]:
    """Yield the content of concatenated members, frames or streams; zeros between and after them count for nothing.

    Parameters
    ----------
    packing
        One of `PACKINGS`.

    Raises
    ------
    BrokenFileError
        The file is damaged, ends too early, or holds more than `settings.max_expansion` times its size.
    OSError
        The device failed.
    """
    allowed = os.fstat(stream.fileno()).st_size * settings.max_expansion
    frame: _Frame | None = None
    begun = False  # zeros alone are a file that was never filled, and no padding
    while packed := stream.read(PACKED_BYTES):
        while packed:
            if frame is None:
                if begun and packing in PADDED and not (packed := packed.lstrip(b"\0")):
                    break
                frame, begun = PACKINGS[packing](settings), True
            for chunk in _decompress(frame, packed):
                allowed -= len(chunk)
                if allowed < 0:
                    raise BrokenFileError("bomb", f"unpacks to more than {settings.max_expansion} times its size")
                yield chunk
            packed = b""
            if frame.eof:
                packed, frame = frame.unused_data, None
    if frame is not None:
        raise BrokenFileError("truncated", "ends in the middle of compressed data")


def _decompress(frame: Any, packed: bytes) -> Iterator[bytes]:
    """Yield what some packed bytes hold; bzip2 and xz can hold so much that it comes in pieces."""
    try:
        if not hasattr(frame, "needs_input"):
            yield frame.decompress(packed)
            return
        yield frame.decompress(packed, READ_BYTES)
        while not frame.eof and not frame.needs_input:
            yield frame.decompress(b"", READ_BYTES)
    except ERRORS as error:
        detail = str(error)
        if "too much memory" in detail:
            detail += "; raise corpus.max_window_bytes, or pack it again with a shorter window (--long)"
        raise BrokenFileError("corrupt", detail) from None


def check_rows(rows: int, size: int, settings: Corpus) -> None:
    """Refuse a file of more rows, blank ones included, than its size allows.

    Parameters
    ----------
    size
        Bytes of the file as it lies on the disk.

    Raises
    ------
    BrokenFileError
        There are more than `settings.max_rows`, and one a byte.
    """
    if rows > settings.max_rows + size:
        raise BrokenFileError("bomb", f"more than {settings.max_rows} rows, and one for each of its bytes")
