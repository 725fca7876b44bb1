"""DuckDB over the lake: the documented queries work, and nothing else than reading the views does."""

import re
import time
from pathlib import Path

import pytest

from climb_assets.config_file import load_config
from climb_assets.config_sql import Sql
from climb_assets.errors import ArgumentError, CorruptArtifact, MissingArtifact
from climb_assets.graph.assets import SPEC
from climb_assets.graph.catalog import as_rows, query_lake, view_names
from climb_assets.graph.materializer import Materializer
from climb_assets.store.local import LocalStore

PAGE = Path(__file__).parents[3] / "docs" / "queries.md"
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def lake(finished_once: Path) -> LocalStore:
    """Return the lake of a finished project."""
    return LocalStore(finished_once / "data_lake")


def test_the_page_has_thirteen_queries_and_names_every_view() -> None:
    assert len(QUERIES) == 13
    named = set(re.findall(r"`(\w+)`", PAGE.read_text().partition("## 1.")[0]))
    assert set(view_names()) - named <= {"cluster_statistics", "cluster_domains"}  # `clusters` joins the two


@pytest.mark.parametrize("query", QUERIES, ids=range(1, len(QUERIES) + 1))
def test_each_documented_query_answers(lake: LocalStore, query: str) -> None:
    rows = as_rows(query_lake(lake, query))
    assert rows or "quarantine" in query or "pruned" in query  # nothing was quarantined or pruned here


@pytest.mark.parametrize("view", view_names())
def test_each_view_can_be_read(lake: LocalStore, view: str) -> None:
    rows = as_rows(query_lake(lake, f"FROM {view}"))
    may_be_empty = (
        "carried_evidence",
        "transfers",
        "evidence",
        "duplicates",
        "left_out",
        "quarantine",
        "near_duplicates",
        "families",
        "changed_splits",
        "contamination",
        "pruned_clusters",
    )
    assert rows or view in may_be_empty


def test_partition_keys_are_columns(lake: LocalStore) -> None:
    rows = as_rows(query_lake(lake, "SELECT shard, source, count(*) AS n FROM documents GROUP BY ALL ORDER BY shard"))
    assert [(row["shard"], row["source"]) for row in rows] == [
        (f"{source}.jsonl", source) for source in ("first", "second", "third")
    ]


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO domains SELECT * FROM domains",
        "UPDATE domains SET name = 'x'",
        "DELETE FROM domains",
        "CREATE TABLE x AS SELECT 1",
        "DROP VIEW domains",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "COPY domains TO '{folder}/out.parquet'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/out.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA version",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "CALL pragma_version()",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY (SELECT 1) TO '{folder}/out.csv'",
        "EXPLAIN ANALYZE SELECT 1",
        "",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')",
        "SELECT * FROM lake",
        "SELECT * FROM table",
        "SELECT * FROM artifacts",
        "SELECT * FROM no_such_view",
        "SELECT nothing FROM domains",
        "SELEC 1",
    ],
)  # fmt: skip
def test_everything_but_one_select_over_the_views_is_refused(lake: LocalStore, tmp_path: Path, query: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("secret\n1\n")
    with pytest.raises(ArgumentError) as caught:
        as_rows(query_lake(lake, query.format(folder=tmp_path, secret=secret)))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


ATTACKS = (
    *("SELECT * FROM {call}('{path}')", "SELECT * FROM (SELECT * FROM {call}('{path}'))"),
    *("SELECT (SELECT count(*) FROM {call}('{path}'))", "WITH x AS (FROM {call}('{path}')) FROM x"),
    *("FROM domains JOIN {call}('{path}') ON true", "SELECT 1 UNION ALL SELECT count(*) FROM {call}('{path}')"),
)
READERS = ("read_text", "read_blob", "read_csv", "read_csv_auto", "read_json", "read_parquet", "parquet_scan", "glob")
OTHER_ATTACKS = (
    *("SELECT getenv('HOME')", "SELECT * FROM duckdb_secrets()", "FROM sqlite_scan('{path}', 'x')", "FROM '{path}' t"),
    *("SELECT * FROM query('FROM \"{path}\"')", "SELECT * FROM query_table('{path}')", "USE memory"),
    *("SELECT * FROM pragma_database_list(), read_text('{path}')", "PRAGMA database_list", "CHECKPOINT", "VACUUM"),
    *("SELECT current_setting('temp_directory') FROM read_text('{path}')", "SET VARIABLE x = 1", "DETACH memory"),
    *(
        "SELECT write_log('x') FROM read_text('{path}')",
        "BEGIN",
        "PREPARE x AS SELECT 1",
        "EXECUTE x",
        "FORCE INSTALL x",
    ),
)


@pytest.mark.parametrize(
    ("path", "readers"),
    [
        ("/etc/passwd", READERS),
        *(
            (path, READERS[:1])
            for path in ("../../climb.yaml", "http://127.0.0.1:9/x", "s3://bucket/x", "/proc/self/*")
        ),
    ],
)
def test_attacks_reach_no_file(lake: LocalStore, path: str, readers: tuple[str, ...]) -> None:
    attacks = [text.format(call=call, path=path) for text in ATTACKS for call in readers]
    for query in (*attacks, *(text.format(path=path) for text in OTHER_ATTACKS)):
        with pytest.raises(ArgumentError) as caught:
            query_lake(lake, query)
        assert str(caught.value).isprintable(), query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "SELECT count(*) FROM range(2000000000) a, range(1000) b",
            "took longer than 0.5 s; narrow it or raise sql.seconds",
        ),
        ("WITH RECURSIVE t AS (SELECT 1 i UNION ALL SELECT i + 1 FROM t) SELECT count(*) FROM t", "raise sql.seconds"),
        ("SELECT list(range) FROM range(200000000)", "raise sql.(memory_bytes|seconds)"),
        ("SELECT error('x') FROM range(3)", "Invalid Input Error: x"),  # it fails after planning
        ("SELECT CAST(range::TEXT || 'x' AS INTEGER) FROM range(3)", "Conversion Error"),
    ],
)
def test_what_costs_too_much_or_fails_while_it_runs_is_one_sentence(tmp_path: Path, query: str, said: str) -> None:
    started = time.monotonic()
    with pytest.raises(ArgumentError, match=said):
        query_lake(LocalStore(tmp_path), query, Sql(seconds=0.5, memory_bytes=2**27))
    assert time.monotonic() - started < 60  # the first would take an hour


