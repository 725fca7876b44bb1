"""A data set of three domains out of the small corpus of `mixture`, with tokens of a real tokenizer."""

from pathlib import Path

import pyarrow as pa
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from climb_assets.clusters.shards import ShardTables
from climb_assets.corpus.frozen_tokenizer import END
from climb_assets.corpus.tokens import tokenize_shard
from climb_assets.export.data_set import DataSet, Domain, ShardTokens
from climb_assets.mixture.corpus_writer import write_mixed_corpus, write_realised
from climb_assets.mixture.pool import open_pool
from climb_assets.mixture.realisation import realise
from climb_assets.simplex.mixtures import normalise
from climb_assets.tables import read_table, write_table
from tests.climb_assets.mixture.conftest import Corpus

NAMES = ["law | courts", "music", "code"]
EPOCHS = 3.0
HOW = {"mixture": {"tokens": 9, "max_epochs": EPOCHS, "seed": 5}}
MADE_FROM = {"mixed_corpus": {"data_version": "abc", "config": HOW}, "inputs": {"domains": "def"}, "summary": {}}


def write_tokenizer(path: Path) -> Path:
    """Write a byte-level BPE of a few merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["alpha beta document word word é\n"], trainer)
    tokenizer.save(str(path))
    return path


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Return a data set that repeats every document of a domain up to three times, in four files."""
    folder, out = tmp_path / "lake", tmp_path / "mixed"
    folder.mkdir()
    out.mkdir()
    corpus, tokenizer = Corpus(folder), write_tokenizer(tmp_path / "tokenizer.json")
    shards = [tokenized(shard, tokenizer) for shard in corpus.shards]
    wanted = normalise([3, 2, 1])
    with open_pool(shards, corpus.clusters, corpus.splits, corpus.withheld(), 3, out) as pool:
        plan = realise(wanted, pool.supply, 2 * int(pool.supply.sum()), EPOCHS)
        tokens = pool.sample(plan.tokens, 5, out / "sample.parquet")
    write_mixed_corpus(out / "sample.parquet", shards, NAMES, out, 400, 5)
    write_realised(out / "realised.parquet", NAMES, wanted, plan, tokens)
    columns = ("domain", "name", "wanted", "weight", "tokens", "epochs")
    return DataSet(
        title="my mixture",
        objective="general",
        parts=sorted(out.glob("part-*.parquet")),
        domains=[Domain(*(row[name] for name in columns)) for row in read_table(out / "realised.parquet").to_pylist()],
        tokenizer=tokenizer,
        shards=[ShardTokens(shard.shard, shard.tokens, shard.tokens.with_name("tokens.npy")) for shard in shards],
        made_from=MADE_FROM,
        left_out=[],
    )


def tokenized(shard: ShardTables, tokenizer: Path) -> ShardTables:
    """Encode the documents of a shard, as the lake would, some of them with line ends and accents in them."""
    table = read_table(shard.documents)
    sizes = pa.array([len(text.encode()) for text in table["text"].to_pylist()], pa.int64())
    write_table(shard.documents, table.append_column("bytes", sizes))
    folder = shard.documents.parent / "tokens"
    folder.mkdir()
    tokenize_shard(shard.documents, tokenizer, folder, 100)
    return ShardTables(shard.shard, shard.documents, folder / "documents.parquet", shard.assignments)


def rows_of(data: DataSet) -> list[dict]:
    """Return the rows of a data set in their order."""
    return [row for part in data.parts for row in read_table(part).to_pylist()]
