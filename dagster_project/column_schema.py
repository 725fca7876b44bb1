"""The columns and rows of a table, as Dagster shows them.

What belongs here: reading a Parquet file's footer, never its rows. What a column means is said in
`climb_assets.graph.column_words`.
"""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from climb_assets.graph.column_words import Meaning

Describe = Callable[[str], Meaning | None]  # what the column of this name means


def table_column(name: str, kind: str, meaning: Meaning | None, *, nullable: bool = True) -> dg.TableColumn:
    """Return a column with what it means, and its unit as a tag."""
    words, unit = meaning or (None, None)
    constraints = dg.TableColumnConstraints(nullable=nullable)
    return dg.TableColumn(name, kind, words, constraints, {"unit": unit} if unit else None)


def column_schema(schema: pa.Schema, describe: Describe) -> dg.TableSchema:
    """Return the columns of a table; types are Arrow's words for them."""
    return dg.TableSchema(
        [table_column(field.name, str(field.type), describe(field.name), nullable=field.nullable) for field in schema]
    )


def table_facts(
    path: Path, describe: Describe, *, partitioned: bool, rows: int | None = None
) -> dict[str, dg.MetadataValue]:
    """Return the columns and the number of rows of a Parquet file, under the keys that Dagster's UI knows.

    Parameters
    ----------
    partitioned
        Whether the file is one partition of the asset's table, so that its rows are not all.
    rows
        Of the whole table, where the file is one part of several.
    """
    with pq.ParquetFile(path) as file:
        own, columns = file.metadata.num_rows, column_schema(file.schema_arrow, describe)
    return {
        "dagster/column_schema": dg.MetadataValue.table_schema(columns),
        "dagster/partition_row_count" if partitioned else "dagster/row_count": dg.MetadataValue.int(
            own if rows is None else rows
        ),
    }
