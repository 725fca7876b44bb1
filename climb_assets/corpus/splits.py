"""The split of every document once the whole corpus is known: families, duplicates, contaminated documents.

What belongs here: what is decided among documents of all shards about where they may be used. A document's own split,
which follows from it alone, is `documents`; what is alike is `near_duplicates`; what belongs together is `families`;
what holds an item is `contamination`; which licences may be used is `licences`.

Most documents are in no family and keep their own split. They are only counted, shard after shard; the database holds
those that something is to be said of.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.config import Corpus
from climb_assets.config_corpus import Licences
from climb_assets.corpus.documents import SPLITS
from climb_assets.corpus.families import find_components, find_families
from climb_assets.corpus.licences import is_permitted, unmatched_patterns
from climb_assets.corpus.side_by_side import read_side_by_side
from climb_assets.executor.database import insert_table, open_database, stream_rows
from climb_assets.tables import gather, read_table, write_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What `split` says of documents that are used nowhere.
LEFT_OUT = ("duplicate", "near_duplicate", "contaminated", "licence")
OVERRIDES = pa.schema([("shard", pa.string()), ("id", pa.string()), ("split", pa.string())])
FAMILIES = pa.schema([("family", pa.string()), *OVERRIDES])
SOURCES = pa.schema([("source", pa.string()), ("split", pa.string()), ("documents", pa.int64())])


@dataclass(frozen=True)
class SplitTables:
    """Tables of one shard: documents and repeats of its `corpus_shards`, and its `contamination`."""

    shard: str
    documents: Path
    repeats: Path
    contamination: Path


def assign_splits(
    shards: Sequence[SplitTables], pairs: Path, duplicates: Path, settings: Corpus, out: Path
) -> dict[str, Any]:
    """Write ``splits.parquet``, ``families.parquet`` and ``sources.parquet`` into `out`.

    ``splits.parquet`` holds the documents whose split is not the one in their own table: it is that of their family, or
    one of `LEFT_OUT`. Only train documents are left out as near-duplicates or as contaminated, each by its setting;
    what its licence forbids is left out of every split.
    ``families.parquet`` holds the documents of families that near-duplicates or shared texts have joined.
    ``sources.parquet`` counts the documents of each source in each split, each duplicate once.

    Parameters
    ----------
    pairs
        ``pairs.parquet`` of `near_duplicates`.
    duplicates
        ``duplicates.parquet`` of `corpus_manifest`: documents that an earlier shard has.

    Returns
    -------
    by_split (documents), moved (documents whose family has another split than they), families, largest_family
    (documents), near_duplicates (pairs), crossing_before and crossing_after (those with one document in train and
    one held out, by own splits and by these), contaminated (train documents that hold an item) and
    contaminated_by_task, unmatched_licences (patterns of the policy that fit no document).
    """
    with open_database(out) as connection:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET preserve_insertion_order = false")
        # What streams is to pass by what is said of some documents, and not to be held: it has no size to judge by.
        connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        _load(connection, shards, pairs, duplicates)
        unmatched = _find_denied(connection, shards, settings.licences)
        with stream_rows(connection, _read_documents(shards, ["article"])):
            connection.execute(_LABELS)
        for name, table in _find_families(connection, settings).items():
            insert_table(connection, name, table)
        with stream_rows(connection, _read_documents(shards, ["source", "article", "split"])):
            connection.execute(_ASSIGN)
        connection.execute(_PARTS)
        if settings.near_duplicates.drop is not None:
            dropped = _find_dropped(connection, settings.near_duplicates.drop, settings.contamination.drop)
            insert_table(connection, "dropped", pa.table({"id": pa.array(dropped, pa.string())}))
        connection.execute(_DECIDE, {"drop_contaminated": settings.contamination.drop})
        connection.execute(_COUNT_SOURCES)
        changed = "SELECT shard, hex(id) AS id, split FROM decided WHERE split <> own ORDER BY ALL"
        families = "SELECT hex(family), shard, hex(id) AS id, split FROM decided WHERE family IS NOT NULL ORDER BY ALL"
        for path, query, schema in (
            (out / "splits.parquet", changed, OVERRIDES),
            (out / "families.parquet", families, FAMILIES),
            (out / "sources.parquet", "FROM of_source ORDER BY source, split", SOURCES),
        ):
            table = connection.sql(query).to_arrow_table().rename_columns(schema.names)
            write_table(path, table.cast(schema))
        return _count(connection) | {"unmatched_licences": unmatched}


_TABLES = """
    CREATE MACRO hex(uuid) AS replace(uuid::VARCHAR, '-', '');
    CREATE TABLE repeat (id UUID, article VARCHAR);
    CREATE TABLE contaminated (id UUID, task VARCHAR);
    CREATE TABLE pair (id UUID, other UUID, similarity FLOAT);
    CREATE TABLE duplicate (shard VARCHAR, id UUID);
    CREATE TABLE denied (shard VARCHAR, id UUID);
    CREATE TABLE label (id UUID, article VARCHAR);
    CREATE TABLE family_of_id (id UUID, family UUID, split VARCHAR);
    CREATE TABLE family_of_article (article VARCHAR, family UUID, split VARCHAR);
    CREATE TABLE dropped (id UUID);
