"""Stages that look at the whole corpus, on more shards than a process may have open files."""

import resource
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from climb_assets.audit.documents import write_documents
from climb_assets.clusters.kmeans import ShardVectors, sample_vectors
from climb_assets.clusters.shards import ScoredShard
from climb_assets.clusters.statistics import compute_statistics
from climb_assets.config_corpus import NearDuplicates
from climb_assets.config_training import Training
from climb_assets.corpus.documents import document_id
from climb_assets.corpus.near_duplicates import ShardSignatures, find_near_duplicates
from climb_assets.corpus.signatures import FILES, sign_shard
from climb_assets.corpus.splits import OVERRIDES
from climb_assets.mixture.corpus_writer import write_mixed_corpus
from climb_assets.mixture.pool import Withheld, open_pool
from climb_assets.store.files import MOST_MAPPED
from climb_assets.tables import read_table, write_table
from climb_assets.training.sequence_plan import plan_sequences
from climb_assets.training.token_index import ShardSpans, build_training_index, load_training_index

SHARDS, DOCUMENTS, TOKENS = 200, 4, 8  # documents of a shard, tokens of a document
SPARE = MOST_MAPPED + 32  # files that may be opened beside those that the tests themselves have


@dataclass(frozen=True)
class Corpus:
    """Where the tables of each shard lie, and those of the whole."""

    folder: Path
    shards: tuple[str, ...]

    def file(self, shard: str, name: str) -> Path:
        """Return the path of a file of a shard."""
        return self.folder / shard / name

    @property
    def splits(self) -> Path:
        """Return the table of changed splits."""
        return self.folder / "splits.parquet"

    def scored(self) -> list[ScoredShard]:
        """Return the tables of the shards as clusters and data sets take them."""
        names = ("documents.parquet", "tokens.parquet", "assignments.parquet", "scores.parquet")
        return [ScoredShard(shard, *(self.file(shard, name) for name in names)) for shard in self.shards]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Many shards of few documents; those of each even shard are in cluster 0, of each odd one in 1."""
    folder = tmp_path_factory.mktemp("many")
    shards = tuple(f"shard-{number:04d}" for number in range(SHARDS))
    rng = np.random.default_rng(0)
    for number, shard in enumerate(shards):
        (folder / shard).mkdir()
        texts = [f"words of the document {place} of {shard}" for place in range(DOCUMENTS)]
        ids = [document_id(text) for text in texts]
        documents = {"id": ids, "text": texts, "source": [shard] * DOCUMENTS, "licence": ["CC0"] * DOCUMENTS}
        sizes = [len(text) for text in texts]
        documents |= {"split": ["train"] * DOCUMENTS, "bytes": sizes, "article": ids}
        documents |= {"file": [shard] * DOCUMENTS, "record": list(range(DOCUMENTS))}
        write_table(folder / shard / "documents.parquet", pa.table(documents))
        starts = [place * TOKENS for place in range(DOCUMENTS)]
        write_table(
            folder / shard / "tokens.parquet", pa.table({"id": ids, "start": starts, "tokens": [TOKENS] * DOCUMENTS})
        )
        np.save(folder / shard / "tokens.npy", np.full(DOCUMENTS * TOKENS, number, np.uint16))
        clusters = pa.array([number % 2] * DOCUMENTS, pa.int32())
        distances = pa.array([0.5] * DOCUMENTS, pa.float32())
        assigned = {"id": ids, "cluster": clusters, "distance": distances}
        write_table(folder / shard / "assignments.parquet", pa.table(assigned))
        write_table(folder / shard / "scores.parquet", pa.table({"id": ids, "quality": [3.0] * DOCUMENTS}))
        np.save(folder / shard / "vectors.npy", rng.normal(size=(DOCUMENTS, 8)).astype(np.float16))
        sign_shard(folder / shard / "documents.parquet", NearDuplicates(), folder / shard, 100)
    write_table(folder / "splits.parquet", OVERRIDES.empty_table())
    return Corpus(folder, shards)


@pytest.fixture(autouse=True)
def few_files() -> Iterator[None]:
    """Let this process open few more files than it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + SPARE, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_k_means_draws_its_sample(corpus: Corpus) -> None:
    names = ("documents.parquet", "vectors.npy")
    shards = [ShardVectors(shard, *(corpus.file(shard, name) for name in names)) for shard in corpus.shards]
    sample = sample_vectors(shards, corpus.splits, SHARDS * DOCUMENTS, 0)
    assert sample.shape == (SHARDS * DOCUMENTS, 8)


