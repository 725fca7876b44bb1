"""How well clusters and domains agree with the sources of documents.

What belongs here: comparing two partitions of the same documents. Nothing is chosen by it: a corpus for which the
search is worth its cost has no labels.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def measure_agreement(tally: pa.Table, domain_of: NDArray[np.int64]) -> dict[str, Any]:
    """Compare clusters and domains with sources.

    Parameters
    ----------
    tally
        Documents per cluster and source, as `statistics.tally_clusters` returns it.
    domain_of
        Domain of each cluster, -1 for a cluster that is pruned.

    Returns
    -------
    ``nmi`` and ``purity`` of domains (over kept documents), ``cluster_nmi`` and ``cluster_purity`` of clusters, and the
    numbers of ``documents`` and of ``sources``. Empty where there are fewer than two sources.
    """
    sources, codes = np.unique(np.array(tally["source"].to_pylist(), str), return_inverse=True)
    if len(sources) < 2:
        return {}
    documents = tally["documents"].to_numpy()
    clusters = tally["cluster"].to_numpy()
    domains = domain_of[clusters]
    kept = domains >= 0
    cluster_nmi, cluster_purity = _compare(clusters, codes, documents)
    nmi, purity = _compare(domains[kept], codes[kept], documents[kept])
    return {
        "nmi": nmi,
        "purity": purity,
        "cluster_nmi": cluster_nmi,
        "cluster_purity": cluster_purity,
        "documents": int(documents.sum()),
        "sources": len(sources),
    }


def _compare(
    groups: NDArray[Any], sources: NDArray[Any], documents: NDArray[np.int64]
) -> tuple[float | None, float | None]:
    """Return normalised mutual information (arithmetic mean, as scikit-learn's default) and purity."""
    from scipy.sparse import coo_array
    from sklearn.metrics import mutual_info_score

    if not len(documents):
        return None, None
    table = coo_array((documents, (groups, sources))).tocsr()
    entropies = [_entropy(table.sum(axis=axis)) for axis in (0, 1)]
    shared = mutual_info_score(None, None, contingency=table)
    nmi = shared / (sum(entropies) / 2) if sum(entropies) else 1.0
    return round(float(nmi), 6), round(float(table.max(axis=1).sum() / documents.sum()), 6)


def _entropy(counts: NDArray[np.int64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
