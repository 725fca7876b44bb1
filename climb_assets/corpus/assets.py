"""Assets of the corpus stage: raw files, documents, tokenizer, tokens. Bodies only; the compute lies beside."""

import dagster as dg

from climb_assets.config import Config
from climb_assets.corpus.ingest import ingest_shard
from climb_assets.corpus.raw_files import digest_shard, read_digest, write_digest
from climb_assets.corpus.tokenizer import import_tokenizer, train_tokenizer
from climb_assets.corpus.tokens import tokenize_shard
from climb_assets.errors import CorpusError
from climb_assets.store.artifacts import Draft
from climb_assets.tables import read_table
from dagster_project.reporting import Climb, declare, result, table_metadata


@dg.observable_source_asset(name="raw_corpus", group_name="corpus", description="The listing of the raw folder.")
def raw_corpus(climb: Climb) -> dg.DataVersion:
    """Observe which shards there are, so that one that came or went makes the manifest stale."""
    climb.refresh()
    return dg.DataVersion(climb.corpus_version())


def raw_shards(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """One top-level entry of the raw folder: its files and their checksums."""
    shard = context.partition_key

    def write(draft: Draft) -> None:
        digest = digest_shard(climb.config.corpus.raw, shard, climb.digests)
        if draft.order.inputs[f"raw:{shard}"] != digest.digest:
            raise CorpusError(f"{shard} changes while it is being read; run again when nothing writes to it")
        draft.summary = write_digest(digest, draft.path)

    return result(climb.make("raw_shards", shard, write))


def corpus_shards(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """Documents of one shard: read, normalised, split, without duplicates; what cannot be read is quarantined."""
    shard = context.partition_key

    def write(draft: Draft) -> None:
        digest = read_digest(climb.get("raw_shards", shard).file("files.json"))
        draft.summary = ingest_shard(climb.config.corpus.raw, shard, digest, climb.config.corpus, draft.path)

    made = climb.make("corpus_shards", shard, write)
    counts = made.artifact.summary
    accounted = counts["kept"] + counts["filtered_short"] + counts["filtered_duplicate"] + counts["quarantined"]
    check = dg.AssetCheckResult(
        check_name="counts_add_up", passed=accounted == counts["read"], metadata={"accounted": accounted}
    )
    tables = {
        name: table_metadata(read_table(made.artifact.file(f"{name}.parquet"))) for name in ("accounts", "quarantine")
    }
    return result(made, tables, [check])


def tokenizer(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """The tokenizer, frozen with the search: trained once on the corpus, or taken from a path or a name."""
    settings = climb.config.tokenizer

    def write(draft: Draft) -> None:
        if settings.path or settings.name:
            draft.summary = import_tokenizer(settings, draft.path)
        else:
            shards = list(climb.listing().shards)
            draft.summary = train_tokenizer(climb.config.corpus.raw, shards, settings, climb.config.corpus, draft.path)

    return result(climb.make("tokenizer", None, write))


def tokenized_shards(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """Token ids of one shard's documents, and where each document begins."""
    shard = context.partition_key

    def write(draft: Draft) -> None:
        documents = climb.get("corpus_shards", shard).file("documents.parquet")
        frozen = climb.get("tokenizer").file("tokenizer.json")
        draft.summary = tokenize_shard(documents, frozen, draft.path, climb.config.corpus.part_documents)

    return result(climb.make("tokenized_shards", shard, write))


COUNTS_ADD_UP = dg.AssetCheckSpec(
    "counts_add_up", asset="corpus_shards", blocking=True, description="kept + filtered + quarantined = read"
)


def corpus_assets(config: Config) -> list[dg.AssetsDefinition | dg.SourceAsset]:
    """Return the assets of this stage."""
    return [
        raw_corpus,
        declare(raw_shards, config),
        declare(corpus_shards, config, check_specs=[COUNTS_ADD_UP]),
        declare(tokenizer, config),
        declare(tokenized_shards, config),
    ]