def test_near_duplicates_are_found(corpus: Corpus, tmp_path: Path) -> None:
    shards = [ShardSignatures(shard, shard, *(corpus.file(shard, name) for name in FILES)) for shard in corpus.shards]
    assert find_near_duplicates(shards, 0.5, tmp_path)["pairs"] > SHARDS


def test_clusters_are_counted(corpus: Corpus, tmp_path: Path) -> None:
    facts = compute_statistics(corpus.scored(), corpus.splits, tmp_path)
    assert facts["documents"] == SHARDS * DOCUMENTS


def test_a_model_reads_tokens_of_every_shard(corpus: Corpus, tmp_path: Path) -> None:
    domains = pa.table({"domain": pa.array([0, 1], pa.int32()), "name": ["even", "odd"]})
    write_table(tmp_path / "domains.parquet", domains)
    numbers = pa.array([0, 1], pa.int32())
    write_table(tmp_path / "clusters.parquet", pa.table({"cluster": numbers, "domain": numbers}))
    spans = [
        ShardSpans(shard.shard, shard.documents, shard.tokens, shard.assignments, "version")
        for shard in corpus.scored()
    ]
    build_training_index(spans, corpus.splits, *(tmp_path / f"{n}.parquet" for n in ("domains", "clusters")), tmp_path)
    index = load_training_index(tmp_path, {shard: corpus.file(shard, "tokens.npy") for shard in corpus.shards})
    tokens = SHARDS * DOCUMENTS * TOKENS
    training = Training(
        hidden=16, layers=1, heads=2, intermediate=32, sequence=16, batch=4, tokens=tokens, learning_rate=1e-3
    )
    plan = plan_sequences(index, [0.5, 0.5], training, seed=0)
    seen = {int(token) for step in range(plan.steps) for token in np.unique(plan.batch(step))}
    assert len(seen) == SHARDS


@pytest.mark.parametrize("part", [10_000, 5])  # documents in a file: one bucket, or as many as there are
def test_a_data_set_is_drawn_and_written(corpus: Corpus, tmp_path: Path, part: int) -> None:
    numbers = pa.array([0, 1], pa.int32())
    write_table(tmp_path / "clusters.parquet", pa.table({"cluster": numbers, "domain": numbers}))
    none = pa.array([], pa.string())
    write_table(tmp_path / "evaluation.parquet", pa.table({"id": none, "split": none}))
    write_table(tmp_path / "families.parquet", pa.table({"family": none, "shard": none, "id": none, "split": none}))
    withheld = Withheld(tmp_path / "evaluation.parquet", tmp_path / "families.parquet")
    shards = corpus.scored()
    with open_pool(shards, tmp_path / "clusters.parquet", corpus.splits, withheld, 2, tmp_path) as pool:
        pool.sample(pool.supply, 0, tmp_path / "sample.parquet")
    written = write_mixed_corpus(tmp_path / "sample.parquet", shards, ["even", "odd"], tmp_path, part, 0)
    assert written == SHARDS * DOCUMENTS
    parts = sorted(tmp_path.glob("part-*.parquet"))
    assert set(chain.from_iterable(read_table(path)["shard"].to_pylist() for path in parts)) == set(corpus.shards)
    documents = {shard: corpus.file(shard, "documents.parquet") for shard in corpus.shards}
    realised = tmp_path / "realised.parquet"
    write_table(realised, pa.table({"domain": numbers, "name": ["even", "odd"], "wanted": [0.5, 0.5]}))
    assert write_documents(tmp_path / "sample.parquet", documents, realised, tmp_path / "audited.parquet") == written
