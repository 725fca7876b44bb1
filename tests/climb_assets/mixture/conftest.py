"""A small corpus of two shards and three domains, as the stages before would leave it."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from climb_assets.clusters.shards import ShardTables
from climb_assets.mixture.pool import Withheld
from climb_assets.tables import write_table


class Corpus:
    """Tables of a corpus, and what is known of its documents."""

    def __init__(self, folder):
        self.folder = folder
        self.shards = []
        self.known = {}  # (shard, id): domain, tokens, usable
        self.split_of = {}  # its own
        rng = np.random.default_rng(0)
        self.repeated = None
        for shard in ("alpha", "beta"):
            self.shards.append(self._shard(shard, rng))
        self.clusters = folder / "clusters.parquet"
        write_table(
            self.clusters,
            pa.table({"cluster": pa.array(range(4), pa.int32()), "domain": pa.array([0, 1, 2, None], pa.int32())}),
        )
        self.splits = folder / "splits.parquet"
        rows = [("beta", self.repeated, "duplicate"), *self._moved()]
        columns = dict(zip(("shard", "id", "split"), map(list, zip(*rows, strict=True)), strict=True))
        write_table(self.splits, pa.table(columns))

    def _moved(self):
        """Move some documents out of train and others into it, as their families would."""
        for number, (key, (domain, tokens, _)) in enumerate(list(self.known.items())):
            if number % 29 == 5 and key[1] != self.repeated:
                into_train = self.split_of[key] != "train"
                self.known[key] = (domain, tokens, into_train and domain < 3)
                yield (*key, "train" if into_train else ("search_eval", "contaminated")[number % 2])

    def _shard(self, shard, rng):
        rows = 300
        texts = [f"{shard} document {number} " + "word " * int(rng.integers(5, 40)) for number in range(rows)]
        if shard == "alpha":
            self.repeated_text = texts[0]
        else:
            texts[7] = self.repeated_text
        ids = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts]
        self.repeated = self.repeated or ids[0]
        tokens = [len(text.split()) for text in texts]
        clusters = rng.integers(0, 4, rows).tolist()
        clusters[0] = 0
        splits = [("search_eval", "report_eval", *["train"] * 8)[(number + 5) % 10] for number in range(rows)]
        splits[0] = splits[7] = "train"
        for number in range(rows):
            usable = splits[number] == "train" and clusters[number] < 3 and not (shard == "beta" and number == 7)
            self.split_of[shard, ids[number]] = splits[number]
            self.known[shard, ids[number]] = (clusters[number], tokens[number], usable)
        folder = self.folder / shard
        folder.mkdir()
        documents = {
            "id": ids,
            "text": texts,
            "source": [shard.upper()] * rows,
            "licence": pa.array(["CC0" if number % 2 else None for number in range(rows)], pa.string()),
            "split": splits,
        }
        write_table(folder / "documents.parquet", pa.table(documents))
        write_table(folder / "tokens.parquet", pa.table({"id": ids, "start": range(rows), "tokens": tokens}))
        write_table(folder / "assignments.parquet", pa.table({"id": ids, "cluster": pa.array(clusters, pa.int32())}))
        return ShardTables(
            shard, folder / "documents.parquet", folder / "tokens.parquet", folder / "assignments.parquet"
        )

    def withheld(self, evaluation=(), pairs=()):
        """Write what the search is measured on, and pairs of documents that are families today."""
        ids = pa.array(list(evaluation), pa.string())
        write_table(self.folder / "evaluation.parquet", pa.table({"id": ids}))
        members = [{"family": str(number), "id": id} for number, pair in enumerate(pairs) for id in pair]
        schema = pa.schema([("family", pa.string()), ("id", pa.string())])
        write_table(self.folder / "families.parquet", pa.Table.from_pylist(members, schema))
        return Withheld(self.folder / "evaluation.parquet", self.folder / "families.parquet")

    @property
    def supply(self):
        """Tokens that may be used, for each domain."""
        usable = [(domain, tokens) for domain, tokens, usable in self.known.values() if usable]
        return np.array([sum(tokens for of, tokens in usable if of == domain) for domain in range(3)])


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "lake"
    folder.mkdir()
    return Corpus(folder)
