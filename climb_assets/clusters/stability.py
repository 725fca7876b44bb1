"""How much domains depend on which documents there happen to be: they are formed again from resamples of them.

What belongs here: repeating clusters and domains on resamples. It fits k-means once a resample, so no asset pays for
it; `benchmarks/domains.py` does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from climb_assets.clusters.cells import bands_of, number_cells
from climb_assets.clusters.domains import form_domains
from climb_assets.clusters.kmeans import nearest_centroids
from climb_assets.clusters.statistics import LEAST_JUDGED
from climb_assets.config import Clusters
from climb_assets.errors import ComputeError
from climb_assets.randomness import generator

Fit = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Corpus:
    """The train documents of a corpus.

    Parameters
    ----------
    vectors
        Unit vectors (documents, dimension).
    tokens
        (documents,)
    scores
        Of each quality dimension (documents,); NaN where it could not judge.
    """

    vectors: NDArray[np.float32]
    tokens: NDArray[np.int64]
    scores: Mapping[str, NDArray[np.float32]]

    def take(self, rows: NDArray[np.int64]) -> "Corpus":
        """Return the documents of some rows, which may repeat."""
        scores = {name: scores[rows] for name, scores in self.scores.items()}
        return Corpus(self.vectors[rows], self.tokens[rows], scores)


@dataclass(frozen=True)
class Stability:
    """Adjusted Rand index of each resample's domains with those of all documents, and how many resamples had none."""

    indices: tuple[float, ...]
    refused: int


def measure_stability(
    corpus: Corpus, settings: Clusters, fit: Fit, needed: float = 0.0, resamples: int = 10
) -> Stability:
    """Form domains from all documents and from bootstrap resamples of them, k-means included, and compare.

    A resample is compared with all on the documents that it drew, each once. What a fit prunes is a group of its own.

    Parameters
    ----------
    fit
        Returns the centroids (clusters, dimension) of unit vectors (documents, dimension).
    needed
        See `form_domains`.

    Raises
    ------
    ComputeError
        All documents together form no domains.
    """
    from sklearn.metrics import adjusted_rand_score

    whole = label_documents(corpus, settings, fit, needed)
    indices = []
    for number in range(resamples):
        random = generator(settings.seed, "stability of domains", number)
        rows = np.sort(random.integers(len(corpus.tokens), size=len(corpus.tokens)))
        drawn, first = np.unique(rows, return_index=True)
        try:
            labels = label_documents(corpus.take(rows), settings, fit, needed)
        except ComputeError:  # bounds that this resample does not keep
            continue
        indices.append(float(adjusted_rand_score(whole[drawn], labels[first])))
    return Stability(tuple(indices), resamples - len(indices))


def label_documents(corpus: Corpus, settings: Clusters, fit: Fit, needed: float = 0.0) -> NDArray[np.int64]:
    """Return the domain of each document (documents,), -1 where its cell is pruned, of a fit on all of them."""
    centroids = fit(corpus.vectors)
    cell = assign_cells(corpus, settings, centroids)
    return form_domains(count_cells(corpus, cell), centroids, settings, needed).domain_of[cell]


def assign_cells(corpus: Corpus, settings: Clusters, centroids: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the cell of each document (documents,); its cluster where clusters are not parted."""
    cluster, _ = nearest_centroids(corpus.vectors, centroids)
    if settings.cells is None:
        return cluster
    return number_cells(
        cluster, bands_of(corpus.scores[settings.cells.dimension], settings.cells), settings.cells.bands
    )


def count_cells(corpus: Corpus, cell: NDArray[np.int32]) -> pa.Table:
    """Return what `form_domains` reads of the statistics of cells, given the cell of each document."""
    held, codes, documents = np.unique(cell, return_inverse=True, return_counts=True)
    columns = {"cluster": pa.array(held), "documents": pa.array(documents)}
    columns["tokens"] = pa.array(np.bincount(codes, corpus.tokens).astype(np.int64))
    for name, scores in corpus.scores.items():
        judged = np.bincount(codes, ~np.isnan(scores))
        means = np.bincount(codes, np.nan_to_num(scores)) / np.maximum(judged, 1)
        columns[f"mean_{name}"] = pa.array(means, mask=judged < LEAST_JUDGED * documents)
    return pa.table(columns)
