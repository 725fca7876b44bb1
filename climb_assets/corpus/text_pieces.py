"""How a .txt file becomes documents.

What belongs here: the rules of `corpus.text_files`. Reading the file is `readers`.
"""

import re
from collections.abc import Iterable, Iterator

_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
_CUTS = ("\n\n", "\n", " ")  # where a piece may end, the best first


def split_text(text: str, rule: str) -> list[str]:
    """Return the pieces of a text file in order; at least one, and where there are more none is blank.

    Parameters
    ----------
    rule
        ``whole``: one piece. ``form_feed``: parted at form feeds. ``blank_lines``: each paragraph is one. For
        ``length``, which need not hold the text, see `cut_text`.
    """
    match rule:
        case "form_feed":
            pieces = text.split("\f")
        case "blank_lines":
            pieces = _BLANK_LINES.split(text.replace("\r\n", "\n"))
        case _:
            pieces = [text]
    return [piece for piece in pieces if piece.strip()] or [text]


def cut_text(texts: Iterable[str], characters: int) -> Iterator[str]:
    """Yield the pieces of a text that comes in parts, by the rule ``length``, blank ones too; memory holds a part.

    Each has at most so many characters and ends at its last blank line, else at its last line, else at its last space.
    """
    held = ""
    for text in _unite_line_ends(texts):
        held += text
        start = 0
        while len(held) - start > characters:
            window = start + characters
            found = (
                held.rfind(cut, start, window) + len(cut) for cut in _CUTS if held.rfind(cut, start, window) > start
            )
            end = next(found, window)
            yield held[start:end]
            start = end
        held = held[start:]
    yield held


def _unite_line_ends(texts: Iterable[str]) -> Iterator[str]:
    """Yield a text's parts with one line end for two, which may lie in two parts."""
    held = ""
    for text in texts:
        text = held + text
        held = "\r" if text.endswith("\r") else ""
        yield text.removesuffix("\r").replace("\r\n", "\n")
    yield held
