"""What the clusters hold: documents, tokens, bytes, quality and sources, computed by DuckDB over the shards' tables.

What belongs here: counting. Only train documents are counted; their text is never read.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.clusters.shards import ScoredShard
from climb_assets.errors import ComputeError, CorruptArtifact
from climb_assets.executor.database import open_database
from climb_assets.tables import ROW_GROUP, count_rows, read_table, write_table

TOP_SOURCES = 5
AT_ONCE = 16  # shards in one query, which opens all of their four files
SOURCES = pa.list_(pa.struct([("source", pa.string()), ("documents", pa.int64())]))
TABLES = ("documents", "tokens", "assignments", "scores")  # of a shard, whose rows stand side by side
COUNTS = ("documents", "tokens", "bytes")
JUDGED = "judged:"  # begins the name of a column of the tally: how many documents have a score of the dimension
SIDE_BY_SIDE = "side by side"  # of the tally: whether all rows were of one document; no dimension has such a name
LEAST_JUDGED = 0.5  # of the documents; where fewer have a score, their mean does not speak for all

MOST_ROWS = "SELECT max(num_rows) FROM parquet_file_metadata($files)"

# The tables of a shard have its documents in one order, so their rows stand side by side and nothing is searched for.
# DuckDB holds in memory what stands on the right, so it is asked for a window of each file's rows at a time.
# Means come from sums of decimals, which unlike sums of floats do not depend on the order that threads add in.
# The columns of the scores are taken as they are in the file, so that no name is pasted into the query.
TALLY = r"""
    WITH d AS (
        SELECT id, source, split, bytes, $shards[list_position($documents, filename)] AS shard
        FROM read_parquet($documents, hive_partitioning = false, filename = true, file_row_number = true)
        WHERE file_row_number >= $first AND file_row_number < $last
    ), a AS (
        SELECT id, cluster, distance
        FROM read_parquet($assignments, hive_partitioning = false, file_row_number = true)
        WHERE file_row_number >= $first AND file_row_number < $last
    ), t AS (
        SELECT id, tokens
        FROM read_parquet($tokens, hive_partitioning = false, file_row_number = true)
        WHERE file_row_number >= $first AND file_row_number < $last
    ), s AS (
        SELECT * EXCLUDE (file_row_number)
        FROM read_parquet($scores, hive_partitioning = false, file_row_number = true)
        WHERE file_row_number >= $first AND file_row_number < $last
    ), o AS (
        FROM read_parquet($splits, hive_partitioning = false) WHERE shard BETWEEN $shards[1] AND $shards[-1]
    )
    SELECT a.cluster, d.source, count(*) AS documents, sum(t.tokens)::BIGINT AS tokens, sum(d.bytes)::BIGINT AS bytes,
           sum(a.distance::DECIMAL(18, 9)) AS distance,
           sum(COLUMNS(s.* EXCLUDE (id))::DECIMAL(18, 9)),
           count(COLUMNS(s.* EXCLUDE (id))) AS 'judged:\0',
           bool_and((d.shard IS NOT NULL AND d.id = a.id AND d.id = t.id AND d.id = s.id) IS TRUE) AS 'side by side'
    FROM d POSITIONAL JOIN a POSITIONAL JOIN t POSITIONAL JOIN s LEFT JOIN o ON o.shard = d.shard AND o.id = d.id
    WHERE coalesce(o.split, d.split) = 'train'
          OR (d.shard IS NOT NULL AND d.id = a.id AND d.id = t.id AND d.id = s.id) IS NOT TRUE
    GROUP BY a.cluster, d.source
