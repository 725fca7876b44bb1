"""The documents of all shards, with the split that the corpus gives each and the domain of its cluster.

What belongs here: reading them, shard after shard. Which of them are used, and what for, belongs to whoever asks.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from climb_assets.clusters.shards import ShardTables
from climb_assets.corpus.side_by_side import apply_splits, read_side_by_side
from climb_assets.tables import read_table


def read_domain_documents(
    shards: Sequence[ShardTables],
    splits: Path,
    clusters: Path,
    of_documents: Sequence[str] = (),
    of_tokens: Sequence[str] = (),
) -> Iterator[pa.Table]:
    """Yield the documents of all shards, some at a time and none of two shards.

    Columns: ``id``, ``split``, ``cluster``, ``domain`` (null where the cluster was not kept), ``shard`` (int32, its
    place among `shards`), and those that are asked for.

    Parameters
    ----------
    splits
        ``splits.parquet`` of `corpus_manifest`.
    clusters
        ``clusters.parquet`` of `domains`: a row a cluster, in the order of their numbers.
    of_documents, of_tokens
        Further columns of the documents and of the token counts of a shard.

    Raises
    ------
    CorruptArtifact
        The tables of a shard are not of the same documents.
    """
    domain_of = read_table(clusters, ["domain"])["domain"].combine_chunks()
    for number, tables in enumerate(shards):
        columns = {
            tables.documents: ["split", *of_documents],
            tables.tokens: of_tokens,
            tables.assignments: ["cluster"],
        }
        for rows in apply_splits(read_side_by_side(tables.shard, columns), tables.shard, splits):
            shard = pa.repeat(pa.scalar(number, pa.int32()), len(rows))
            yield rows.append_column("domain", domain_of.take(rows["cluster"])).append_column("shard", shard)
