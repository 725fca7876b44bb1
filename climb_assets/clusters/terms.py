"""The terms that set groups of documents apart, by class-based TF-IDF.

What belongs here: choosing a few documents of each group, what a term is, and weighing terms. Explanation only: nothing
that is computed further depends on a term.
"""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import regex
from numpy.typing import NDArray

from climb_assets.clusters.function_words import LATIN_LETTERS, NEWS, OTHER_SCRIPTS, PARTICLES, REMNANTS
from climb_assets.clusters.shards import ShardTables
from climb_assets.corpus.side_by_side import train_mask
from climb_assets.tables import read_table

GROUP_DOCUMENTS = 200  # the paper names topics from 100 (section D.4)
CHARACTERS = 4000  # of a document
VOCABULARY = 20_000

# What a tokenizer or a page left: <unk>, </s>, the pieces of WordPiece and the marks of spaces.
_REMNANT = regex.compile(r"<[^<>\s]{1,20}>|&\w{2,8};|##\w+|[\u0120\u010a\u2581]")
# A word of three letters; of Chinese and Japanese, ideographs or katakana, since hiragana hold sentences together.
_TERM = regex.compile(
    r"[\p{Katakana}\u30fc]{2,}|\p{Han}{2,}|[[\p{L}\p{M}]--[\p{Han}\p{Hiragana}\p{Katakana}\u30fc]]{3,}", regex.V1
)
_HAN = regex.compile(r"\p{Han}")


def split_terms(text: str) -> list[str]:
    """Return what may be a term of a text, in small letters: words without function words, pairs of ideographs."""
    terms: list[str] = []
    for word in _TERM.findall(_REMNANT.sub(" ", text).lower()):
        if _HAN.match(word):
            pairs = (word[place : place + 2] for place in range(len(word) - 1))
            terms += [pair for pair in pairs if PARTICLES.isdisjoint(pair)]
        elif word not in _empty_words():
            terms.append(word)
    return terms


@functools.cache
def _empty_words() -> frozenset[str]:
    """Return the words that say nothing of a subject."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS).union(NEWS, REMNANTS, OTHER_SCRIPTS, *LATIN_LETTERS.values())


def characteristic_terms(texts: Sequence[str], count: int) -> list[list[str]]:
    """Return the `count` most characteristic terms of each text, which stands for a group, best first.

    The weight of term t in class c is ``tf(t, c) * log(1 + A / f(t))``: its share of the class, its
    frequency f over all classes, A words in a class on average (BERTopic, arXiv 2203.05794, equation 2).
    """
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(lowercase=False, tokenizer=split_terms, token_pattern=None, max_features=VOCABULARY)
    try:
        counts = vectorizer.fit_transform(texts).toarray().astype(np.float64)
    except ValueError:  # scikit-learn's answer to texts without a single word: numbers
        return [[] for _ in texts]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    weights = share * np.log1p(counts.sum() / len(texts) / counts.sum(axis=0))
    terms = vectorizer.get_feature_names_out()  # alphabetical, so ties go to the first word
    best = np.argsort(-weights, axis=1, kind="stable")[:, :count]
    return [[str(terms[i]) for i in row if weights[group, i] > 0] for group, row in enumerate(best)]


def sample_texts(
    shards: Sequence[ShardTables], splits: Path, group_of: NDArray[np.int64], documents: int = GROUP_DOCUMENTS
) -> list[list[str]]:
    """Return the beginnings of each group's first train documents by id; an id is a hash, so the sample is fair.

    Parameters
    ----------
    group_of
        Group of each cluster, -1 for a cluster in none.
    documents
        At most so many of a group.
    """
    chosen: list[list[tuple[str, int, int]]] = [[] for _ in range(int(group_of.max()) + 1)]
    for number, shard in enumerate(shards):
        assigned = read_table(shard.assignments, ["id", "cluster"])
        ids = np.array(assigned["id"].to_pylist())
        groups = group_of[assigned["cluster"].to_numpy()]
        train = train_mask(shard.shard, shard.documents, splits)
        for group, found in enumerate(chosen):
            rows = np.flatnonzero(train & (groups == group))
            rows = rows[np.argsort(ids[rows])[:documents]]
            chosen[group] = sorted(found + [(str(ids[row]), number, int(row)) for row in rows])[:documents]
    texts: dict[tuple[int, int], str] = {}
    for number, shard in enumerate(shards):
        rows = np.array(sorted(row for found in chosen for _, of_shard, row in found if of_shard == number), np.int64)
        texts |= {(number, row): text[:CHARACTERS] for row, text in _read_texts(shard.documents, rows)}
    return [[texts[number, row] for _, number, row in found] for found in chosen]


def _read_texts(documents: Path, rows: NDArray[np.int64]) -> Iterator[tuple[int, str]]:
    """Yield the texts of some rows, opening only the row groups that hold one."""
    start = 0
    with pq.ParquetFile(documents, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            wanted = rows[(rows >= start) & (rows < end)]
            if len(wanted):
                texts = file.read_row_group(group, columns=["text"])["text"].take(wanted - start)
                yield from zip(wanted.tolist(), texts.to_pylist(), strict=True)
            start = end