"""


def tally_clusters(shards: Sequence[ScoredShard], splits: Path, folder: Path) -> pa.Table:
    """Return one row per cluster and source.

    Columns: documents, tokens, bytes, the sums of distance and scores (null where no document has a score), and for
    each dimension, under its name after `JUDGED`, how many documents have a score.

    Parameters
    ----------
    folder
        Where what does not fit into memory may be put down.

    Raises
    ------
    CorruptArtifact
        The tables of a shard are not of the same documents.
    ComputeError
        No document is in train.
    """
    tallies = []
    with open_database(folder) as connection:
        for some in _share_queries(sorted(shards, key=lambda tables: tables.shard)):
            paths = {name: [str(getattr(tables, name)) for tables in some] for name in TABLES}
            parameters = paths | {"splits": str(splits), "shards": [tables.shard for tables in some]}
            [(rows,)] = connection.execute(MOST_ROWS, {"files": [*chain(*paths.values())]}).fetchall()
            for start in range(0, rows, ROW_GROUP):
                window = {"first": start, "last": start + ROW_GROUP}
                tally = connection.sql(TALLY, params=parameters | window).to_arrow_table()
                if not pc.all(tally[SIDE_BY_SIDE], min_count=0).as_py():
                    raise CorruptArtifact(
                        f"documents, tokens, clusters and quality scores of shard {_find_apart(some)} are not of the "
                        "same documents; delete its folders and run `climb up`"
                    )
                tallies.append(tally.drop_columns([SIDE_BY_SIDE]))
    if not sum(tally.num_rows for tally in tallies):
        raise ComputeError(
            "the corpus has no train document; add raw files or lower corpus.search_eval and report_eval"
        )
    return add_up(pa.concat_tables(tallies), ["cluster", "source"])


def _share_queries(shards: Sequence[ScoredShard]) -> Iterator[list[ScoredShard]]:
    """Yield shards that share a query: at most `AT_ONCE`, and no more documents than a window unless one has them."""
    held: list[ScoredShard] = []
    documents = 0
    for tables in shards:
        found = count_rows(tables.documents)
        if held and (len(held) == AT_ONCE or documents + found > ROW_GROUP):
            yield held
            held, documents = [], 0
        held.append(tables)
        documents += found
    if held:
        yield held


def _find_apart(shards: Sequence[ScoredShard]) -> str:
    """Return which of some shards has tables of different documents; the rows of all together do not tell."""
    for tables in shards:
        ids, *others = (read_table(getattr(tables, name), ["id"])["id"] for name in TABLES)
        if not all(other.equals(ids) for other in others):
            return tables.shard
    return f"{shards[0].shard} to {shards[-1].shard}"


def add_up(tally: pa.Table, by: list[str]) -> pa.Table:
    """Add up the rows of a tally that are equal in `by`, in the order of `by`; other labels are left out."""
    sums = [name for name in tally.column_names if name not in (*by, "cluster", "source")]
    summed = tally.group_by(by, use_threads=False).aggregate([(name, "sum") for name in sums])
    return summed.rename_columns([*by, *sums]).sort_by([(name, "ascending") for name in by])


def top_sources(tally: pa.Table, group: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Return the largest sources of each group, given the group of every row of the tally."""
    counted: dict[int, dict[str, int]] = {}
    rows = zip(group, tally["source"].to_pylist(), tally["documents"].to_pylist(), strict=True)
    for key, source, documents in rows:
        of_group = counted.setdefault(key, {})
        of_group[source] = of_group.get(source, 0) + documents
    return {
        key: [
            {"source": source, "documents": documents}
            for source, documents in sorted(of_group.items(), key=lambda item: (-item[1], item[0]))[:TOP_SOURCES]
        ]
        for key, of_group in counted.items()
    }


def mean_scores(sums: pa.Table) -> dict[str, pa.Array]:
    """Return the mean distance and the mean scores, as columns ``mean_*``, of rows that add up what a tally holds.

    A mean is null where fewer than `LEAST_JUDGED` of the documents have a score.
    """
    documents = sums["documents"].to_numpy()
    means: dict[str, pa.Array] = {}
    for name in sums.column_names[sums.column_names.index("distance") :]:
        if not name.startswith(JUDGED):
            judged = sums[f"{JUDGED}{name}"].to_numpy() if name != "distance" else documents
            added = np.array([value or 0 for value in sums[name].to_pylist()], np.float64)
            means[f"mean_{name}"] = pa.array(added / np.maximum(judged, 1), mask=judged < LEAST_JUDGED * documents)
    return means


def compute_statistics(shards: Sequence[ScoredShard], splits: Path, out: Path) -> dict[str, Any]:
    """Write ``clusters.parquet``: one row per cluster that holds a train document, by cluster; and ``tally.parquet``.

    The tally has a row per cluster and source, with sums from which the means of any cells follow: `tally_clusters`.

    Parameters
    ----------
    splits
        ``splits.parquet`` of the corpus manifest.

    Returns
    -------
    Facts: clusters, documents, tokens, bytes.
    """
    tally = tally_clusters(shards, splits, out)
    clusters = add_up(tally, ["cluster"])
    sources = top_sources(tally, tally["cluster"].to_pylist())
    columns: dict[str, Any] = {"cluster": clusters["cluster"]} | {name: clusters[name] for name in COUNTS}
    columns |= mean_scores(clusters)
    columns["sources"] = pa.array([sources[cluster] for cluster in clusters["cluster"].to_pylist()], SOURCES)
    write_table(out / "clusters.parquet", pa.table(columns))
    write_table(out / "tally.parquet", tally)
    return {"clusters": clusters.num_rows} | {name: pc.sum(clusters[name]).as_py() for name in COUNTS}
