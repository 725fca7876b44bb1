"""Novels inside R's lazy-load databases (``.rdb``), read without R.

What belongs here: the few record types that a vector of text lines has in R's XDR serialisation
(R Internals 1.8). A chapter is one article.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from functools import partial

from climb_assets.demo.archives import MAX_MEMBER, Members
from climb_assets.demo.pieces import Article, unwrap_text
from climb_assets.errors import CorpusError

INTEGER = struct.Struct(">i")
STRING_VECTOR = 16
MISSING = -1
CHAPTER = re.compile(r"^\s*chapter\s+[IVXLC\d]+\.?\s*$", re.IGNORECASE)


def read_novels(members: Members) -> Iterator[Article]:
    """Yield the chapters of every vector of lines in each database.

    Raises
    ------
    CorpusError
        A stream holds something else than a vector of strings.
    """
    for name, data in members.items():
        while data:
            stream = zlib.decompressobj()
            lines = _strings(stream.decompress(data[INTEGER.size :], MAX_MEMBER), name)
            data = stream.unused_data
            yield from _chapters(lines)


def _strings(data: bytes, name: str) -> list[str]:
    if data[:2] != b"X\n":
        raise CorpusError(f"{name} is not in R's XDR serialisation")
    version = INTEGER.unpack_from(data, 2)[0]
    position = 14
    if version >= 3:  # the native encoding follows the versions
        position += INTEGER.size + INTEGER.unpack_from(data, position)[0]
    kind, count = struct.unpack_from(">ii", data, position)
    if kind & 0xFF != STRING_VECTOR:
        raise CorpusError(f"{name} holds an object that is not a vector of strings")
    position += 8
    strings = []
    for _ in range(count):
        length = INTEGER.unpack_from(data, position + 4)[0]
        position += 8
        strings.append("" if length == MISSING else data[position : position + length].decode("utf-8", "replace"))
        position += max(length, 0)
    return strings


def _chapters(lines: list[str]) -> Iterator[Article]:
    title = next((line.strip().title() for line in lines if line.strip()), "untitled")
    starts = [number for number, line in enumerate(lines) if CHAPTER.match(line)]
    for ordinal, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True), start=1):
        yield Article(f"{title}, chapter {ordinal}", partial(_read, lines[start + 1 : end]))


def _read(lines: list[str]) -> list[str]:
    return [unwrap_text("\n".join(lines))]
