"""Assets of the embeddings stage. Bodies only; the compute lies beside."""

import functools

import dagster as dg

from climb_assets.clusters.quality import load_scorer, score_shard
from climb_assets.config import Config, Runtime
from climb_assets.config import Encoder as EncoderSettings
from climb_assets.embeddings.embed import embed_shard
from climb_assets.embeddings.encoder import Encoder, load_encoder
from climb_assets.store.artifacts import Draft
from dagster_project.reporting import Climb, declare, result


@functools.lru_cache(maxsize=1)
def _loaded(settings: EncoderSettings, runtime: Runtime) -> Encoder:
    """Load the encoder once for all shards of a process."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    return load_encoder(settings, runtime)


def embeddings(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """One unit vector per document, half precision, in document order."""
    shard = context.partition_key

    def write(draft: Draft) -> None:
        documents = climb.get("corpus_shards", shard).file("documents.parquet")
        encoder = _loaded(climb.config.encoder, climb.config.runtime)

        def progress(done: int, total: int) -> None:
            climb.progress(f"embeddings[{shard}]", done, total)

        report = embed_shard(documents, encoder, climb.config.corpus.part_documents, draft.path, progress)
        draft.summary, draft.run = report.facts, report.timings

    return result(climb.make("embeddings", shard, write, resumable=True))


def quality_scores(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """The paper's quality dimensions of each document, 0 to 5, higher is better."""
    shard = context.partition_key

    def write(draft: Draft) -> None:
        documents = climb.get("corpus_shards", shard).file("documents.parquet")
        scorer = load_scorer(climb.config.quality)
        draft.summary = score_shard(documents, scorer, climb.config.corpus.part_documents, draft.path)

    return result(climb.make("quality_scores", shard, write))


def embeddings_assets(config: Config) -> list[dg.AssetsDefinition]:
    """Return the assets of this stage."""
    return [declare(embeddings, config), declare(quality_scores, config)]
