"""The tables of one shard read side by side: its documents with what other stages say of each.

What belongs here: reading rows that belong together, some at a time. All stages keep the order of a shard's documents,
so nothing is searched for; that the ids are the same is checked row by row.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from climb_assets.errors import CorruptArtifact
from climb_assets.tables import gather, iterate_texts, read_rows

ROWS = 16_384  # that are yielded at a time, at least but for the last


def read_side_by_side(shard: str, tables: Mapping[Path, Sequence[str]]) -> Iterator[pa.Table]:
    """Yield the rows of a shard's tables in their order: ``id``, and the columns that are asked of each.

    Each time there are `ROWS` rows, or fewer than twice as many where row groups of the tables end elsewhere; memory
    holds these, and a row group of each table.

    Parameters
    ----------
    tables
        The columns to read of each, none of them in two.

    Raises
    ------
    CorruptArtifact
        The tables are not of the same documents in the same order.
    """
    yield from gather(_align(shard, tables), ROWS)


def _align(shard: str, tables: Mapping[Path, Sequence[str]]) -> Iterator[pa.Table]:
    streams = [iterate_texts(path, ROWS, ["id", *columns]) for path, columns in tables.items()]
    heads = [next(stream, None) for stream in streams]
    while any(head is not None for head in heads):
        there = [head for head in heads if head is not None]
        rows = min(len(head) for head in there)
        parts = [head.slice(0, rows) for head in there]
        if len(there) < len(heads) or not all(part["id"].equals(parts[0]["id"]) for part in parts[1:]):
            raise CorruptArtifact(
                f"the tables of shard {shard} are not of the same documents; delete the folders of "
                f"{' and '.join(map(str, tables))} and run `climb up`"
            )
        yield pa.table({name: part[name] for part in parts for name in part.schema.names})
        heads = [
            head.slice(rows) if len(head) > rows else next(stream, None)
            for head, stream in zip(there, streams, strict=True)
        ]


def apply_splits(rows: Iterable[pa.Table], shard: str, splits: Path) -> Iterator[pa.Table]:
    """Yield tables of a shard's documents with the split that the corpus gives each in place of its own.

    Parameters
    ----------
    rows
        With the columns ``id`` and ``split``.
    splits
        ``splits.parquet`` of `corpus_manifest`.
    """
    changed = read_rows(splits, "shard", shard)
    for table in rows:
        of_corpus = changed["split"].take(pc.index_in(table["id"], changed["id"]))
        place = table.schema.get_field_index("split")
        yield table.set_column(place, "split", pc.coalesce(of_corpus, table["split"]))


def train_mask(shard: str, documents: Path, splits: Path) -> NDArray[np.bool_]:
    """Return which documents of a shard, in the order of its table, may be trained on.

    Parameters
    ----------
    documents
        ``documents.parquet`` of the shard.
    splits
        ``splits.parquet`` of `corpus_manifest`.
    """
    tables = apply_splits(read_side_by_side(shard, {documents: ["split"]}), shard, splits)
    parts = [pc.equal(table["split"], "train").to_numpy() for table in tables]
    return np.concatenate([np.empty(0, np.bool_), *parts])
