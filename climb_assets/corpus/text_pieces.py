"""How a .txt file becomes documents.

What belongs here: the rules of `corpus.text_files`. Reading the file is `readers`.
"""

import re
from collections.abc import Iterator

_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
_CUTS = ("\n\n", "\n", " ")  # where a piece may end, the best first


def split_text(text: str, rule: str, characters: int) -> list[str]:
    """Return the pieces of a text file in order; at least one, and where there are more none is blank.

    Parameters
    ----------
    rule
        ``whole``: one piece. ``form_feed``: parted at form feeds. ``blank_lines``: each paragraph is one.
        ``length``: of at most `characters`, each cut at its last blank line, else at its last line, else at its last
        space.
    """
    text = text.replace("\r\n", "\n") if rule in ("blank_lines", "length") else text
    match rule:
        case "form_feed":
            pieces = text.split("\f")
        case "blank_lines":
            pieces = _BLANK_LINES.split(text)
        case "length":
            pieces = list(_cut(text, characters))
        case _:
            pieces = [text]
    return [piece for piece in pieces if piece.strip()] or [text]


def _cut(text: str, characters: int) -> Iterator[str]:
    start = 0
    while len(text) - start > characters:
        window = start + characters
        found = (text.rfind(cut, start, window) + len(cut) for cut in _CUTS if text.rfind(cut, start, window) > start)
        end = next(found, window)
        yield text[start:end]
        start = end
    yield text[start:]
