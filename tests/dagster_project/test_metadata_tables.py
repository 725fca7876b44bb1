"""Tables on a page: few digits, lists short and at the end, sorted where asked."""

import pyarrow as pa
from dagster import TableMetadataValue

from dagster_project.metadata_tables import LIST_CHARACTERS, TABLE_ROWS, table_metadata

TABLE = pa.table(
    {
        "terms": [["river", "lake"], ["\x1b[31mred", *(["long"] * 90)]],
        "sources": [[{"source": "web", "documents": 3}], None],
        "weight": pa.array([None, 1 / 3], pa.float64()),
        "weights": [[1 / 3, 2 / 3], [0.0, 1.0]],
        "documents": [2, 1234567],
        "name": ["a\nb", "c"],
    }
)


def rows_of(metadata: object) -> list[dict[str, object]]:
    assert isinstance(metadata, TableMetadataValue)
    return [dict(record.data) for record in metadata.records]


def test_numbers_come_first_and_lists_last() -> None:
    shown = table_metadata(TABLE)
    assert list(rows_of(shown)[0]) == ["weight", "documents", "name", "terms", "sources", "weights"]
    kinds = {column.name: column.type for column in shown.schema.columns}
    assert kinds["weight"] == "float" and kinds["documents"] == "int" and kinds["terms"] == "string"


def test_values_are_short_and_fit_to_be_shown() -> None:
    first, second = rows_of(table_metadata(TABLE))
    assert first["terms"] == "river, lake" and first["sources"] == "web (3)" and first["weights"] == "0.3333, 0.6667"
    assert second["weight"] == 0.3333 and second["documents"] == 1234567
    assert "\x1b" not in second["terms"] and len(second["terms"]) <= LIST_CHARACTERS + 20
    assert first["name"] == "a\\nb"


def test_rows_are_sorted_before_they_are_cut() -> None:
    many = pa.table({"weight": [number / 1000 for number in range(200)]})
    rows = rows_of(table_metadata(many, [("weight", "descending")]))
    assert [row["weight"] for row in rows] == [number / 1000 for number in range(199, 199 - TABLE_ROWS, -1)]


def test_a_table_without_rows_says_so() -> None:
    assert table_metadata(TABLE.slice(0, 0)).value == "no rows"
