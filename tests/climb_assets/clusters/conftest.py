"""A small corpus of two shards whose three groups of documents lie far apart, as the stages before leave it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from climb_assets.clusters.kmeans import ShardVectors, assign_shard
from climb_assets.clusters.shards import ScoredShard
from climb_assets.clusters.taxonomy import Taxonomy
from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.tables import write_table
from tests.climb_assets.clusters.lakes import make_lake

DIMENSION = 8
TOPICS = ("river lake water fish", "proof theorem lemma axiom", "bread flour butter oven")
SOURCES = ("waters", "maths", "kitchen")


@dataclass(frozen=True)
class Corpus:
    """Paths of the stages before, the true group of each document, a centroid for each group and one too many."""

    vectors: list[ShardVectors]
    tables: list[ScoredShard]
    splits: Path
    group_of: dict[str, int]
    centroids: NDArray[np.float32]


def document_id(text: str) -> str:
    """Return the id that ingestion gives."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def write_shard(folder: Path, texts: list[str], groups: list[int], sources: list[str | None]) -> None:
    """Write documents, tokens, vectors and scores of one shard; every fifth document is held out."""
    folder.mkdir()
    ids = [document_id(text) for text in texts]
    rows = len(texts)
    licences = pa.array(["CC0" if row % 2 else None for row in range(len(texts))], pa.string())
    documents = {"id": ids, "text": texts, "source": pa.array(sources, pa.string()), "licence": licences}
    splits = ["search_eval" if row % 5 == 4 else "train" for row in range(rows)]
    sizes = pa.array([len(text) for text in texts], pa.int64())
    write_table(folder / "documents.parquet", pa.table(documents | {"split": splits, "bytes": sizes}))
    lengths = pa.array([3 + group for group in groups], pa.int64())
    write_table(folder / "tokens.parquet", pa.table({"id": ids, "start": lengths, "tokens": lengths}))
    noise = np.array([np.random.default_rng(int(i[:8], 16)).normal(size=DIMENSION) for i in ids])
    vectors = 0.1 * noise + np.eye(DIMENSION)[groups]
    np.save(folder / "vectors.npy", (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16))
    quality = pa.array([1.0 + group for group in groups], pa.float32())
    scores = {"id": ids, "quality": quality, "advertisement": pa.array([5.0] * rows, pa.float32())}
    write_table(folder / "scores.parquet", pa.table(scores))


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Ninety documents in shard a, sixty in b; the first of b is a duplicate of one in a."""
    group_of: dict[str, int] = {}
    vectors, tables = [], []
    for shard, rows in (("a", 90), ("b", 60)):
        groups = [row % 3 for row in range(rows)]
        texts = [f"{TOPICS[group]} {shard}{row}" for row, group in enumerate(groups)]
        if shard == "b":
            texts[0] = f"{TOPICS[0]} a0"
        group_of |= {document_id(text): group for text, group in zip(texts, groups, strict=True)}
        folder = tmp_path / shard
        write_shard(folder, texts, groups, [SOURCES[group] for group in groups])
        vectors.append(ShardVectors(shard, folder / "documents.parquet", folder / "vectors.npy"))
        names = ("documents", "tokens", "assignments", "scores")
        tables.append(ScoredShard(shard, *(folder / f"{name}.parquet" for name in names)))
    splits = tmp_path / "splits.parquet"
    repeated = document_id(f"{TOPICS[0]} a0")
    write_table(splits, pa.table({"shard": ["b"], "id": [repeated], "split": ["duplicate"]}))
    centroids = np.eye(DIMENSION, dtype=np.float32)[:4]
    for shard in vectors:
        assign_shard(shard.documents, shard.vectors, centroids, shard.documents.parent)
    return Corpus(vectors, tables, splits, group_of, centroids)


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path) -> Path:
    """Return a project whose domains are made, see `lakes`. Read it, never change it: every test has the same one."""
    return make_lake(tmp_path_factory.mktemp("lake"), encoder_folder)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, lake: Path) -> Path:
    """Return its exported taxonomy with the encoder; to be read only, too."""
    folder = tmp_path_factory.mktemp("exported") / "taxonomy"
    Taxonomy.of_lake(Materializer(load_config(lake / "climb.yaml"))).export(folder, with_encoder=True)
    return folder
