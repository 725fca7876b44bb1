"""What may not be trained on: documents and tokens by reason, source, licence and domain.

What belongs here: counting. Why a document is left out is decided in `climb_assets.corpus.splits`.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.clusters.shards import ShardTables
from climb_assets.corpus.splits import LEFT_OUT
from climb_assets.executor.database import open_database
from climb_assets.tables import read_rows, read_table, write_table

LABELS = (("reason", pa.string()), ("source", pa.string()), ("licence", pa.string()))
COUNTS = (("documents", pa.int64()), ("tokens", pa.int64()))
BY_CLUSTER = pa.schema([("cluster", pa.int32()), *LABELS, *COUNTS])
BY_DOMAIN = pa.schema([("domain", pa.int32()), *LABELS, *COUNTS])

_TALLY = """
    SELECT a.cluster::INTEGER AS cluster, o.split AS reason, d.source, d.licence, count(*) AS documents,
           sum(t.tokens)::BIGINT AS tokens
    FROM left_out o
    JOIN read_parquet($documents, hive_partitioning = false) d ON d.id = o.id
    JOIN read_parquet($assignments, hive_partitioning = false) a ON a.id = d.id
    JOIN read_parquet($tokens, hive_partitioning = false) t ON t.id = d.id
    GROUP BY ALL
"""


def tally_left_out(shards: Sequence[ShardTables], splits: Path, out: Path) -> None:
    """Write ``left_out.parquet``: one row per cluster, reason (of `LEFT_OUT`), source and licence.

    Parameters
    ----------
    splits
        ``splits.parquet`` of the corpus manifest.
    """
    tallies = [BY_CLUSTER.empty_table()]
    with open_database(out) as connection:
        for shard in shards:
            overrides = read_rows(splits, "shard", shard.shard)
            left_out = overrides.filter(pc.is_in(overrides["split"], pa.array(LEFT_OUT)))
            if left_out.num_rows:
                connection.register("left_out", left_out)
                paths = {name: str(getattr(shard, name)) for name in ("documents", "tokens", "assignments")}
                tallies.append(connection.sql(_TALLY, params=paths).to_arrow_table().cast(BY_CLUSTER))
                connection.unregister("left_out")
    _write_sums(out, pa.concat_tables(tallies), BY_CLUSTER)


def assign_left_out(tally: Path, clusters: Path, out: Path) -> None:
    """Write ``left_out.parquet`` with the domain, null where the cluster is in none, in place of the cluster.

    Parameters
    ----------
    tally
        What `tally_left_out` wrote.
    clusters
        ``clusters.parquet`` of the domains.
    """
    table, domain_of = read_table(tally), read_table(clusters, ["domain"])["domain"].combine_chunks()
    domains = domain_of.take(table["cluster"].combine_chunks()).cast(pa.int32())
    _write_sums(out, table.drop_columns(["cluster"]).add_column(0, "domain", domains), BY_DOMAIN)


def _write_sums(out: Path, table: pa.Table, schema: pa.Schema) -> None:
    labels = schema.names[: -len(COUNTS)]
    sums = table.group_by(labels, use_threads=False).aggregate([(name, "sum") for name, _ in COUNTS])
    ordered = sums.rename_columns(schema.names).sort_by([(name, "ascending") for name in labels])
    write_table(out / "left_out.parquet", ordered.cast(schema))
