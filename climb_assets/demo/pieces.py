"""From articles to documents: what an article is, where it is cut, what counts as clean prose.

What belongs here: rules that hold for every kind of package. How a format is read belongs to its reader.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

SECTION_CHARACTERS = 1_200
"""A section of this length ends a document; shorter ones are joined."""
DOCUMENT_CHARACTERS = 3_000
"""Inside a long section, a document ends at the first paragraph end after this many characters."""
PARAGRAPH_CHARACTERS = 3_000
"""A longer paragraph is cut between sentences, so that no document exceeds about 6,000 characters."""
MIN_CHARACTERS = 200
MIN_LETTERS = 0.65
MIN_STOP_WORDS = 0.12
"""Shares of letters and of English stop words that make a text prose."""
FREQUENT_SHARE = 0.02
FREQUENT_CHARACTERS = 200
FREQUENT_ARTICLES = 20
"""A line of several words in more than this share of a package's articles, if it has that many, is boilerplate."""

STOP_WORDS = frozenset(
    re.findall(
        "[a-z]+",
        "the of and to a in is that it for was as with be by on not he his this are or at from but have an had they"
        " you which were there their we been has when who will no more if out so what up its about than into them"
        " can only other new some could these may then do any my now such like our over me even most also did many"
        " must through where your should because each just those how her she him i all one would add",
    )
)


@dataclass(frozen=True)
class Article:
    """What must stay on one side of a train/evaluation split: a page, an entry, a mail thread.

    `read` gives its sections when it is called, as texts whose paragraphs are separated by blank lines; a sample
    reads only the articles it needs.
    """

    name: str
    read: Callable[[], list[str]]


def cut(sections: Iterable[str]) -> list[str]:
    """Cut the sections of one article into documents, joining small sections and splitting long ones."""
    documents: list[str] = []
    buffer: list[str] = []

    def close() -> None:
        text = "\n\n".join(buffer).strip()
        if documents and len(text) < MIN_CHARACTERS:
            documents[-1] = f"{documents[-1]}\n\n{text}".strip()
        elif text:
            documents.append(text)
        buffer.clear()

    for section in sections:
        for paragraph in _paragraphs(section):
            buffer.append(paragraph)
            if sum(map(len, buffer)) >= DOCUMENT_CHARACTERS:
                close()
        if sum(map(len, buffer)) >= SECTION_CHARACTERS:
            close()
    close()
    return documents


def _paragraphs(section: str) -> list[str]:
    paragraphs: list[str] = []
    for paragraph in re.split(r"\n\s*\n", section):
        if len(paragraph) <= PARAGRAPH_CHARACTERS:
            paragraphs.append(paragraph.strip("\n"))
            continue
        short = ""
        for sentence in re.split(r"(?<=[.!?;])\s+|\n", paragraph):
            short = f"{short} {sentence}".strip()
            if len(short) >= SECTION_CHARACTERS:
                paragraphs.append(short)
                short = ""
        paragraphs.append(short)
    return [paragraph for paragraph in paragraphs if paragraph.strip()]


def is_prose(text: str) -> bool:
    """Say whether a text is long enough, mostly letters, and English."""
    solid = "".join(text.split())
    words = re.findall(r"[a-z']+", text.lower())
    if len(text) < MIN_CHARACTERS or not words:
        return False
    letters = sum(map(str.isalpha, solid)) / len(solid)
    stop_words = sum(word in STOP_WORDS for word in words) / len(words)
    return letters >= MIN_LETTERS and stop_words >= MIN_STOP_WORDS


def frequent_lines(articles: Iterable[list[str]]) -> frozenset[str]:
    """Return the lines of several words that many articles of one package have in common; headings of one word stay."""
    counts: Counter[str] = Counter()
    total = 0
    for sections in articles:
        total += 1
        lines = {line.strip() for section in sections for line in section.splitlines()}
        counts.update(line for line in lines if " " in line and len(line) <= FREQUENT_CHARACTERS)
    if total < FREQUENT_ARTICLES:
        return frozenset()
    return frozenset(line for line, count in counts.items() if count > max(2, FREQUENT_SHARE * total))


def without_lines(section: str, lines: frozenset[str]) -> str:
    """Return the section without the given lines."""
    return "\n".join(line for line in section.splitlines() if line.strip() not in lines) if lines else section


def unwrap(paragraph: str) -> str:
    """Join the lines of a hard-wrapped paragraph; leave alone what is laid out in columns or indented unevenly."""
    lines = paragraph.strip("\n").rstrip().splitlines()
    depths = {len(line) - len(line.lstrip()) for line in lines}
    if len(depths) > 2 or any(re.search(r"\S {3,}\S|^\s*[|+*$>-]", line) for line in lines):
        return "\n".join(line.rstrip() for line in lines)
    return " ".join(line.strip() for line in lines)


def unwrap_text(text: str) -> str:
    """Unwrap every paragraph of a plain text."""
    return "\n\n".join(unwrap(paragraph) for paragraph in re.split(r"\n\s*\n", text.expandtabs()) if paragraph.strip())
