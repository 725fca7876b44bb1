"""How the assets of the corpus come about: raw files, documents, tokenizer, tokens, and the roll-up of all shards.

What belongs here: one function an asset, which hands inputs to the compute beside and writes into the draft.
"""

from collections.abc import Sequence

from climb_assets.config_tasks import ChoiceTask
from climb_assets.corpus.contamination import TaskFile, find_contamination
from climb_assets.corpus.ingest import ingest_shard
from climb_assets.corpus.manifest import ShardParts, build_manifest
from climb_assets.corpus.near_duplicates import EarlierPairs, ShardSignatures, find_near_duplicates
from climb_assets.corpus.raw_files import read_digest, write_digest
from climb_assets.corpus.signatures import FILES, sign_shard
from climb_assets.corpus.tokenizer import import_tokenizer, train_tokenizer
from climb_assets.corpus.tokens import tokenize_shard
from climb_assets.errors import CorpusError, CorruptArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Artifact, Draft
from climb_assets.tables import TEXTS

VERSIONED = {
    "corpus_shards": "corpus_version",
    "tokenized_shards": "tokens_version",
    "embeddings": "embeddings_version",
    "quality_scores": "quality_version",
}


def raw_shards(climb: Materializer, shard: str, draft: Draft) -> None:
    """One top-level entry of the raw folder: its files and their checksums."""
    digest = climb.raw.place.digest(shard, climb.digests)
    if draft.order.inputs[f"raw:{shard}"] != digest.digest:
        raise CorpusError(f"{shard} changes while it is being read; run again when nothing writes to it")
    draft.summary = write_digest(digest, draft.path)


def corpus_shards(climb: Materializer, shard: str, draft: Draft) -> None:
    """Documents of one shard: read, normalised, split, without duplicates; what cannot be read is quarantined."""
    digest = read_digest(climb.get("raw_shards", shard).file("files.json"))
    draft.summary = ingest_shard(climb.raw.place, shard, digest, climb.config.corpus, draft.path)


def document_signatures(climb: Materializer, shard: str, draft: Draft) -> None:
    """MinHash signatures of one shard's documents, by which near-duplicates are found."""
    documents = climb.get("corpus_shards", shard).file("documents.parquet")
    settings = climb.config.corpus
    draft.summary = sign_shard(documents, settings.near_duplicates, draft.path, TEXTS)


def contamination(climb: Materializer, shard: str, draft: Draft) -> None:
    """Documents of one shard that hold an item of a multiple-choice task."""
    documents = climb.get("corpus_shards", shard).file("documents.parquet")
    settings = climb.config.corpus
    tasks = [
        TaskFile(name, task.path, draft.order.inputs[f"file:task-{name}"])
        for name, task in climb.config.tasks.items()
        if isinstance(task, ChoiceTask)
    ]
    draft.summary = find_contamination(documents, tasks, settings.contamination, draft.path, TEXTS)


def near_duplicates(climb: Materializer, draft: Draft) -> None:
    """Pairs of nearly equal documents of all shards; documents that are new are compared with the kept signatures."""
    shards = [_signatures(climb.get("document_signatures", shard)) for shard in climb.listing().shards]
    threshold = climb.config.corpus.near_duplicates.threshold
    draft.summary = find_near_duplicates(shards, threshold, draft.path, _earlier_pairs(climb, shards, draft))


def _signatures(artifact: Artifact) -> ShardSignatures:
    return ShardSignatures(str(artifact.partition), artifact.data_version, *(artifact.file(name) for name in FILES))


def _earlier_pairs(climb: Materializer, shards: Sequence[ShardSignatures], draft: Draft) -> EarlierPairs | None:
    """Return what was found before, if the signatures of the shards that went since are still there."""
    artifact = climb.earlier(draft.order)
    if artifact is None:
        return None
    versions, now = artifact.json("shards.json"), {shard.shard: shard.version for shard in shards}
    left = [climb.store.with_data_version("document_signatures", *entry) for entry in versions.items() - now.items()]
    try:
        gone = [_signatures(found) for found in left if found is not None]
    except CorruptArtifact:  # nothing else needs it any more
        return None
    return EarlierPairs(artifact.file("pairs.parquet"), versions, gone) if len(gone) == len(left) else None


def tokenizer(climb: Materializer, draft: Draft) -> None:
    """The tokenizer, frozen with the search: trained once on the corpus, or taken from a path or a name."""
    settings = climb.config.tokenizer
    if settings.path or settings.name:
        draft.summary = import_tokenizer(settings, draft.path)
    else:
        shards = list(climb.listing().shards)
        draft.summary = train_tokenizer(climb.raw.place, shards, settings, climb.config.corpus, draft.path)


def tokenized_shards(climb: Materializer, shard: str, draft: Draft) -> None:
    """Token ids of one shard's documents, and where each document begins."""
    documents = climb.get("corpus_shards", shard).file("documents.parquet")
    frozen = climb.get("tokenizer").file("tokenizer.json")
    draft.summary = tokenize_shard(documents, frozen, draft.path, TEXTS)


def corpus_manifest(climb: Materializer, draft: Draft) -> None:
    """All shards as one: what they hold, in which versions, and where each document may be used."""
    parts = []
    for shard in climb.listing().shards:
        made = {asset: climb.get(asset, shard) for asset in VERSIONED}
        parts.append(
            ShardParts(
                shard=shard,
                documents=made["corpus_shards"].file("documents.parquet"),
                repeats=made["corpus_shards"].file("repeats.parquet"),
                contamination=climb.get("contamination", shard).file("contamination.parquet"),
                tokens=made["tokenized_shards"].file("documents.parquet"),
                accounts=made["corpus_shards"].file("accounts.parquet"),
                versions={VERSIONED[asset]: artifact.data_version for asset, artifact in made.items()},
                reasons=made["corpus_shards"].summary["reasons"],
            )
        )
    pairs = climb.get("near_duplicates").file("pairs.parquet")
    rejected = [f"{entry.name}: {entry.reason}" for entry in climb.listing().rejected]
    draft.summary = build_manifest(parts, pairs, climb.config.corpus, draft.path) | {"rejected_names": rejected}
