"""Entries of dictd dictionaries (``.index`` and ``.dict.dz``).

What belongs here: the index and what its entries look like. Neighbouring entries are joined to one article.
"""

import gzip
import re
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from unicodedata import normalize

from climb_assets.demo.archives import Members
from climb_assets.demo.pieces import SECTION_CHARACTERS, Article

COMBINING = {"'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304", ",": "\u0327"}
ACCENT = re.compile(r"\[(['`^\"~=,])([A-Za-z])\]")
"""How GCIDE writes accented letters."""
SENSE = re.compile(r"\d+\. |\([a-z]\) ")
TABLE = re.compile(r"[|+]--|--[|+]|^\s*\|", re.MULTILINE)
DIGITS = {
    digit: value for value, digit in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}


def read_dictionary(members: Members) -> Iterator[Article]:
    """Yield runs of neighbouring entries, each about as long as one document."""
    for name in (name for name in members if name.endswith(".index")):
        stem = name.removesuffix(".index")
        text = gzip.decompress(members[f"{stem}.dict.dz"])
        run: list[tuple[int, int]] = []
        for entry in _entries(members[name].decode("utf-8", "replace")):
            run.append(entry)
            if sum(length for _, length in run) >= SECTION_CHARACTERS:
                yield _article(PurePosixPath(stem).name, text, run)
                run = []
        if run:
            yield _article(PurePosixPath(stem).name, text, run)


def _entries(index: str) -> list[tuple[int, int]]:
    """Return (offset, bytes) of each entry once, in the order of the text; several headwords share one entry."""
    places = set()
    for line in index.splitlines():
        headword, offset, length = line.split("\t")[:3]
        if not headword.startswith(("00-database", "00database")):
            places.add((_number(offset), _number(length)))
    return sorted(places)


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 64 + DIGITS[digit]
    return value


def _article(dictionary: str, text: bytes, run: list[tuple[int, int]]) -> Article:
    entries = [text[offset : offset + length] for offset, length in run]
    headword = re.split(r"\s*[\\\[{\n]", entries[0].decode("utf-8", "replace").strip())[0]
    return Article(f"{dictionary}: {headword} @{run[0][0]}", partial(_read, entries))


def _read(entries: list[bytes]) -> list[str]:
    return ["\n\n".join(_clean(entry.decode("utf-8", "replace")) for entry in entries)]


def _clean(entry: str) -> str:
    """Remove reference braces, source marks and pronunciations."""
    entry = re.sub(r"\[(1913 Webster|Webster 1913 Suppl\.|PJC|WordNet [\d.]+|[\w. ]+\s*\+?PJC)\]", "", entry)
    entry = re.sub(r"\\[^\\\n]{1,80}\\", "", entry)
    entry = re.sub(r"\n\s*\((19|20)\d\d-\d\d-\d\d\)\s*$", "", entry)
    entry = ACCENT.sub(lambda match: normalize("NFC", match[2] + COMBINING[match[1]]), re.sub(r"[{}]", "", entry))
    return "\n\n".join(_flow(paragraph) for paragraph in re.split(r"\n\s*\n", entry) if paragraph.strip())


def _flow(paragraph: str) -> str:
    """Join hard-wrapped lines, each numbered sense on its own line; leave tables alone."""
    if TABLE.search(paragraph):
        return "\n".join(line.rstrip() for line in paragraph.splitlines())
    flowing: list[str] = []
    for line in map(str.strip, paragraph.strip().splitlines()):
        if flowing and not SENSE.match(line):
            flowing[-1] = f"{flowing[-1]} {re.sub(r' {2,}', ' ', line)}"
        else:
            flowing.append(re.sub(r" {2,}", " ", line))
    return "\n".join(flowing)
