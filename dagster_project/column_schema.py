"""The columns and rows of a table, as Dagster shows them.

What belongs here: reading a Parquet file's footer, never its rows.
"""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq


def column_schema(schema: pa.Schema) -> dg.TableSchema:
    """Return the columns of a table; types are Arrow's words for them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(field.name, str(field.type), constraints=dg.TableColumnConstraints(nullable=field.nullable))
            for field in schema
        ]
    )


def table_facts(path: Path, *, partitioned: bool) -> dict[str, dg.MetadataValue]:
    """Return the columns and the number of rows of a Parquet file, under the keys that Dagster's UI knows.

    Parameters
    ----------
    partitioned
        Whether the file is one partition of the asset's table, so that its rows are not all.
    """
    with pq.ParquetFile(path) as file:
        rows, columns = file.metadata.num_rows, column_schema(file.schema_arrow)
    return {
        "dagster/column_schema": dg.MetadataValue.table_schema(columns),
        "dagster/partition_row_count" if partitioned else "dagster/row_count": dg.MetadataValue.int(rows),
    }
