"""Parts of a shard that several workers embed: each is an artefact of its own until the shard has all its vectors.

What belongs here: what such an artefact is made from and holds. Who makes it is `climb_assets.embeddings.part_unit`;
once the shard's vectors are put down, nothing needs it any more.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from climb_assets.embeddings.encoder import Encoded, Encoder
from climb_assets.errors import CorruptArtifact
from climb_assets.store.artifacts import Draft, Order, sha256_text
from climb_assets.store.files import write_array
from climb_assets.store.store import Store

PARTS = "embedded_parts"  # in the store, and no asset
VECTORS = "vectors.npy"


def order_of_part(shard: Order, documents: str, ids: Sequence[str]) -> Order:
    """Return what embedding a part means: its documents and all that the shard's vectors are made from besides them.

    Parameters
    ----------
    shard
        The order of the shard's vectors.
    documents
        The input in it that is the shard's documents. A part of a later state of the shard has the same ids.
    ids
        Of the part's documents.
    """
    inputs = {name: version for name, version in shard.inputs.items() if name != documents}
    config = {**shard.config, "documents": sha256_text("\n".join(ids))}
    return replace(shard, asset=PARTS, inputs=inputs, config=config)


def embed_part(encoder: Encoder, texts: Sequence[str], draft: Draft) -> None:
    """Write ``vectors.npy`` of a part's texts: float16 (documents, dimension) in their order."""
    encoded = encoder.encode(texts)
    write_array(draft.path / VECTORS, encoded.vectors)
    draft.summary = {"documents": len(texts), "tokens": encoded.tokens, "padded_tokens": encoded.padded_tokens}


class SharedParts:
    """The parts of a shard that workers have embedded.

    Parameters
    ----------
    shard, documents
        See `order_of_part`.
    """

    def __init__(self, store: Store, shard: Order, documents: str) -> None:
        self._store, self._shard, self._documents = store, shard, documents
        self._there = set(store.fingerprints(PARTS, shard.partition))

    def find(self, ids: Sequence[str]) -> Encoded | None:
        """Return the vectors of a part (documents, dimension) and what they cost; None where nobody has them."""
        if not self._there:
            return None
        fingerprint = order_of_part(self._shard, self._documents, ids).fingerprint
        part = self._store.find(PARTS, self._shard.partition, fingerprint) if fingerprint in self._there else None
        if part is None:
            return None
        try:
            vectors = np.load(part.file(VECTORS), allow_pickle=False)
        except CorruptArtifact:  # it is embedded again
            return None
        return Encoded(vectors, part.summary["tokens"], part.summary["padded_tokens"])
