"""Text that comes from data, made fit to be shown: in a terminal, a table, an error, a page.

What belongs here: escaping and cutting. Whoever shows a name, a label or a message that the user's files hold calls it.
Of what is stored only the details of the quarantine go through it, so it is part of what makes `corpus_shards`.
"""

import re
import unicodedata
from collections.abc import Iterable

UNFIT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # Unicode's categories of what moves a cursor or hides
MOST = 200  # characters of a name or a label
MOST_OF_A_SENTENCE = 1000


def printable(text: str, most: int = MOST) -> str:
    """Return a text on one line, without what could steer a terminal or hide text, of at most `most` characters.

    Control characters, line ends, marks of direction, lone surrogates and unassigned code points become backslash
    escapes, so that the text stays telling. What is cut out of the middle is replaced by an ellipsis.
    """
    shown = _escape(text)
    if len(shown) <= most:
        return shown
    half = (most - 5) // 2
    return f"{shown[:half]} ... {shown[-half:]}"


def printable_lines(text: str) -> str:
    """Return a text of ours in which something of the user's may stand: line by line as `printable`, and uncut."""
    return "\n".join(map(_escape, text.split("\n")))


def _escape(text: str) -> str:
    return "".join(map(_escape_letter, text))


def _escape_letter(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii") if unicodedata.category(letter) in UNFIT else letter


def markdown_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a Markdown table; what is of the user's in it has been through `markdown_cell`."""
    head = list(columns)
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]


def markdown_cell(text: str, most: int = MOST) -> str:
    """Return a text as a cell of a Markdown table: one line, no mark-up, of at most `most` characters and escapes."""
    return escape_markdown(printable(text, most))


def escape_markdown(text: str) -> str:
    """Return a text in which nothing is mark-up for Markdown."""
    return re.sub(r"([\\`*_\[\]<>|&#!~])", r"\\\1", text)
