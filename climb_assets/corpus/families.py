"""Families: documents that belong together and so have one split.

What belongs here: which members are joined, and what decides of a family. Where its documents may be used in the end is
`splits`.

Documents of one article, near-duplicates, and articles that share a text are one family, and a family has one split:
that of its member (an article, or a document without one) whose hash is the smallest. So nothing depends on where
documents lie or on their order.
"""

from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from climb_assets.config import Corpus
from climb_assets.corpus.documents import assign_split
from climb_assets.store.artifacts import sha256_text

Node = TypeVar("Node", bound=Hashable)


def find_families(
    labels: Sequence[tuple[str, str | None]], pairs: Sequence[tuple[str, str]], settings: Corpus
) -> dict[str, pa.Table]:
    """Return the family, and its split, of each document that is joined to others and of each article of such a one.

    Parameters
    ----------
    labels
        Each of these documents with each of its articles; None where it has none at all.
    pairs
        Near-duplicates.

    Returns
    -------
    Tables ``family_of_id`` and ``family_of_article``; their columns: id or article, family, split.
    """
    edges = [(("id", id), ("id", id) if article is None else ("article", article)) for id, article in labels]
    component = find_components([*edges, *((("id", id), ("id", other)) for id, other in pairs)])
    deciding: dict[int, str] = {}
    for member in sorted({member for _, member in edges}, key=lambda member: sha256_text(member[1])):
        deciding.setdefault(component[member], member[1])
    rows = [
        (kind, name, sha256_text(deciding[number])[:32], assign_split(deciding[number], settings))
        for (kind, name), number in component.items()
    ]
    return {
        f"family_of_{wanted}": pa.Table.from_pylist(
            [{wanted: name, "family": family, "split": split} for kind, name, family, split in rows if kind == wanted],
            schema=pa.schema([(column, pa.string()) for column in (wanted, "family", "split")]),
        )
        for wanted in ("id", "article")
    }


def find_components(edges: Sequence[tuple[Node, Node]]) -> dict[Node, int]:
    """Return the number of the connected component of each node."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    places = {node: place for place, node in enumerate(dict.fromkeys(node for edge in edges for node in edge))}
    ends = np.array([(places[one], places[other]) for one, other in edges], np.int32).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), np.bool_), (ends[:, 0], ends[:, 1])), (len(places), len(places)))
    _, numbers = connected_components(graph, directed=False)
    return dict(zip(places, numbers.tolist(), strict=True))
