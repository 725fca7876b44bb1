"""What can be counted in a text that says something of its quality.

What belongs here: one pass over a text, giving plain numbers. What they are worth is for `quality` to say, and which
of them may be used: vocabularies and capitals say something of English alone, as the paper's corpus is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from climb_assets.clusters.function_words import ENGLISH
from climb_assets.clusters.languages import Writing, recognise, split_words

OPENING = 200  # words in which distinct ones are counted: their share falls with the length of a text

# Of the scripts of the world the commonest signs that end a sentence; those of Chinese and Japanese need no space.
SENTENCE_END = re.compile(
    r"[.!?:;\u0589\u061f\u06d4\u0964\u1362\u104b\u17d4][\"')\]\u201d\u00bb]*(?:\s|$)|[\u3002\uff01\uff1f\uff1a\uff1b]"
)
SHOUT = re.compile(r"[!\uff01]")
NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
NAME = re.compile(r"[a-z,] [A-Z][a-z]")  # a capital inside a sentence
CAPITALS = re.compile(r"[A-Z]{4,}")
ADDRESS = re.compile(r"@\w+\.\w")
MONEY = re.compile(r"[$\u00a3\u20ac] ?[0-9]")


def _phrases(text: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(phrase.strip() for phrase in text.split(','))})\b")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DEFINITION = _phrases("""
    is an?, are the, is the, is one of, are an?, was an?, was the, refers? to, known as, defined as, defined by,
    called, consists? of, means that, such as
""")
URGING = _phrases("""
    click here, click below, call now, call today, order now, order today, act now, buy now, sign up, apply now,
    subscribe, limited time, risk[- ]free, money[- ]back, no obligation, free trial, free gift, free shipping,
    free quote, free copy, unsubscribe, opt[- ]out, be removed, special offer, visit our, our products?, our
    customers, our services, our mailing list, our web ?site, toll[- ]free, contact us, don't miss, best price
""")
PERSONAL = _words("i i'm i've i'll i'd me my mine you you're you've you'll you'd your yours we'll let's")
REASONING = _words("""
    because therefore thus hence since although however whereas consequently instance example examples similarly
    moreover furthermore if unless otherwise accordingly then so
""")
TEACHING = _words("""
    theory theories theorem proof definition method methods principle principles explain explains explained
    describe describes described introduction chapter section history study studies studied science scientific
    research analysis system process structure function concept concepts learn learning understand understanding
    teach knowledge develop developed development model models problem problems question questions result
    results note defined term terms form forms general particular specific common different following used using
""")
SELLING = _words("""
    buy buying sale sales offer offers offered discount discounts price prices pricing cheap cheapest guarantee
    guaranteed guarantees shop shopping deal deals bonus save savings earn income profit profits investment
    credit loan loans mortgage cash payment payments customer customers purchase shipping subscribe subscription
    promotion promotional advertisement advertising marketing sponsor sponsored winner prize opportunity billing
    refund insurance casino viagra
""")


@dataclass(frozen=True)
class Signals:
    """Numbers of n texts, each (n,). Shares are of words, lines or characters; rates are per 100 words."""

    writing: NDArray[np.float64]  # the value of a `Writing`
    words: NDArray[np.float64]
    stop_share: NDArray[np.float64]
    letter_share: NDArray[np.float64]  # characters in words, of all but white space
    long_share: NDArray[np.float64]  # words of more than seven letters
    distinct_share: NDArray[np.float64]  # of the opening
    personal_share: NDArray[np.float64]
    sentence_words: NDArray[np.float64]
    repeated_lines: NDArray[np.float64]
    numbers: NDArray[np.float64]
    names: NDArray[np.float64]
    reasoning: NDArray[np.float64]
    definitions: NDArray[np.float64]
    teaching: NDArray[np.float64]
    selling: NDArray[np.float64]
    urging: NDArray[np.float64]
    shouting: NDArray[np.float64]
    links: NDArray[np.float64]
    money: NDArray[np.float64]

    @property
    def any(self) -> NDArray[np.bool_]:
        """All of them (n,)."""
        return np.ones(self.writing.shape, np.bool_)

    @property
    def english(self) -> NDArray[np.bool_]:
        """Whether what knows English may judge it (n,)."""
        return np.equal(self.writing, Writing.ENGLISH.value)

    @property
    def prose(self) -> NDArray[np.bool_]:
        """Whether it is of sentences, whatever the language (n,)."""
        return np.not_equal(self.writing, Writing.CODE.value)


def read_signals(texts: Sequence[str]) -> Signals:
    """Count in each text."""
    counted = [_count(text) for text in texts]
    return Signals(*np.array(counted, np.float64).reshape(len(texts), -1 if texts else len(Signals.__annotations__)).T)


def _count(text: str) -> tuple[float, ...]:
    """Return the numbers of one text in the order of `Signals`."""
    lowered = text.lower()
    words = split_words(lowered)
    writing = recognise(lowered, words)
    count = len(words) or 1
    opening = words[:OPENING]
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    if writing is Writing.CODE:  # whose brackets have lines of their own
        lines = [line for line in lines if any(map(str.isalpha, line))]
    visible = len("".join(text.split())) or 1

    def share(vocabulary: frozenset[str]) -> float:
        return sum(map(vocabulary.__contains__, words)) / count

    def rate(pattern: re.Pattern[str], where: str) -> float:
        return 100 * len(pattern.findall(where)) / count

    return (
        writing.value,
        len(words),
        share(ENGLISH),
        sum(map(len, words)) / visible,
        sum(len(word) > 7 for word in words) / count,
        len(set(opening)) / (len(opening) or 1),
        share(PERSONAL),
        len(words) / (len(SENTENCE_END.findall(text)) or 1),
        1 - len(set(lines)) / (len(lines) or 1),
        rate(NUMBER, text),
        rate(NAME, text),
        100 * share(REASONING),
        rate(DEFINITION, lowered),
        100 * share(TEACHING),
        100 * share(SELLING),
        rate(URGING, lowered),
        rate(SHOUT, text) + rate(CAPITALS, text),
        100 * (text.count("://") + text.count("www.")) / count + rate(ADDRESS, text),
        rate(MONEY, text),
    )
