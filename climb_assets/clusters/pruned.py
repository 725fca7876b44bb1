"""What was pruned: which clusters, how much text, why, and what it looks like.

What belongs here: the table of pruned clusters and what people are told of it. Which clusters these are is decided in
`domains`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from climb_assets.clusters.shards import ScoredShard
from climb_assets.clusters.terms import characteristic_terms, sample_texts

EXAMPLES = 20  # documents of a pruned cluster that its terms are of
BEGINNING = 200  # characters of the example
NOTABLE_SHARE = 0.25  # of the tokens; where more is pruned, people are told what would keep it


def tabulate_pruned(
    statistics: pa.Table,
    pruned_by: Sequence[str | None],
    shards: Sequence[ScoredShard],
    splits: Path,
    domain_texts: Sequence[str],
    count: int,
) -> pa.Table:
    """Return a row for each pruned cluster that holds a train document, most tokens first.

    Columns: cluster, pruned_by, documents, tokens, share (of the corpus' tokens), ``mean_*``, sources, terms, and
    ``begins``, the beginning of one of its documents.

    Parameters
    ----------
    statistics
        clusters.parquet of the cluster statistics.
    pruned_by
        Of each cluster, why it is pruned; None where it is kept.
    splits
        ``splits.parquet`` of the corpus manifest.
    domain_texts
        A text of each domain, from which the terms set the pruned clusters apart.
    count
        Terms of a cluster.
    """
    rows = [row for row, cluster in enumerate(statistics["cluster"].to_pylist()) if pruned_by[cluster] is not None]
    pruned = statistics.take(pa.array(rows, pa.int64())).sort_by([("tokens", "descending"), ("cluster", "ascending")])
    clusters = pruned["cluster"].to_pylist()
    group_of = np.full(len(pruned_by), -1, np.int64)
    group_of[clusters] = np.arange(len(clusters))
    examples = sample_texts(shards, splits, group_of, EXAMPLES)
    texts = [*domain_texts, *("\n".join(of_cluster) for of_cluster in examples)]
    total = max(sum(statistics["tokens"].to_pylist()), 1)
    columns: dict[str, Any] = {
        "cluster": pruned["cluster"],
        "pruned_by": pa.array([pruned_by[cluster] for cluster in clusters], pa.string()),
        "documents": pruned["documents"],
        "tokens": pruned["tokens"],
        "share": pa.array([tokens / total for tokens in pruned["tokens"].to_pylist()], pa.float64()),
        **{name: pruned[name] for name in pruned.column_names if name.startswith("mean_")},
        "sources": pruned["sources"],
        "terms": pa.array(characteristic_terms(texts, count)[len(domain_texts) :], pa.list_(pa.string())),
        "begins": pa.array([of_cluster[0][:BEGINNING] for of_cluster in examples], pa.string()),
    }
    return pa.table(columns)


def sum_up_pruned(pruned: pa.Table, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Return what people are told of a table of pruned clusters.

    ``pruned_mostly_by`` is the reason that costs the most tokens, None where nothing is pruned; ``pruned_advice`` says
    what would keep half of that, None where no more than `NOTABLE_SHARE` of the tokens is pruned.

    Parameters
    ----------
    thresholds
        ``clusters.prune``.
    """
    tokens_by: dict[str, int] = {}
    for row in pruned.select(["pruned_by", "tokens"]).to_pylist():
        tokens_by[row["pruned_by"]] = tokens_by.get(row["pruned_by"], 0) + row["tokens"]
    mostly_by = max(sorted(tokens_by), key=tokens_by.__getitem__, default=None)
    share = sum(pruned["share"].to_pylist())
    advice = _advise(pruned, mostly_by, thresholds) if mostly_by is not None and share > NOTABLE_SHARE else None
    return {
        "pruned_documents": sum(pruned["documents"].to_pylist()),
        "pruned_tokens": sum(tokens_by.values()),
        "pruned_token_share": round(share, 6),
        "pruned_mostly_by": mostly_by,
        "pruned_advice": advice,
    }


def _advise(pruned: pa.Table, reason: str, thresholds: Mapping[str, float]) -> str:
    """Return which thresholds, lowered to what, keep at least half of the tokens that are pruned for a reason."""
    dimensions = reason.split(", ")
    rows = [row for row in pruned.to_pylist() if row["pruned_by"] == reason]
    rows.sort(key=lambda row: max(thresholds[name] - row[f"mean_{name}"] for name in dimensions))  # nearest first
    reached = np.cumsum([row["tokens"] for row in rows])
    kept = rows[: int(np.searchsorted(reached, reached[-1] / 2)) + 1]
    least = {name: np.floor(min(row[f"mean_{name}"] for row in kept) * 100) / 100 for name in dimensions}
    keys = " and ".join(f"clusters.prune.{name} from {thresholds[name]:g} to {least[name]:g}" for name in dimensions)
    return f"lower {keys}, which keeps {sum(row['tokens'] for row in kept):,} of these tokens"
