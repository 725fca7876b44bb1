"""The normal form of text: of documents and of their labels.

What belongs here: which texts count as the same text. What a document is made of is `documents`.
"""

import re
import unicodedata

MARKS = 30  # combining marks in a row that are kept (UAX #15, stream-safe text): NFC is quadratic in their number

_MARK = r"[^\w\s\x00-\x7f]"  # any mark, and punctuation
_MANY_MARKS = re.compile(rf"{_MARK}{{{MARKS + 1},}}")
_STEP = 10  # every tenth character of a text has at least three of 31 marks, side by side, and is soon looked through
_SOME_MARKS = re.compile(rf"{_MARK}{{{(MARKS + 1) // _STEP}}}")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff]")
_ASCII_CONTROLS = bytes(code for code in range(128) if _CONTROLS.match(chr(code)))


def normalise(text: str) -> str:
    r"""Return a text's normal form; normalising it again changes nothing.

    Control characters but tab and newline go, and byte order marks; every kind of newline becomes ``\n``;
    NFC, of at most `MARKS` combining marks in a row; no space at the end of a line, no empty lines at either end.
    Linear in the length of the text.
    """
    if text.isascii():
        text = text.encode().translate(None, _ASCII_CONTROLS).decode()  # a sixth of the time
    else:
        text = _limit_marks(unicodedata.normalize("NFC", _limit_marks(_CONTROLS.sub("", text))))
    return "\n".join(map(str.rstrip, text.splitlines())).strip("\n")


def _limit_marks(text: str) -> str:
    return _MANY_MARKS.sub(_keep_first_marks, text) if _SOME_MARKS.search(text[::_STEP]) else text


def _keep_first_marks(match: re.Match[str]) -> str:
    kept, marks = [], 0
    for character in match[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MARKS:
            kept.append(character)
    return "".join(kept)
