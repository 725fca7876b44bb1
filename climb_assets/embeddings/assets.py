"""How the asset of the embeddings comes about.

What belongs here: one function an asset, which hands inputs to the compute beside and writes into the draft.
"""

from climb_assets.embeddings.embed import FindPart, embed_shard
from climb_assets.embeddings.encoder import Encoded, load_encoder_once
from climb_assets.embeddings.parts import EarlierVectors
from climb_assets.embeddings.shared_parts import SharedParts
from climb_assets.environment import resolve_revision
from climb_assets.errors import CorruptArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import artefact_name
from climb_assets.store.artifacts import Draft, Order


def embeddings(climb: Materializer, shard: str, draft: Draft) -> None:
    """One unit vector per document, half precision, in document order."""
    documents = climb.get("corpus_shards", shard).file("documents.parquet")
    encoder = load_encoder_once(climb.config.encoder, climb.config.runtime)

    def progress(done: int, total: int) -> None:
        climb.progress(f"embeddings[{shard}]", done, total)

    find = find_embedded(climb, draft.order)
    report = embed_shard(documents, encoder, climb.config.corpus.part_documents, draft.path, progress, find)
    draft.summary, draft.run = report.facts, report.timings
    commit = resolve_revision(climb.config.encoder.model, climb.config.encoder.revision)
    draft.environment |= {"commit": commit} if commit is not None else {}  # a model may have come only now


def find_embedded(climb: Materializer, order: Order) -> FindPart:
    """Return what finds the parts of a shard that are embedded already: by workers, or in an earlier state of it.

    Parameters
    ----------
    order
        Of the shard's vectors.
    """
    assert order.partition is not None
    shared = SharedParts(climb.store, order, artefact_name("corpus_shards", order.partition))
    earlier = _earlier_vectors(climb, order)

    def find(ids: tuple[str, ...]) -> Encoded | None:
        vectors = earlier.find(ids) if earlier is not None else None
        return shared.find(ids) if vectors is None else Encoded(vectors, 0, 0)

    return find


def _earlier_vectors(climb: Materializer, order: Order) -> EarlierVectors | None:
    """Return the vectors of the shard as it was, if the documents that they are of are still there."""
    made = climb.earlier(order)
    if made is None:
        return None
    version = made.manifest["inputs"][artefact_name("corpus_shards", order.partition)]
    documents = climb.store.with_data_version("corpus_shards", order.partition, version)
    if documents is None:
        return None
    try:
        files = documents.file("documents.parquet"), made.file("vectors.npy")
    except CorruptArtifact:  # nothing else needs it any more
        return None
    return EarlierVectors.open(*files, climb.config.corpus.part_documents)