def test_rows_beyond_the_limit_are_cut_and_that_is_told(tmp_path: Path) -> None:
    answer = query_lake(LocalStore(tmp_path), "FROM range(10)", Sql(rows=3))
    assert answer.cut and [row["range"] for row in as_rows(answer)] == [0, 1, 2]
    assert not query_lake(LocalStore(tmp_path), "FROM range(3)", Sql(rows=3)).cut


def test_every_column_is_there_and_dates_that_python_lacks_are_text(tmp_path: Path) -> None:
    query = "SELECT 1 AS a, 2 AS a, 3 AS A, TIMESTAMP '200000-01-01' AS late"
    (row,) = as_rows(query_lake(LocalStore(tmp_path), query))
    assert list(row.values())[:3] == [1, 2, 3] and isinstance(row["late"], str)


def test_variables_of_the_process_are_no_tables(lake: LocalStore) -> None:
    import pyarrow as pa

    from climb_assets.graph import catalog

    visible = pa.table({"a": [1]})
    catalog.visible_table = visible
    try:
        for name in ("visible", "visible_table"):
            with pytest.raises(ArgumentError):
                as_rows(query_lake(lake, f"FROM {name}"))
    finally:
        del catalog.visible_table


def test_lake_cannot_be_changed_through_a_subquery(lake: LocalStore) -> None:
    with pytest.raises(ArgumentError):
        as_rows(query_lake(lake, "WITH x AS (DELETE FROM domains RETURNING *) SELECT * FROM x"))


def test_what_is_not_made_yet_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifact, match="domain_supply has not been made"):
        query_lake(LocalStore(tmp_path), "SELECT * FROM domains")
    with pytest.raises(MissingArtifact, match="corpus_shards has not been made"):
        query_lake(LocalStore(tmp_path), "SELECT * FROM documents")
    assert as_rows(query_lake(LocalStore(tmp_path), "SELECT 1 AS one")) == [{"one": 1}]


def test_only_the_tables_that_are_named_are_opened_and_those_are_verified(finished_project: Path) -> None:
    lake = LocalStore(finished_project / "data_lake")
    path = lake.get("domain_supply").path / "supply.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CorruptArtifact, match=r"supply\.parquet"):
        query_lake(lake, "SELECT * FROM Domains")
    assert as_rows(query_lake(lake, "SELECT count(*) AS n FROM documents"))[0]["n"] > 0


@pytest.mark.parametrize("name", ["a'b.jsonl", "..", "x; DROP VIEW domains.txt", "é.jsonl", "a b.txt", "$(id).txt"])
def test_hostile_shard_names_never_become_partitions(project: Path, name: str) -> None:
    raw = project / "data_lake" / "raw"
    if name != "..":
        (raw / name).write_text('{"text": "x"}\n')
    materializer = Materializer(load_config(project / "climb.yaml"))
    assert name not in materializer.partitions(SPEC["raw_shards"])
    assert len(materializer.partitions(SPEC["raw_shards"])) == 3
