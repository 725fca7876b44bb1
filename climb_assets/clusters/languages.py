"""What a text is written in, as far as the rules for quality have to know, and what counts as a word there.

What belongs here: words in any script, and whether rules that know English may judge a text. No language is identified
for its own sake.
"""

import re
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from itertools import repeat

import regex

from climb_assets.clusters.function_words import CODE, ENGLISH, LATIN_LETTERS

WORD = regex.compile(r"[\p{L}\p{M}]+(?:['\u2019][\p{L}\p{M}]+)*")
_ASCII_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")  # the same, and faster, where there is nothing else
_LATIN = regex.compile(r"\p{Latin}")
_LETTER = regex.compile(r"\p{L}")
_SIGN = regex.compile(r"[][{}()<>;=_*/\\+|&$%@^~]")
# Scripts that write no spaces between words, and about how many characters a word has: two Chinese ones or kana
# (Lucene's CJK analyser takes pairs as well), four of South-East Asia.
_PIECES = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\u30fc]{1,2}|[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]{1,4}"
    r"|[^\p{Han}\p{Hiragana}\p{Katakana}\u30fc\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+"
)

LATIN_SHARE = 0.5  # of the letters; with fewer Latin ones a text is not English
FUNCTION_SHARE = 0.08  # of the words; prose has 30 to 50 % of them, of which a list holds the commonest
ACCENTED_SHARE = 0.15  # of the words; English has next to none
ENGLISH_SHARE = 0.15  # of the words; below, accents may decide
SIGN_SHARE = 0.08  # of what is not white space; prose has 1 to 2 %
KEYWORD_SHARE = 0.02  # of the words


class Writing(Enum):
    """What a text is written in.

    ``ENGLISH`` stands for no language as well: lists, tables and remnants in Latin letters, which lack the function
    words of every language, are what the rules for English prose find.
    """

    ENGLISH = 0
    OTHER = 1
    CODE = 2


def split_words(text: str) -> list[str]:
    """Return the words of a text; where a script writes no spaces, pieces about as long as a word."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    words: list[str] = WORD.findall(text)
    return [piece for word in words for piece in ([word] if word.isascii() else _PIECES.findall(word))]


def recognise(text: str, words: Sequence[str]) -> Writing:
    """Return what a text is written in, by its letters, its function words and its signs.

    Parameters
    ----------
    text, words
        In small letters; the words are those of `split_words`.
    """
    if not text.isascii() and len(_LATIN.findall(text)) < LATIN_SHARE * len(_LETTER.findall(text)):
        return Writing.OTHER
    counts, total = Counter(words), len(words) or 1

    def share(vocabulary: frozenset[str]) -> float:
        return sum(map(counts.get, vocabulary, repeat(0))) / total

    if share(CODE) >= KEYWORD_SHARE and len(_SIGN.findall(text)) >= SIGN_SHARE * len("".join(text.split())):
        return Writing.CODE
    english = share(ENGLISH)
    if max(map(share, LATIN_LETTERS.values())) >= max(FUNCTION_SHARE, english):
        return Writing.OTHER
    accented = sum(count for word, count in counts.items() if not word.isascii()) / total
    return Writing.OTHER if accented >= ACCENTED_SHARE and english < ENGLISH_SHARE else Writing.ENGLISH
