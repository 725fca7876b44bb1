"""DuckDB over the lake: the documented queries work, and nothing else than reading the views does."""

import re
from pathlib import Path

import pytest

from climb_assets.config_file import load_config
from climb_assets.errors import ConfigError, CorruptArtifact, MissingArtifact
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


def test_the_page_has_twelve_queries_and_names_every_view() -> None:
    assert len(QUERIES) == 12
    named = set(re.findall(r"`(\w+)`", PAGE.read_text().partition("## 1.")[0]))
    assert set(view_names()) - named <= {"cluster_statistics", "cluster_domains"}  # `clusters` joins the two


@pytest.mark.parametrize("query", QUERIES, ids=range(1, len(QUERIES) + 1))
def test_each_documented_query_answers(lake: LocalStore, query: str) -> None:
    rows = as_rows(query_lake(lake, query))
    assert rows or "quarantine" in query  # nothing was quarantined here


@pytest.mark.parametrize("view", view_names())
def test_each_view_can_be_read(lake: LocalStore, view: str) -> None:
    rows = as_rows(query_lake(lake, f"FROM {view}"))
    may_be_empty = ("duplicates", "quarantine", "near_duplicates", "families", "changed_splits", "contamination")
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
    with pytest.raises(ConfigError) as caught:
        as_rows(query_lake(lake, query.format(folder=tmp_path, secret=secret)))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_variables_of_the_process_are_no_tables(lake: LocalStore) -> None:
    import pyarrow as pa

    from climb_assets.graph import catalog

    visible = pa.table({"a": [1]})
    catalog.visible_table = visible
    try:
        for name in ("visible", "visible_table"):
            with pytest.raises(ConfigError):
                as_rows(query_lake(lake, f"FROM {name}"))
    finally:
        del catalog.visible_table


def test_lake_cannot_be_changed_through_a_subquery(lake: LocalStore) -> None:
    with pytest.raises(ConfigError):
        as_rows(query_lake(lake, "WITH x AS (DELETE FROM domains RETURNING *) SELECT * FROM x"))


def test_what_is_not_made_yet_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifact, match="domains has not been made"):
        query_lake(LocalStore(tmp_path), "SELECT * FROM domains")
    with pytest.raises(MissingArtifact, match="corpus_shards has not been made"):
        query_lake(LocalStore(tmp_path), "SELECT * FROM documents")
    assert as_rows(query_lake(LocalStore(tmp_path), "SELECT 1 AS one")) == [{"one": 1}]


def test_only_the_tables_that_are_named_are_opened_and_those_are_verified(finished_project: Path) -> None:
    lake = LocalStore(finished_project / "data_lake")
    path = lake.get("domains").path / "domains.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CorruptArtifact, match=r"domains\.parquet"):
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
