"""How the asset of the embeddings comes about.

What belongs here: one function an asset, which hands inputs to the compute beside and writes into the draft.
"""

from climb_assets.embeddings.embed import embed_shard
from climb_assets.embeddings.encoder import load_encoder_once
from climb_assets.embeddings.parts import EarlierVectors
from climb_assets.environment import resolve_revision
from climb_assets.errors import CorruptArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import artefact_name
from climb_assets.store.artifacts import Draft


def embeddings(climb: Materializer, shard: str, draft: Draft) -> None:
    """One unit vector per document, half precision, in document order."""
    documents = climb.get("corpus_shards", shard).file("documents.parquet")
    encoder = load_encoder_once(climb.config.encoder, climb.config.runtime)

    def progress(done: int, total: int) -> None:
        climb.progress(f"embeddings[{shard}]", done, total)

    most = climb.config.corpus.part_documents
    report = embed_shard(documents, encoder, most, draft.path, progress, _earlier_vectors(climb, shard, draft))
    draft.summary, draft.run = report.facts, report.timings
    commit = resolve_revision(climb.config.encoder.model, climb.config.encoder.revision)
    draft.environment |= {"commit": commit} if commit is not None else {}  # a model may have come only now


def _earlier_vectors(climb: Materializer, shard: str, draft: Draft) -> EarlierVectors | None:
    """Return the vectors of the shard as it was, if the documents that they are of are still there."""
    made = climb.earlier(draft.order)
    if made is None:
        return None
    version = made.manifest["inputs"][artefact_name("corpus_shards", shard)]
    documents = climb.store.with_data_version("corpus_shards", shard, version)
    if documents is None:
        return None
    try:
        files = documents.file("documents.parquet"), made.file("vectors.npy")
    except CorruptArtifact:  # nothing else needs it any more
        return None
    return EarlierVectors.open(*files, climb.config.corpus.part_documents)
