"""The tables of one shard that the later stages read side by side.

What belongs here: naming these tables and finding them in the lake. What is read of them belongs to whoever asks.
"""

from dataclasses import dataclass
from pathlib import Path

from climb_assets.graph.materializer import Materializer


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


@dataclass(frozen=True)
class EmbeddedShard(ShardTables):
    """The tables of a shard with, row for row, its vectors.npy, and the data version of its documents."""

    vectors: Path
    version: str


def shard_tables(materializer: Materializer) -> list[ShardTables]:
    """Return the tables of every shard, in name order."""
    return [
        ShardTables(
            shard=shard,
            documents=materializer.get("corpus_shards", shard).file("documents.parquet"),
            tokens=materializer.get("tokenized_shards", shard).file("documents.parquet"),
            assignments=materializer.get("cluster_assignments", shard).file("assignments.parquet"),
        )
        for shard in materializer.listing().shards
    ]


def scored_shards(materializer: Materializer) -> list[ScoredShard]:
    """Return the tables of every shard with its quality scores, in name order."""
    return [
        ScoredShard(**vars(tables), scores=materializer.get("quality_scores", tables.shard).file("scores.parquet"))
        for tables in shard_tables(materializer)
    ]


def embedded_shards(materializer: Materializer) -> list[EmbeddedShard]:
    """Return the tables of every shard with its vectors, in name order."""
    return [
        EmbeddedShard(
            **vars(tables),
            vectors=materializer.get("embeddings", tables.shard).file("vectors.npy"),
            version=materializer.get("corpus_shards", tables.shard).data_version,
        )
        for tables in shard_tables(materializer)
    ]
