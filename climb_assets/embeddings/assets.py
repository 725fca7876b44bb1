"""How the asset of the embeddings comes about.

What belongs here: one function an asset, which hands inputs to the compute beside and writes into the draft.
"""

from climb_assets.embeddings.embed import embed_shard
from climb_assets.embeddings.encoder import load_encoder_once
from climb_assets.environment import resolve_revision
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Draft


def embeddings(climb: Materializer, shard: str, draft: Draft) -> None:
    """One unit vector per document, half precision, in document order."""
    documents = climb.get("corpus_shards", shard).file("documents.parquet")
    encoder = load_encoder_once(climb.config.encoder, climb.config.runtime)

    def progress(done: int, total: int) -> None:
        climb.progress(f"embeddings[{shard}]", done, total)

    report = embed_shard(documents, encoder, climb.config.corpus.part_documents, draft.path, progress)
    draft.summary, draft.run = report.facts, report.timings
    commit = resolve_revision(climb.config.encoder.model, climb.config.encoder.revision)
    draft.environment |= {"commit": commit} if commit is not None else {}  # a model may have come only now