"""

# Labels of what is near another or stands in several places; of most documents there is one, and it joins nothing.
_LABELS = """
    INSERT INTO label
    SELECT id, article FROM (SELECT id::UUID AS id, article FROM rows)
    WHERE id IN (
        SELECT id FROM pair UNION SELECT other FROM pair UNION SELECT id FROM repeat UNION SELECT id FROM duplicate
    )
    UNION ALL FROM repeat
"""

# A text that stands under one label here and under another, or none, there is a member of both.
_LINKED = """
    CREATE TABLE linked AS
    SELECT id FROM pair UNION SELECT other FROM pair UNION
    SELECT id FROM label GROUP BY id HAVING count(DISTINCT article) + (count(*) > count(article))::INTEGER > 1
"""

# What a linked document is split by: its labels or, where it has none at all, its id.
_KEYS = """
    SELECT DISTINCT hex(l.id) AS id, a.article
    FROM linked l LEFT JOIN label a ON a.id = l.id AND a.article IS NOT NULL
    ORDER BY ALL
"""

# Rows of which nothing is to be said are counted: their split is their own.
_ASSIGN = """
    CREATE TABLE counted AS
    SELECT CASE WHEN said THEN shard END AS shard, CASE WHEN said THEN id END AS id, source, own, family, split,
           count(*) AS documents
    FROM (
        SELECT d.shard, d.id, d.source, d.own,
               coalesce(i.family, a.family) AS family, coalesce(i.split, a.split, d.own) AS split,
               coalesce(i.family, a.family) IS NOT NULL OR (d.shard, d.id) IN (FROM duplicate)
               OR (d.shard, d.id) IN (FROM denied) OR d.id IN (SELECT id FROM contaminated) AS said
        FROM (SELECT shard, id::UUID AS id, source, article, split AS own FROM rows) d
        LEFT JOIN family_of_id i ON i.id = d.id LEFT JOIN family_of_article a ON a.article = d.article
    )
    GROUP BY ALL
"""

_PARTS = """
    CREATE VIEW assigned AS SELECT shard, id, source, own, family, split FROM counted WHERE id IS NOT NULL;
    CREATE VIEW plain AS SELECT source, split, documents FROM counted WHERE id IS NULL;
"""

_DECIDE = """
    CREATE TABLE decided AS
    SELECT shard, id, source, family, own, split AS of_family, CASE
        WHEN (shard, id) IN (FROM duplicate) THEN 'duplicate'
        WHEN (shard, id) IN (FROM denied) THEN 'licence'
        WHEN split <> 'train' THEN split
        WHEN $drop_contaminated AND id IN (SELECT id FROM contaminated) THEN 'contaminated'
        WHEN id IN (FROM dropped) THEN 'near_duplicate'
        ELSE split END AS split
    FROM assigned
"""

_COUNT_SOURCES = """
    CREATE TABLE of_source AS
    SELECT source, split, sum(documents)::BIGINT AS documents
    FROM (FROM plain UNION ALL SELECT source, split, 1 FROM decided WHERE split <> 'duplicate')
    GROUP BY source, split
"""

_SIZES = """
    SELECT count(*), coalesce(max(size), 0)
    FROM (SELECT count(*) AS size FROM decided WHERE family IS NOT NULL AND split <> 'duplicate' GROUP BY family)
"""

_CROSSING = """
    SELECT count(*),
           count(*) FILTER ((a.own = 'train') <> (b.own = 'train')),
           count(*) FILTER (a.split IN $splits AND b.split IN $splits AND (a.split = 'train') <> (b.split = 'train'))
    FROM pair p
    JOIN decided a ON a.id = p.id AND a.split <> 'duplicate'
    JOIN decided b ON b.id = p.other AND b.split <> 'duplicate'
