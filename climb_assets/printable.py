"""Text that comes from data, made fit to be shown: in a terminal, a table, an error, a page.

What belongs here: escaping and cutting. Whoever shows a name, a label or a message that the user's files hold calls it;
what is computed or stored never goes through it.
"""

import unicodedata

UNFIT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # Unicode's categories of what moves a cursor or hides
MOST = 200


def printable(text: str, most: int = MOST) -> str:
    """Return a text on one line, without what could steer a terminal or hide text, cut to `most` characters.

    Control characters, line ends, marks of direction, lone surrogates and unassigned code points become backslash
    escapes, so that the text stays telling. What is cut out of the middle is replaced by an ellipsis.
    """
    if len(text) > most:
        half = (most - 5) // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return "".join(_escape(letter) if unicodedata.category(letter) in UNFIT else letter for letter in text)


def printable_lines(text: str) -> str:
    """Return a text of ours in which something of the user's may stand: line by line as `printable`, and uncut."""
    return "\n".join(printable(line, max(MOST, len(line))) for line in text.split("\n"))


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
