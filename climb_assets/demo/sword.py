"""Books of SWORD Bible modules (zText, zCom and zCom4).

What belongs here: the block and verse indexes and the markup inside. A block (a book or a chapter) is one article.

Formats: ``.?zs`` has 12 bytes for each block (offset, compressed bytes, bytes), ``.?zv`` has for each verse its block
(4 bytes), offset (4) and length (2, or 4 in zCom4), ``.?zz`` has the zlib blocks; all little-endian.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from html import unescape
from itertools import groupby

from climb_assets.demo.archives import MAX_MEMBER, Members
from climb_assets.demo.pieces import Article

LONG_VERSE = struct.Struct("<III")
SHORT_VERSE = struct.Struct("<IIH")


def read_module(members: Members) -> Iterator[Article]:
    """Yield one article for each compressed block of each testament."""
    settings = b"\n".join(data for name, data in members.items() if name.endswith(".conf"))
    joint = " " if b"ModDrv=zText" in settings else "\n\n"
    for name in (name for name in members if name.endswith("zz")):
        stem = name[:-1]
        blocks = list(struct.iter_unpack("<III", members[stem + "s"]))
        index = members[stem + "v"]
        # Some modules call themselves zCom4 and have short verses all the same.
        verse = LONG_VERSE if b"ModDrv=zCom4" in settings and len(index) % LONG_VERSE.size == 0 else SHORT_VERSE
        places = [place for place in verse.iter_unpack(index) if place[2]]
        for number, verses in groupby(places, key=lambda place: place[0]):
            offset, size, _ = blocks[number]
            compressed = members[name][offset : offset + size]
            spans = sorted({(start, length) for _, start, length in verses})
            testament = "/".join(stem.split(".")[0].rsplit("/", 2)[-2:])
            yield Article(f"{testament}/{number}", partial(_read, compressed, spans, joint))


def _read(compressed: bytes, spans: list[tuple[int, int]], joint: str) -> list[str]:
    text = zlib.decompressobj().decompress(compressed, MAX_MEMBER)
    verses = (_clean(text[start : start + length].decode("utf-8", "replace")) for start, length in spans)
    return [joint.join(verse for verse in verses if verse)]


def _clean(verse: str) -> str:
    verse = re.sub(r"<(note|title)\b.*?</\1>", " ", verse, flags=re.DOTALL)
    verse = re.sub(r"<(p|lb|br|div|chapter|lg|l)\b[^>]*>|</(p|div|lg|l)>", "\n", verse)
    verse = unescape(re.sub(r"<[^>]+>", "", verse))
    return re.sub(r"\s*\n\s*", "\n\n", re.sub(r"[ \t]+", " ", verse)).strip()
