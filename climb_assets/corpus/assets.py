"""How the assets of the corpus come about: raw files, documents, tokenizer, tokens, and the roll-up of all shards.

What belongs here: one function an asset, which hands inputs to the compute beside and writes into the draft.
"""

from climb_assets.corpus.ingest import ingest_shard
from climb_assets.corpus.manifest import ShardParts, build_manifest
from climb_assets.corpus.raw_files import digest_shard, read_digest, write_digest
from climb_assets.corpus.tokenizer import import_tokenizer, train_tokenizer
from climb_assets.corpus.tokens import tokenize_shard
from climb_assets.errors import CorpusError
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Draft

VERSIONED = {
    "corpus_shards": "corpus_version",
    "tokenized_shards": "tokens_version",
    "embeddings": "embeddings_version",
    "quality_scores": "quality_version",
}


def raw_shards(climb: Materializer, shard: str, draft: Draft) -> None:
    """One top-level entry of the raw folder: its files and their checksums."""
    digest = digest_shard(climb.config.corpus.raw, shard, climb.digests)
    if draft.order.inputs[f"raw:{shard}"] != digest.digest:
        raise CorpusError(f"{shard} changes while it is being read; run again when nothing writes to it")
    draft.summary = write_digest(digest, draft.path)


def corpus_shards(climb: Materializer, shard: str, draft: Draft) -> None:
    """Documents of one shard: read, normalised, split, without duplicates; what cannot be read is quarantined."""
    digest = read_digest(climb.get("raw_shards", shard).file("files.json"))
    draft.summary = ingest_shard(climb.config.corpus.raw, shard, digest, climb.config.corpus, draft.path)


def tokenizer(climb: Materializer, draft: Draft) -> None:
    """The tokenizer, frozen with the search: trained once on the corpus, or taken from a path or a name."""
    settings = climb.config.tokenizer
    if settings.path or settings.name:
        draft.summary = import_tokenizer(settings, draft.path)
    else:
        shards = list(climb.listing().shards)
        draft.summary = train_tokenizer(climb.config.corpus.raw, shards, settings, climb.config.corpus, draft.path)


def tokenized_shards(climb: Materializer, shard: str, draft: Draft) -> None:
    """Token ids of one shard's documents, and where each document begins."""
    documents = climb.get("corpus_shards", shard).file("documents.parquet")
    frozen = climb.get("tokenizer").file("tokenizer.json")
    draft.summary = tokenize_shard(documents, frozen, draft.path, climb.config.corpus.part_documents)


def corpus_manifest(climb: Materializer, draft: Draft) -> None:
    """All shards as one: what they hold, in which versions, and which documents an earlier shard already has."""
    parts = []
    for shard in climb.listing().shards:
        made = {asset: climb.get(asset, shard) for asset in VERSIONED}
        parts.append(
            ShardParts(
                shard=shard,
                documents=made["corpus_shards"].file("documents.parquet"),
                tokens=made["tokenized_shards"].file("documents.parquet"),
                accounts=made["corpus_shards"].file("accounts.parquet"),
                versions={VERSIONED[asset]: artifact.data_version for asset, artifact in made.items()},
            )
        )
    rejected = [f"{entry.name}: {entry.reason}" for entry in climb.listing().rejected]
    draft.summary = build_manifest(parts, draft.path) | {"rejected_names": rejected}