"""

# Documents of train that may be the one that is kept of a group.
_TRAIN = """
    SELECT DISTINCT hex(id) FROM assigned
    WHERE split = 'train' AND NOT ($contaminated_too AND id IN (SELECT id FROM contaminated))
    AND (shard, id) NOT IN (FROM denied) AND (shard, id) NOT IN (FROM duplicate) ORDER BY 1
"""

_CONTAMINATED = """
    SELECT c.task, count(DISTINCT c.id) FROM contaminated c JOIN assigned a USING (id)
    WHERE a.split = 'train' AND (a.shard, a.id) NOT IN (FROM denied) GROUP BY ROLLUP (c.task) ORDER BY 1
"""


def _load(connection: "DuckDBPyConnection", shards: Sequence[SplitTables], pairs: Path, duplicates: Path) -> None:
    """Fill the tables of what is said of some documents."""
    connection.execute(_TABLES)
    for name, tables in {
        "repeat": (read_table(shard.repeats, ["id", "article"]) for shard in shards),
        "contaminated": (read_table(shard.contamination, ["id", "task"]) for shard in shards),
    }.items():
        for table in gather(tables):
            insert_table(connection, name, table)
    insert_table(connection, "pair", read_table(pairs, ["id", "other", "similarity"]))
    insert_table(connection, "duplicate", read_table(duplicates, ["shard", "id"]))


def _read_documents(shards: Sequence[SplitTables], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the documents of all shards: ``shard``, ``id``, and some columns."""
    return gather(
        table.add_column(0, "shard", pa.repeat(shard.shard, len(table)))
        for shard in shards
        for table in read_side_by_side(shard.shard, {shard.documents: columns})
    )


def _find_denied(connection: "DuckDBPyConnection", shards: Sequence[SplitTables], policy: Licences) -> list[str]:
    """Fill the table of documents that may not be used; return the patterns of the policy that fit no document.

    A text counts where it comes first in the order of shards, as everywhere, and so does the licence that it has there.
    """
    if not policy.restrict:
        return []
    seen = set[str]()
    for table in _read_documents(shards, ["licence"]):
        names = pc.unique(table["licence"]).to_pylist()
        seen.update(name for name in names if name is not None)
        denied = pa.array([name for name in names if not is_permitted(name, policy)], pa.string())
        insert_table(connection, "denied", table.filter(pc.is_in(table["licence"], denied)).select(["shard", "id"]))
    return unmatched_patterns(seen, policy)


def _find_families(connection: "DuckDBPyConnection", settings: Corpus) -> dict[str, pa.Table]:
    """Return the family, and its split, of each linked document and of each article of such a one."""
    connection.execute(_LINKED)
    keys = connection.execute(_KEYS).fetchall()
    pairs = connection.execute("SELECT hex(id), hex(other) FROM pair").fetchall()
    return find_families(keys, pairs, settings)


def _find_dropped(connection: "DuckDBPyConnection", similarity: float, contaminated_too: bool) -> list[str]:
    """Return the train documents, ascending, that are too similar to another: all of a group but the smallest id."""
    pairs = connection.execute("SELECT hex(id), hex(other) FROM pair WHERE similarity >= ?", [similarity]).fetchall()
    group: dict[str, int] = find_components(pairs)
    kept, dropped = set[int](), []
    for (id,) in connection.execute(_TRAIN, {"contaminated_too": contaminated_too}).fetchall():
        if id in group:
            (dropped.append(id) if group[id] in kept else kept.add(group[id]))
    return dropped


def _count(connection: "DuckDBPyConnection") -> dict[str, Any]:
    counts = "SELECT split, sum(documents)::BIGINT FROM of_source GROUP BY split"
    by_split = dict(connection.execute(counts).fetchall())
    [(moved,)] = connection.execute("SELECT count(*) FROM decided WHERE of_family <> own").fetchall()
    [(families, largest)] = connection.execute(_SIZES).fetchall()
    pairs, before, after = connection.execute(_CROSSING, {"splits": list(SPLITS)}).fetchall()[0]
    by_task = connection.execute(_CONTAMINATED).fetchall()
    return {
        "by_split": {name: by_split.get(name, 0) for name in (*SPLITS, *LEFT_OUT[1:])},
        "moved": moved,
        "families": families,
        "largest_family": largest,
        "near_duplicates": pairs,
        "crossing_before": before,
        "crossing_after": after,
        "contaminated": sum(count for task, count in by_task if task is None),
        "contaminated_by_task": {task: count for task, count in by_task if task is not None},
    }
