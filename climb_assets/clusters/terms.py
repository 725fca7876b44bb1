"""Names for domains: the terms that set their documents apart, by class-based TF-IDF.

What belongs here: choosing a few documents of each domain and weighing their words. Explanation only: nothing that is
computed further depends on a name.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from climb_assets.clusters.shards import ShardTables
from climb_assets.corpus.splits import train_mask
from climb_assets.tables import read_table

DOCUMENTS = 200  # per domain; the paper names topics from 100 (section D.4)
CHARACTERS = 4000  # of a document
VOCABULARY = 20_000
WORD = r"(?u)\b[^\W\d_]{3,}\b"


def domain_terms(
    shards: Sequence[ShardTables], splits: Path, domain_of: NDArray[np.int64], count: int
) -> list[list[str]]:
    """Return the `count` most characteristic terms of each domain, best first.

    The weight of term t in class c is ``tf(t, c) * log(1 + A / f(t))``: its share of the class, its
    frequency f over all classes, A words in a class on average (BERTopic, arXiv 2203.05794, equation 2).

    Parameters
    ----------
    domain_of
        Domain of each cluster, -1 for a cluster that is pruned.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    texts = _sample_texts(shards, splits, domain_of)
    vectorizer = CountVectorizer(stop_words="english", token_pattern=WORD, max_features=VOCABULARY)
    try:
        counts = vectorizer.fit_transform(texts).toarray().astype(np.float64)
    except ValueError:  # scikit-learn's answer to texts without a single word: numbers, other scripts
        return [[] for _ in texts]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    weights = share * np.log1p(counts.sum() / len(texts) / counts.sum(axis=0))
    terms = vectorizer.get_feature_names_out()  # alphabetical, so ties go to the first word
    best = np.argsort(-weights, axis=1, kind="stable")[:, :count]
    return [[str(terms[i]) for i in row if weights[domain, i] > 0] for domain, row in enumerate(best)]


def _sample_texts(shards: Sequence[ShardTables], splits: Path, domain_of: NDArray[np.int64]) -> list[str]:
    """Return the beginnings of each domain's first documents by id, joined; an id is a hash, so the sample is fair."""
    chosen: list[list[tuple[str, int, int]]] = [[] for _ in range(int(domain_of.max()) + 1)]
    for number, shard in enumerate(shards):
        assigned = read_table(shard.assignments, ["id", "cluster"])
        ids = np.array(assigned["id"].to_pylist())
        domains = domain_of[assigned["cluster"].to_numpy()]
        train = train_mask(shard.shard, shard.documents, splits)
        for domain, found in enumerate(chosen):
            rows = np.flatnonzero(train & (domains == domain))
            rows = rows[np.argsort(ids[rows])[:DOCUMENTS]]
            chosen[domain] = sorted(found + [(str(ids[row]), number, int(row)) for row in rows])[:DOCUMENTS]
    texts: dict[tuple[int, int], str] = {}
    for number, shard in enumerate(shards):
        rows = np.array(sorted(row for found in chosen for _, of_shard, row in found if of_shard == number), np.int64)
        texts |= {(number, row): text[:CHARACTERS] for row, text in _read_texts(shard.documents, rows)}
    return ["\n".join(texts[number, row] for _, number, row in found) for found in chosen]


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
