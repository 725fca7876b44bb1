"""Comments of Metamath databases: what the theorems say, without the formal proofs.

What belongs here: comment and section marks of the Metamath language (Metamath book, section 4.4).
A section is one article.
"""

import re
from collections.abc import Iterator
from functools import partial

from climb_assets.demo.archives import Members
from climb_assets.demo.pieces import Article, unwrap_text

MIN_COMMENT = 60
"""A shorter comment names a symbol and says nothing."""
COMMENT = re.compile(r"\$\((.*?)\$\)", re.DOTALL)
HEADING = re.compile(r"\s*(?:#\*#\*|=-=-|-\.-\.|#####)\S*\n\s*(\S[^\n]*)\n\s*(?:#\*#\*|=-=-|-\.-\.|#####)\S*\n?")
CREDIT = re.compile(
    r"\((Contributed|Revised|Proof|Moved|New usage|Reviewed|Minor|Suggested|Avoid|Old)\b[^()]*(\([^()]*\)[^()]*)*\)"
)


def read_theorems(members: Members) -> Iterator[Article]:
    """Yield the comments of each section of each database."""
    for name, data in members.items():
        section = ""
        comments: list[str] = []
        for match in COMMENT.finditer(data.decode("utf-8", "replace")):
            heading = HEADING.match(match[1])
            if heading:
                yield Article(f"{name}: {section}", partial(_read, comments))
                section, comments = heading[1].strip(), [match[1][heading.end() :]]
            elif section:
                comments.append(match[1])
        yield Article(f"{name}: {section}", partial(_read, comments))


def _read(comments: list[str]) -> list[str]:
    texts = dict.fromkeys(map(_clean, comments))  # many statements come in several forms under one comment
    return ["\n\n".join(text for text in texts if len(text) >= MIN_COMMENT)]


def _clean(comment: str) -> str:
    comment = re.sub(r"~ (\S+)", r"\1", CREDIT.sub("", comment))
    comment = re.sub(r"(?<=\s)_([^_\n]+)_(?=\W)", r"\1", comment).replace("`", "")
    return re.sub(r"(?<=\S) {2,}", " ", unwrap_text(comment)).strip()
