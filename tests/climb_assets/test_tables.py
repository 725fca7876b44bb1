"""Tables: what is written is read back, and a flipped bit is refused."""

from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climb_assets.tables import (
    ROW_GROUP,
    iterate_batches,
    open_table,
    read_rows,
    read_span,
    read_table,
    write_rows,
    write_table,
)

SCHEMA = pa.schema([("id", pa.string()), ("tokens", pa.int64())])


def numbers(rows: int) -> pa.Table:
    """Return a table of that many rows."""
    return pa.table({"id": [f"document-{row}" for row in range(rows)], "tokens": list(range(rows))}, schema=SCHEMA)


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    rows = [{"id": "a", "tokens": 1}, {"id": "b", "tokens": None}]
    assert write_rows(tmp_path / "t.parquet", rows, SCHEMA) == 2
    assert read_table(tmp_path / "t.parquet").to_pylist() == rows
    assert read_table(tmp_path / "t.parquet", ["tokens"]).column_names == ["tokens"]
    assert [batch.num_rows for batch in iterate_batches(tmp_path / "t.parquet", 1)] == [1, 1]


def test_empty_stream_needs_and_keeps_its_schema(tmp_path: Path) -> None:
    assert write_table(tmp_path / "t.parquet", iter([]), SCHEMA) == 0
    assert read_table(tmp_path / "t.parquet").schema == SCHEMA


def test_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    table = numbers(1000)
    write_table(tmp_path / "a.parquet", table)
    write_table(tmp_path / "b.parquet", numbers(1000))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_row_groups_are_bounded(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", numbers(2 * ROW_GROUP + 1))
    metadata = pq.read_metadata(tmp_path / "t.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [ROW_GROUP, ROW_GROUP, 1]


@given(st.lists(st.integers(0, 3 * ROW_GROUP // 2), max_size=4), st.integers(1, 5000))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_bytes_follow_from_the_rows_and_not_from_the_parts(tmp_path: Path, parts: list[int], part: int) -> None:
    rows = sum(parts) % (2 * ROW_GROUP)
    table = numbers(rows)
    write_table(tmp_path / "whole.parquet", table)
    write_table(tmp_path / "parts.parquet", iter(table.to_batches(part)), SCHEMA)
    chunked = pa.concat_tables([table.slice(0, rows // 3), table.slice(rows // 3)])
    write_table(tmp_path / "chunked.parquet", chunked)
    whole = (tmp_path / "whole.parquet").read_bytes()
    assert (tmp_path / "parts.parquet").read_bytes() == whole == (tmp_path / "chunked.parquet").read_bytes()


@given(counts=st.lists(st.integers(0, 60_000), min_size=1, max_size=5))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_of_one_value_are_read_wherever_they_lie(tmp_path: Path, counts: list[int]) -> None:
    names = [f"shard-{place}" for place, count in enumerate(counts) for _ in range(count)]
    write_table(tmp_path / "t.parquet", pa.table({"shard": pa.array(names, pa.string()), "row": range(len(names))}))
    start = 0
    for place, count in enumerate(counts):
        rows = read_rows(tmp_path / "t.parquet", "shard", f"shard-{place}")["row"].to_pylist()
        assert rows == list(range(start, start + count))
        start += count
    assert read_rows(tmp_path / "t.parquet", "shard", "another").num_rows == 0


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5), first=st.integers(0, 9), rows=st.integers(1, 9))
def test_a_span_is_read_wherever_it_lies(tmp_path_factory, sizes: list[int], first: int, rows: int) -> None:
    path, numbers = tmp_path_factory.mktemp("span") / "t.parquet", list(range(sum(sizes)))
    with open_table(path, pa.schema([("row", pa.int64())])) as writer:
        for group, end in zip(sizes, accumulate(sizes), strict=True):
            writer.write_table(pa.table({"row": numbers[end - group : end]}))
    assert read_span(path, first, rows, ["row"])["row"].to_pylist() == numbers[first : first + rows]


def test_failed_write_leaves_the_old_table(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", numbers(3))

    def broken():
        yield numbers(1).to_batches()[0]
        raise RuntimeError("dead")

    with pytest.raises(RuntimeError):
        write_table(tmp_path / "t.parquet", broken(), SCHEMA)
    assert read_table(tmp_path / "t.parquet").num_rows == 3


def test_flipped_bit_in_a_page_never_becomes_another_value(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, numbers(1000))
    column = pq.read_metadata(path).row_group(0).column(1)
    whole, table = path.read_bytes(), numbers(1000)
    start = column.dictionary_page_offset or column.data_page_offset
    refused, offsets = 0, range(start, start + column.total_compressed_size, 53)
    for offset in offsets:
        damaged = bytearray(whole)
        damaged[offset] ^= 1
        path.write_bytes(bytes(damaged))
        try:
            assert read_table(path) == table  # a page's header holds statistics too, which no value rests on
            assert sum(batch.num_rows for batch in iterate_batches(path, 100)) == 1000
        except OSError:
            refused += 1
    assert refused > 0.8 * len(offsets)
