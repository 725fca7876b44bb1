"""What Dagster shows of a table is what the file says."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from climb_assets.graph.column_words import Meaning
from climb_assets.tables import write_table
from dagster_project.column_schema import column_schema, table_facts

SCHEMA = pa.schema(
    [pa.field("key", pa.string(), nullable=False), ("weights", pa.list_(pa.float32())), ("tokens", pa.int64())]
)
MEANINGS = {"key": Meaning("the mixture"), "tokens": Meaning("tokens trained on", "tokens")}


def test_columns_with_their_types() -> None:
    columns = column_schema(SCHEMA, MEANINGS.get).columns
    assert [(column.name, column.type, column.constraints.nullable) for column in columns] == [
        ("key", "string", False),
        ("weights", "list<element: float>" if "element" in str(SCHEMA.field(1).type) else "list<item: float>", True),
        ("tokens", "int64", True),
    ]
    assert [column.description for column in columns] == ["the mixture", None, "tokens trained on"]
    assert [dict(column.tags or {}) for column in columns] == [{}, {}, {"unit": "tokens"}]


@pytest.mark.parametrize("partitioned, key", [(True, "dagster/partition_row_count"), (False, "dagster/row_count")])
def test_facts_of_a_file_reach_dagster(tmp_path: Path, partitioned: bool, key: str) -> None:
    table = pa.table({"key": ["a", "b", "c"], "weights": [[0.5], [0.1], []], "tokens": [1, 2, 3]}, schema=SCHEMA)
    write_table(tmp_path / "table.parquet", table)
    facts = table_facts(tmp_path / "table.parquet", MEANINGS.get, partitioned=partitioned)
    assert set(facts) == {"dagster/column_schema", key}
    assert facts[key] == dg.MetadataValue.int(3)
    parts = table_facts(tmp_path / "table.parquet", MEANINGS.get, partitioned=partitioned, rows=7)
    assert parts[key] == dg.MetadataValue.int(7)

    @dg.asset
    def asset() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=facts)

    (event,) = dg.materialize([asset], instance=dg.DagsterInstance.ephemeral()).get_asset_materialization_events()
    shown = event.materialization.metadata["dagster/column_schema"]
    assert isinstance(shown, dg.TableSchemaMetadataValue)
    assert [column.name for column in shown.schema.columns] == ["key", "weights", "tokens"]
