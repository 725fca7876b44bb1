"""Texts as hashes of their words, and of runs of words, for comparing them quickly.

What belongs here: what counts as a word, and 64-bit hashes that are the same on every machine and in every version.
What is compared with what belongs to `signatures` and `contamination`.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from climb_assets.randomness import scramble

WORD_BYTES = 64  # of a longer word these count
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits even: 2**64 over the golden ratio

_OTHER_MARKS = re.compile(r"[^\w\x00-\x7f]")  # punctuation beyond ASCII
# Scripts that write no spaces between words: each character is a word.
_UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")
_BYTES = np.arange(256)
_IN_WORD = np.isin(_BYTES, list(b"0123456789abcdefghijklmnopqrstuvwxyz")) | (_BYTES >= 128)  # letters beyond ASCII
_END = "\0"


def hash_words(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the hashes of all words, text after text, and the number of words of each text.

    A word is a run of letters and digits, whatever their case; punctuation and white space only part words.
    """
    data = np.frombuffer(_END.join(map(_part_words, texts)).encode(), np.uint8)
    inside = np.zeros(len(data) + 2, np.bool_)
    inside[1:-1] = _IN_WORD[data]
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    text_ends = np.append(np.flatnonzero(data == 0), len(data))[: len(texts)]
    counts = np.diff(np.searchsorted(starts, text_ends), prepend=0)
    return scramble(_hash_bytes(data, starts, ends - starts)), counts


def _part_words(text: str) -> str:
    """Return a text in small letters in which only ASCII parts words."""
    text = text.lower()
    if not text.isascii():
        text = _UNSPACED.sub(r" \1 ", _OTHER_MARKS.sub(" ", text))
    return text.replace(_END, " ")


def _hash_bytes(data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a polynomial hash of each run of bytes, for all runs at once, one place after the other."""
    missing = (WORD_BYTES - np.minimum(lengths, WORD_BYTES)).astype(np.uint8)
    order = np.argsort(missing, kind="stable")  # longest first, so those that reach a place are the first ones
    reaching = np.cumsum(np.bincount(missing, minlength=WORD_BYTES + 1))[::-1]
    starts = starts[order]
    sorted_hashes = np.zeros(len(starts), np.uint64)
    for place, count in enumerate(reaching[1:]):
        part = sorted_hashes[:count]
        part *= FACTOR
        part += data[starts[:count] + place]
    hashes = np.empty_like(sorted_hashes)
    hashes[order] = sorted_hashes
    return hashes


def hash_runs(
    words: NDArray[np.uint64], counts: NDArray[np.int64], lengths: Sequence[int]
) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """Yield, for each length, the hashes of all runs of so many words within one text, and their number by text.

    Parameters
    ----------
    words, counts
        What `hash_words` returned.
    lengths
        Ascending, from 1.
    """
    runs, length = words, 1
    text_ends = np.repeat(np.cumsum(counts), counts)
    for wanted in lengths:
        while length < wanted:
            runs = runs[:-1] * FACTOR + words[length:]
            length += 1
        inside = np.arange(len(runs)) + length <= text_ends[: len(runs)]
        yield runs[inside], np.maximum(counts - length + 1, 0)
