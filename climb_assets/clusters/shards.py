"""The tables of one shard that the later stages join by document id.

What belongs here: naming these tables and finding them in the lake. The joins belong to whoever asks.
"""

from dataclasses import dataclass
from pathlib import Path

from climb_assets.workshop import Workshop


@dataclass(frozen=True)
class ShardTables:
    """Documents, token counts (``documents.parquet`` of the tokenized shard) and clusters of one shard."""

    shard: str
    documents: Path
    tokens: Path
    assignments: Path


@dataclass(frozen=True)
class ScoredShard(ShardTables):
    """The tables of a shard with its quality scores."""

    scores: Path


def shard_tables(workshop: Workshop) -> list[ShardTables]:
    """Return the tables of every shard, in name order."""
    return [
        ShardTables(
            shard=shard,
            documents=workshop.get("corpus_shards", shard).file("documents.parquet"),
            tokens=workshop.get("tokenized_shards", shard).file("documents.parquet"),
            assignments=workshop.get("cluster_assignments", shard).file("assignments.parquet"),
        )
        for shard in workshop.listing().shards
    ]


def scored_shards(workshop: Workshop) -> list[ScoredShard]:
    """Return the tables of every shard with its quality scores, in name order."""
    return [
        ScoredShard(**vars(tables), scores=workshop.get("quality_scores", tables.shard).file("scores.parquet"))
        for tables in shard_tables(workshop)
    ]
