"""Parts of a shard: the slices of its documents that are embedded and put down together.

What belongs here: where a part begins and ends, and which parts an earlier state of the shard had too. Embedding them
is `embed`.

Which documents share a batch decides the last bits of their vectors, so a part is embedded as a whole or not at all.
Where it begins follows from the documents in it and not from their number in the shard: a document that is put in or
taken out changes one part.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from climb_assets.tables import TEXTS, iterate_batches, iterate_texts

Part = tuple[tuple[str, ...], list[str]]  # ids and texts of its documents


def iterate_parts(documents: Path, most: int) -> Iterator[Part]:
    """Yield the parts of a shard: the ids and the texts of their documents, in document order; see `cut_parts`.

    Parameters
    ----------
    documents
        ``documents.parquet`` of the shard.
    most
        Documents in a part at most.
    """
    batches = iterate_texts(documents, TEXTS, ["id", "text"])
    rows = (zip(batch["id"].to_pylist(), batch["text"].to_pylist(), strict=True) for batch in batches)
    return cut_parts(chain.from_iterable(rows), most)


def cut_parts(documents: Iterable[tuple[str, str]], most: int) -> Iterator[Part]:
    """Yield documents, pairs of id and text, in parts of at most `most`.

    A document begins a part where the hash that its id is falls among those that do, about two in `most`, or where the
    part before it is full.
    """
    ids: list[str] = []
    texts: list[str] = []
    for name, text in documents:
        if ids and (len(ids) == most or int(name[:8], 16) % max(most // 2, 1) == 0):
            yield tuple(ids), texts
            ids, texts = [], []
        ids.append(name)
        texts.append(text)
    if ids:
        yield tuple(ids), texts


def locate_parts(documents: Path, most: int) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the ids of each part of a shard and the place of its first document; see `iterate_parts`."""
    batches = iterate_batches(documents, most, ["id"])
    names = (name for batch in batches for name in batch["id"].to_pylist())
    place = 0
    for ids, _ in cut_parts(((name, "") for name in names), most):
        yield ids, place
        place += len(ids)


@dataclass(frozen=True)
class EarlierVectors:
    """The vectors of an earlier state of a shard, made by the same encoder with the same settings.

    Parameters
    ----------
    vectors
        float16 (documents, dimension), mapped into memory.
    places
        Of each part, by the ids of its documents, the place of the first one.
    """

    vectors: NDArray[np.float16]
    places: dict[tuple[str, ...], int]

    @classmethod
    def open(cls, documents: Path, vectors: Path, most: int) -> "EarlierVectors":
        """Open what was embedded from a ``documents.parquet`` in parts of at most `most` documents."""
        places = dict(locate_parts(documents, most))
        return cls(np.load(vectors, mmap_mode="r", allow_pickle=False), places)

    def find(self, ids: tuple[str, ...]) -> NDArray[np.float16] | None:
        """Return the vectors of a part (documents, dimension); None where there was no such part."""
        place = self.places.get(ids)
        return None if place is None else np.asarray(self.vectors[place : place + len(ids)])
