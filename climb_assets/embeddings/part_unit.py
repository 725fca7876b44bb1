"""Embedding the parts of a shard as units of work, where one shard is more than its worker's share.

What belongs here: which parts are shared out, and the unit. What a part is belongs to
`climb_assets.embeddings.shared_parts`; the shard's vectors are made of them as of any others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from climb_assets.config import Config
from climb_assets.embeddings.assets import find_embedded
from climb_assets.embeddings.encoder import load_encoder_once
from climb_assets.embeddings.parts import locate_parts
from climb_assets.embeddings.shared_parts import embed_part, order_of_part
from climb_assets.errors import ComputeError, MissingArtifact
from climb_assets.graph.assets import SPEC
from climb_assets.graph.code_identity import code_at_start
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import artefact_name
from climb_assets.store.artifacts import Draft, Order
from climb_assets.store.opening import open_store
from climb_assets.tables import read_span


@dataclass(frozen=True)
class EmbedPart:
    """Embed one part of a shard.

    Parameters
    ----------
    order
        What it means; see `order_of_part`.
    documents
        Fingerprint of the shard's documents.
    first, count
        Place of its first document among those of the shard, and their number.
    """

    config: Config
    order: Order
    documents: str
    first: int
    count: int

    @property
    def name(self) -> str:
        """What people read of it."""
        return f"{self.order.partition}, {self.count} documents from {self.first} on"

    def run(self) -> None:
        """Embed it unless somebody has.

        Raises
        ------
        ComputeError
            The source code is no longer the one that the work was planned with.
        MissingArtifact
            The documents were removed meanwhile.
        """
        if code_at_start(*SPEC["embeddings"].functions) != self.order.code:
            raise ComputeError("the source code of embeddings was changed while they are made; start again")
        store = open_store(self.config)

        def write(draft: Draft) -> None:
            documents = store.find("corpus_shards", self.order.partition, self.documents)
            if documents is None:
                raise MissingArtifact(f"the documents of {self.order.partition} were removed meanwhile; run `climb up`")
            path = documents.file("documents.parquet")
            texts = read_span(path, self.first, self.count, ["text"])["text"].to_pylist()
            embed_part(load_encoder_once(self.config.encoder, self.config.runtime), texts, draft)

        with store.in_use():
            store.put(self.order, write)


def parts_to_embed(climb: Materializer, shards: Sequence[str], workers: int) -> list[EmbedPart]:
    """Return the parts to embed of those shards that have more documents than a worker's share of all.

    As many workers as there are shards of one size need nothing of this, and files of other shards are not read.
    """
    orders = {shard: climb.order("embeddings", shard) for shard in shards}
    missing = [shard for shard, order in orders.items() if climb.store.find(*_place(order)) is None]
    documents = {shard: climb.get("corpus_shards", shard) for shard in missing}
    counts = {shard: int(artifact.summary["documents"]) for shard, artifact in documents.items()}
    total, units = sum(counts.values()), []
    for shard in (shard for shard in missing if counts[shard] * workers > total):
        order, find = orders[shard], find_embedded(climb, orders[shard])
        path = documents[shard].file("documents.parquet")
        parts = [part for part in locate_parts(path, climb.config.corpus.part_documents) if find(part[0]) is None]
        if len(parts) > 1:
            name = artefact_name("corpus_shards", shard)
            units += [
                EmbedPart(climb.config, order_of_part(order, name, ids), documents[shard].fingerprint, first, len(ids))
                for ids, first in parts
            ]
    return units


def _place(order: Order) -> tuple[str, str | None, str]:
    return order.asset, order.partition, order.fingerprint
