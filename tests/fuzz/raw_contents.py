"""Contents of raw files: JSON lines, text, Parquet and Arrow, whole and with odd values, and how they are packed.

What belongs here: bytes, and the number of records that they hold by a count of our own.
"""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from numpy.random import Generator

from tests.fuzz.hostile import BOM, chance, damage, hostile_json, hostile_text, hostile_value, pick

TABLES = (".parquet", ".arrow", ".feather")
LABELS = ("article", "source", "licence", "license", "meta")
TEXTS = (
    *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()),
    *(pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.binary())),
)
ODD_COLUMNS = (
    pa.array([10**7, 0, None], pa.date32()),
    pa.array([2**62, 0, None], pa.timestamp("us")),
    pa.array([0, 1, None], pa.timestamp("ns", "Mars/Nowhere")),
    pa.array([2**62, 0, None], pa.duration("s")),
    pa.array([7.0, float("nan"), None]),
    pa.array([Decimal("7.00"), None, Decimal("-1")], pa.decimal128(38, 2)),
    pa.array([[1], [], None]),
    pa.array([{"a": 1}, {"a": None}, None]),
    pa.array([b"\xff", b"", None]),
    pa.array([True, False, None]),
    pa.array([2**64 - 1, 0, None], pa.uint64()),
    pa.nulls(3),
)


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Parameters
    ----------
    suffix
        Ends the name of a file that is read as what it is.
    records
        Their number; None where nobody can say.
    """

    suffix: str
    data: bytes
    records: int | None


def json_lines(random: Generator) -> Content:
    """Return lines of which most are records."""
    lines = [_json_line(random) for _ in range(int(random.integers(6)))]
    data = pick(random, (b"\n", b"\n", b"\r\n", b"\n\n")).join(lines)
    if chance(random, 0.1):
        data = BOM + data
    if chance(random, 0.4):
        data = damage(random, data)
    return Content(pick(random, (".jsonl", ".ndjson", ".json", ".JSONL")), data, _count_lines(data))


def _json_line(random: Generator) -> bytes:
    if chance(random, 0.1):
        return hostile_json(random, hostile_value(random))
    labels = {label: hostile_value(random) for label in LABELS if chance(random, 0.3)}
    return hostile_json(random, {"text": hostile_text(random, 20), **labels})


def _count_lines(data: bytes) -> int:
    return sum(bool(line.strip()) for line in data.removeprefix(BOM).split(b"\n"))


def plain_text(random: Generator) -> Content:
    """Return a text of some paragraphs."""
    text = "\n\n".join(hostile_text(random, 12) for _ in range(int(random.integers(6))))
    data = text.encode("utf-8", "surrogatepass")
    return Content(".txt", damage(random, data) if chance(random, 0.3) else data, None)


def parquet(random: Generator) -> Content:
    """Return a Parquet file of an odd table."""
    table, buffer = _table(random), io.BytesIO()
    options = {
        "compression": pick(random, ("none", "zstd", "snappy", "gzip")),
        "row_group_size": int(random.integers(1, 5)),
        "data_page_version": pick(random, ("1.0", "2.0")),
        "write_page_checksum": chance(random, 0.5),
        "use_dictionary": chance(random, 0.5),
        "store_schema": chance(random, 0.8),
    }
    pq.write_table(table, buffer, **options)
    return Content(".parquet", buffer.getvalue(), table.num_rows)


def arrow(random: Generator) -> Content:
    """Return an Arrow file or stream of an odd table."""
    table, sink = _table(random), io.BytesIO()
    compression = pick(random, (None, "zstd", "lz4"))
    new = pick(random, (pa.ipc.new_file, pa.ipc.new_stream))
    with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=int(random.integers(1, 5)))
    return Content(pick(random, (".arrow", ".feather")), sink.getvalue(), table.num_rows)


def _table(random: Generator) -> pa.Table:
    rows = int(random.integers(8))
    texts = [None if chance(random, 0.1) else hostile_text(random, 20) for _ in range(rows)]
    whole = [text and text.encode("utf-8", "replace").decode() for text in texts]
    columns = {"text": pa.array(whole, pick(random, TEXTS))}
    for label in LABELS:
        if chance(random, 0.4):
            columns[label] = pick(random, ODD_COLUMNS).take(pa.array(random.integers(3, size=rows)))
    return pa.table(columns)


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".zstd": zstandard.ZstdCompressor(write_content_size=False).compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
WRONG = (".jsonl", ".parquet", ".arrow", ".txt.xz", ".warc.gz", ".exe")  # suffixes of something else
CONTENTS = (json_lines, json_lines, plain_text, parquet, arrow)


def make_content(random: Generator) -> Content:
    """Return what a file holds: of some kind, perhaps packed, perhaps damaged behind that."""
    content = pick(random, CONTENTS)(random)
    if content.suffix.lower() not in TABLES and chance(random, 0.4):
        content = _pack(random, content)
    if chance(random, 0.5):
        content = Content(content.suffix, damage(random, content.data), None)
    if chance(random, 0.05):
        content = Content(pick(random, WRONG), content.data, None)
    return content


def _pack(random: Generator, content: Content) -> Content:
    suffix = pick(random, list(PACKINGS))
    place = int(random.integers(len(content.data) + 1))
    members = (content.data[:place], content.data[place:]) if chance(random, 0.3) else (content.data,)
    return Content(content.suffix + suffix, b"".join(map(PACKINGS[suffix], members)), content.records)
