"""From a stream of texts to the clusters that they lie in, with the vectors and the arithmetic of the lake.

What belongs here: which texts are embedded together and in which blocks they are compared with centroids. A batch
decides the last bits of a vector, so the texts of a file are batched as those of a shard are: short texts and repeats,
which a shard leaves out, stand aside. Where the texts come from is `classify`, what a cluster means is `taxonomy`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from climb_assets.clusters.cell_scorer import CellScorer
from climb_assets.clusters.cells import number_cells
from climb_assets.clusters.kmeans import BLOCK, two_nearest_centroids
from climb_assets.corpus.documents import document_id
from climb_assets.embeddings.embed import are_usable
from climb_assets.embeddings.parts import cut_parts
from climb_assets.errors import ComputeError

Key = TypeVar("Key")

REMEMBERED = 2**17  # texts whose labels are at hand for their repeats; some 50 MB
MOST_WAITING = 2**16  # texts that wait for a block to fill, which repeats and short ones do not; then it is cut


@dataclass(slots=True)
class Label:
    """Where one text lies.

    Parameters
    ----------
    id
        The id that a document of this text has.
    cluster
        Its nearest centroid, or its cell within that, where there are cells; -1 until that is known.
    distance
        Euclidean distance of the unit vector to it.
    margin
        How much farther the second nearest centroid is.
    """

    id: str
    cluster: int = -1
    distance: float = 0.0
    margin: float = 0.0


@dataclass(frozen=True)
class Method:
    """How texts become labels.

    Parameters
    ----------
    encode
        Returns the vectors (texts, dimension) of texts.
    centroids
        (clusters, dimension)
    part_documents
        Texts that are embedded together, at most.
    min_characters
        Shorter texts are no documents of a corpus; they are labelled too, and embedded by themselves.
    cells
        What scores texts, where clusters are parted into cells.
    """

    encode: Callable[[Sequence[str]], NDArray[np.float16]]
    centroids: NDArray[np.float32]
    part_documents: int
    min_characters: int
    cells: CellScorer | None = None

    @property
    def bands(self) -> int:
        """Number of bands; 1 where there are no cells."""
        return 1 if self.cells is None else self.cells.cells.bands

    def embed(self, texts: Sequence[str]) -> "Embedded":
        """Return the vectors and the bands of texts.

        Raises
        ------
        ComputeError
            One is zero or not finite.
        """
        vectors = self.encode(texts)
        broken = np.flatnonzero(~are_usable(vectors))
        if len(broken):
            raise ComputeError(
                f"the encoder gave no usable vector for the text that begins with {texts[broken[0]][:80]!r}; "
                "try encoder.precision: float32 or another encoder"
            )
        bands = np.zeros(len(texts), np.int32) if self.cells is None else self.cells.bands_of(texts, vectors)
        return Embedded(vectors, bands)


class Embedded(NamedTuple):
    """Vectors (texts, dimension) and bands (texts,) of texts."""

    vectors: NDArray[np.float16]
    bands: NDArray[np.int32]


class Labelling(Generic[Key]):
    """The labelling of one stream of texts, such as a file; iterate over it once.

    It yields each key with its label, in the order of the texts and in bounded memory.

    Parameters
    ----------
    texts
        Pairs of a key, which is handed back, and a text in its normal form.
    """

    def __init__(self, texts: Iterable[tuple[Key, str]], method: Method) -> None:
        self._source = iter(texts)
        self._method = method
        self._ended = False
        self._known: dict[str, Label] = {}  # the latest ones, by id
        self._waiting: deque[tuple[Key, Label]] = deque()  # all that was read and not yielded
        self._coming: deque[Label] = deque()  # of documents, in the order of their vectors
        self._short: list[tuple[Label, str]] = []

    def __iter__(self) -> Iterator[tuple[Key, Label]]:
        while not self._ended:
            for block in self._blocks():
                self._fill([self._coming.popleft() for _ in block.bands], block)
                yield from self._finished()
            yield from self._finished()

    def _documents(self) -> Iterator[tuple[str, str]]:
        """Yield ids and texts of what a shard would keep, until the stream ends or too many others wait."""
        for key, text in self._source:
            name = document_id(text)
            label = self._known.get(name)
            if label is None:
                label = self._known[name] = Label(name)
                self._waiting.append((key, label))
                if len(text) < self._method.min_characters:
                    self._short.append((label, text))
                else:
                    self._coming.append(label)
                    yield name, text
            else:
                self._waiting.append((key, label))
            if len(self._waiting) >= MOST_WAITING:
                return
        self._ended = True

    def _blocks(self) -> Iterator[Embedded]:
        """Yield what documents became in blocks of `BLOCK`, the last one of what is left."""
        held: list[Embedded] = []
        for _, texts in cut_parts(self._documents(), self._method.part_documents):
            held.append(self._method.embed(texts))
            while sum(len(part.bands) for part in held) >= BLOCK:
                vectors, bands = map(np.concatenate, zip(*held, strict=True))
                yield Embedded(vectors[:BLOCK], bands[:BLOCK])
                held = [Embedded(vectors[BLOCK:], bands[BLOCK:])]
        if any(len(part.bands) for part in held):
            yield Embedded(*map(np.concatenate, zip(*held, strict=True)))

    def _fill(self, labels: Sequence[Label], block: Embedded) -> None:
        cluster, distances, margins = two_nearest_centroids(block.vectors, self._method.centroids)
        cells = number_cells(cluster, block.bands, self._method.bands)
        rows = zip(*(column.tolist() for column in (cells, distances, margins)), strict=True)
        for label, (cell, distance, margin) in zip(labels, rows, strict=True):
            label.cluster, label.distance, label.margin = cell, distance, margin

    def _finished(self) -> Iterator[tuple[Key, Label]]:
        """Label the short texts, and yield what waits for nothing any more."""
        while self._short:
            some, self._short = self._short[: self._method.part_documents], self._short[self._method.part_documents :]
            self._fill([label for label, _ in some], self._method.embed([text for _, text in some]))
        while self._waiting and self._waiting[0][1].cluster >= 0:
            yield self._waiting.popleft()
        while len(self._known) > REMEMBERED:
            self._known.pop(next(iter(self._known)))
