"""DuckDB over the lake: named views of the current artefacts, read-only and locked down.

What belongs here: the views and the connection. Tables enter as Arrow data sets, so no path and no name of a
partition ever becomes SQL text, and the connection can be shut off from every file.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds

from climb_assets.config_sql import Sql
from climb_assets.errors import ArgumentError, MissingArtifact
from climb_assets.graph.spec import iteration_key
from climb_assets.rounding import round_table
from climb_assets.store.artifacts import Artifact
from climb_assets.store.store import Store

SHOWN_DIGITS = 6  # significant ones, of a table as text; as JSON it has all
LOCKED_DOWN = """
SET temp_directory = '';
SET python_enable_replacements = false;
SET enable_external_access = false;
SET lock_configuration = true;
"""

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class View:
    """A table that queries can name: the asset that it shows, of all partitions or of one, and how it is opened."""

    asset: str
    partition: str | None
    open: Callable[[Store], ds.Dataset]


def _partitioned(asset: str, file: str, key: str) -> View:
    """Return the view of one file of all partitions, with the partition key as a column."""

    def build(store: Store) -> ds.Dataset:
        artifacts = [store.get(asset, partition) for partition in store.partitions(asset)]
        if not artifacts:
            raise MissingArtifact(f"{asset} has not been made; run `climb up --to {asset}`")
        format = ds.ParquetFileFormat()
        fragments = [_fragment(format, artifact, file, key) for artifact in artifacts]
        schema = fragments[0].physical_schema.append(pa.field(key, pa.string()))
        return ds.FileSystemDataset(fragments, schema, format, filesystem=fragments[0].filesystem)

    return View(asset, None, build)


def _fragment(format: ds.ParquetFileFormat, artifact: Artifact, file: str, key: str) -> ds.Fragment:
    from pyarrow.fs import LocalFileSystem

    expression = ds.field(key) == artifact.partition
    return format.make_fragment(str(artifact.file(file)), filesystem=LocalFileSystem(), partition_expression=expression)


def _whole(asset: str, file: str, partition: str | None = None) -> View:
    return View(asset, partition, lambda store: ds.dataset(str(store.get(asset, partition).file(file))))


BASE: dict[str, View] = {
    "shards": _whole("corpus_manifest", "shards.parquet"),
    "duplicates": _whole("corpus_manifest", "duplicates.parquet"),
    "changed_splits": _whole("corpus_manifest", "splits.parquet"),
    "families": _whole("corpus_manifest", "families.parquet"),
    "sources": _whole("corpus_manifest", "sources.parquet"),
    "near_duplicates": _whole("near_duplicates", "pairs.parquet"),
    "contamination": _partitioned("contamination", "contamination.parquet", "shard"),
    "documents": _partitioned("corpus_shards", "documents.parquet", "shard"),
    "accounts": _partitioned("corpus_shards", "accounts.parquet", "shard"),
    "quarantine": _partitioned("corpus_shards", "quarantine.parquet", "shard"),
    "tokens": _partitioned("tokenized_shards", "documents.parquet", "shard"),
    "quality": _partitioned("quality_scores", "scores.parquet", "shard"),
    "assignments": _partitioned("cluster_assignments", "assignments.parquet", "shard"),
    "cluster_statistics": _whole("cluster_statistics", "clusters.parquet"),
    "cluster_domains": _whole("domains", "clusters.parquet"),
    "domains": _whole("domain_supply", "supply.parquet"),
    "left_out": _whole("domain_supply", "left_out.parquet"),
    "drift": _whole("taxonomy_drift", "drift.parquet"),
    "pruned_clusters": _whole("domains", "pruned.parquet"),
    "carried_evidence": _whole("carried_evidence", "history.parquet"),
    "transfers": _whole("carried_evidence", "transfers.parquet"),
    "candidates": _partitioned("mixture_candidates", "candidates.parquet", "iteration"),
    "proxy_results": _partitioned("proxy_results", "results.parquet", "iteration"),
    "proxy_curves": _partitioned("proxy_results", "curves.parquet", "iteration"),
    "task_curves": _partitioned("proxy_results", "task_curves.parquet", "iteration"),
    "proxy_models": _partitioned("proxy_results", "models.parquet", "iteration"),
    "noise": _whole("predictor_state", "noise.parquet", iteration_key(1)),  # later iterations carry the same
    "predictors": _partitioned("predictor_state", "families.parquet", "iteration"),
    "evidence": _partitioned("predictor_state", "evidence.parquet", "iteration"),
    "pareto_front": _partitioned("predictor_state", "front.parquet", "iteration"),
    "fidelity": _whole("proxy_fidelity", "fidelity.parquet"),
    "baselines": _partitioned("baseline_mixtures", "baselines.parquet", "objective"),
    "shortlist": _partitioned("confirmation_results", "shortlist.parquet", "objective"),
    "confirmations": _partitioned("confirmation_results", "results.parquet", "objective"),
    "mixtures": _partitioned("optimal_mixture", "weights.parquet", "objective"),
    "comparisons": _partitioned("target_comparison", "comparison.parquet", "objective"),
    "mixed_corpus": _partitioned("mixed_corpus", "sample.parquet", "objective"),
}

# Views over the tables above; a query that names one needs its tables.
DERIVED: dict[str, tuple[str, tuple[str, ...]]] = {
    "splits": (
        "CREATE VIEW splits AS SELECT d.shard, d.id, coalesce(c.split, d.split) AS split "
        "FROM documents d LEFT JOIN changed_splits c USING (shard, id)",
        ("documents", "changed_splits"),
    ),
    "clusters": (
        "CREATE VIEW clusters AS SELECT * FROM cluster_statistics LEFT JOIN cluster_domains USING (cluster)",
        ("cluster_statistics", "cluster_domains"),
    ),
}


def view_names() -> list[str]:
    """Return the names that a query can use, sorted."""
    return sorted([*BASE, *DERIVED])


@dataclass(frozen=True)
class Answer:
    """The rows that a query gave; `cut` where there were more than `sql.rows`. As text it is a table of few digits."""

    table: pa.Table
    cut: bool

    def __str__(self) -> str:
        import duckdb

        with duckdb.connect(":memory:") as connection:
            return str(connection.from_arrow(round_table(self.table, SHOWN_DIGITS)))


def query_lake(store: Store, query: str, limits: Sql | None = None) -> Answer:
    """Run one SELECT over the views; only the tables that it names are opened, their checksums verified.

    Parameters
    ----------
    limits
        What it may cost; None: the defaults of the section ``sql``.

    Raises
    ------
    ArgumentError
        The query is not one SELECT, DuckDB refuses it, or it costs more than the limits allow.
    MissingArtifact
        A view's assets have not been made yet.
    """
    import duckdb

    limits = limits or Sql()
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": f"{limits.memory_bytes}B",
        },
    )
    alarm = threading.Timer(limits.seconds, connection.interrupt)
    alarm.daemon = True
    alarm.start()
    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise ArgumentError("give one SELECT statement; the lake is read-only")
        wanted = _views_in(connection, query)
        for name in sorted(wanted & BASE.keys()):
            connection.register(name, BASE[name].open(store))
        for name in sorted(wanted & DERIVED.keys()):
            connection.execute(DERIVED[name][0])
        connection.execute(LOCKED_DOWN)
        table = connection.sql(query).limit(limits.rows + 1).to_arrow_table()
        return Answer(table.slice(0, limits.rows), table.num_rows > limits.rows)
    except duckdb.InterruptException:
        told = f"the query took longer than {limits.seconds:g} s; narrow it or raise sql.seconds"
        raise ArgumentError(told) from None
    except duckdb.OutOfMemoryException:
        memory = f"{limits.memory_bytes:,} bytes"
        raise ArgumentError(f"the query needs more than {memory}; narrow it or raise sql.memory_bytes") from None
    except duckdb.Error as error:
        message = " ".join(str(error).split())
        raise ArgumentError(f"{message} (views: {', '.join(view_names())})") from None
    finally:
        alarm.cancel()
        connection.close()


def artefacts_read(store: Store, query: str) -> list[tuple[str, str | None]]:
    """Return the asset and the partition of every artefact that a query reads, sorted.

    Raises
    ------
    ArgumentError
        DuckDB refuses the query.
    """
    import duckdb

    with duckdb.connect(":memory:") as connection:
        try:
            named = _views_in(connection, query)
        except duckdb.Error as error:
            raise ArgumentError(" ".join(str(error).split())) from None
    found: set[tuple[str, str | None]] = set()
    for view in (BASE[name] for name in named & BASE.keys()):
        keys = [view.partition] if view.partition is not None else store.partitions(view.asset)
        found |= {(view.asset, key) for key in keys} or {(view.asset, None)}
    return sorted(found, key=str)


def _views_in(connection: "duckdb.DuckDBPyConnection", query: str) -> set[str]:
    """Return the names that a query reads from, with those that the views among them are made of."""
    wanted = _tables_in(connection, query)
    for derived in wanted & DERIVED.keys():
        wanted |= set(DERIVED[derived][1])
    return wanted


def _tables_in(connection: "duckdb.DuckDBPyConnection", query: str) -> set[str]:
    """Return the names that a query reads from, by its syntax tree: binding it would need the tables."""
    rows = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    found: set[str] = set()
    waiting: list[Any] = [json.loads(rows[0][0])]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                found.add(str(node["table_name"]).lower())
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found


def as_rows(answer: Answer) -> list[dict[str, Any]]:
    """Return an answer as records; of columns of one name the later ones bear a number: ``name_1``."""
    columns = {name: _values(answer.table[name]) for name in answer.table.column_names}  # DuckDB has made them distinct
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):  # a date that Python does not have
        values = column.cast(pa.string()).to_pylist()
    return values
