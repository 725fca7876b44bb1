"""A poison corpus: each way in which a file can be bad comes out as a fault, and the rest of it is read."""

import bz2
import gzip
import hashlib
import itertools
import json
import lzma
import os
import time
import tracemalloc
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from climb_assets.config import Corpus
from climb_assets.corpus.readers import kind_of, read_records
from climb_assets.corpus.records import Fault, Record

SMALL = Corpus(max_record_bytes=1024)


def read(path: Path, content: bytes, settings: Corpus = SMALL) -> list[Record | Fault]:
    path.write_bytes(content)
    return list(read_records(path, settings))


def outcome(items: list[Record | Fault]) -> list[tuple[int, str]]:
    """Rows with their text, or with the reason of their fault."""
    return [(item.row, item.reason if isinstance(item, Fault) else item.text) for item in items]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"text": "a\xff"}', "bad_utf8"),
        (b'{"text": "\\ud800"}', "bad_utf8"),
        (b'{"text": "a", "source": "\\udfff"}', "a"),
        (b'{"text": "a"', "bad_json"),
        (b"\0\0\0", "bad_json"),
        (b'{"text": "a", "n": ' + b"1" * 900 + b"e}", "bad_json"),
        (b'["a"]', "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"body": "a"}', "no_text"),
        (b'{"text": 3}', "no_text"),
        (b'{"text": null}', "no_text"),
        (b'{"text": "' + b"a" * 1024 + b'"}', "record_too_long"),
        (b'{"text": "a\\u0000b"}', "a\0b"),
    ],
)
def test_a_bad_line_is_one_fault_and_its_neighbours_are_read(tmp_path: Path, line: bytes, expected: str) -> None:
    items = read(tmp_path / "a.jsonl", b'{"text": "before"}\n' + line + b'\n\n{"text": "after"}')
    assert outcome(items) == [(1, "before"), (2, expected), (4, "after")]


def test_deep_json_is_a_fault(tmp_path: Path) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    items = read(tmp_path / "a.jsonl", deep + b'\n{"text": "after"}', Corpus())
    assert outcome(items) == [(1, "too_deep"), (2, "after")]


def test_labels_are_optional_and_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    row = {"text": "a", "source": "wiki", "licence": " ", "license": "MIT", "article": 7}
    odd = {"text": "b", "source": {"no": "label"}, "licence": "GPL", "license": "MIT", "article": True}
    items = read(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + json.dumps(row).encode() + b"\r\n" + json.dumps(odd).encode())
    assert items == [
        Record(1, "a", "wiki", "MIT", "7"),
        Record(2, "b", None, "GPL", None, dropped=("source", "article")),
    ]


def test_the_text_column_can_be_named(tmp_path: Path) -> None:
    assert outcome(read(tmp_path / "a.jsonl", b'{"body": "a"}', Corpus(text_column="body"))) == [(1, "a")]


PACKS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress, ".zstd": zstandard.compress} | {
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@pytest.mark.parametrize(("suffix", "pack"), PACKS.items())
def test_packings_read_alike_and_may_be_concatenated(tmp_path: Path, suffix: str, pack) -> None:
    content = pack(b'{"text": "a"}\n{"te') + pack(b'xt": "b"}\n')
    for kind in (".jsonl", ".json", ".ndjson"):
        assert outcome(read(tmp_path / f"a{kind}{suffix}", content)) == [(1, "a"), (2, "b")]
    assert outcome(read(tmp_path / f"a.txt{suffix}", pack(b"one ") + pack(b"text"))) == [(0, "one text")]


@pytest.mark.parametrize(("suffix", "pack"), [*PACKS.items()][1:])
def test_records_before_a_break_are_kept(tmp_path: Path, suffix: str, pack) -> None:
    texts = [os.urandom(40).hex() for _ in range(2000)]
    packed = pack("\n".join(json.dumps({"text": text}) for text in texts).encode())
    *records, last = read(tmp_path / f"a.jsonl{suffix}", packed[: len(packed) * 3 // 4])
    assert outcome([last]) == [(-1, "truncated")]
    assert len(records) > 100 or suffix == ".bz2"  # whose blocks are longer than this file
    assert [record.text for record in records] == texts[: len(records)]


@pytest.mark.parametrize(
    "name", ["a.jsonl.gz", "a.jsonl.zst", "a.txt.gz", "a.json.xz", "a.json.bz2", "a.parquet", "a.arrow"]
)
def test_a_file_that_is_not_what_its_name_says_is_corrupt(tmp_path: Path, name: str) -> None:
    assert outcome(read(tmp_path / name, b'{"text": "a"}\n' * 50)) == [(-1, "corrupt")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "a.txt", "a.parquet"])
def test_an_empty_file_is_a_fault(tmp_path: Path, name: str) -> None:
    assert outcome(read(tmp_path / name, b"")) == [(-1, "empty_file")]


def test_a_file_without_a_record_is_a_fault(tmp_path: Path) -> None:
    assert outcome(read(tmp_path / "a.jsonl", b"\n \n")) == [(-1, "empty_file")]
    assert outcome(read(tmp_path / "a.jsonl.gz", gzip.compress(b""))) == [(-1, "empty_file")]
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert outcome(list(read_records(tmp_path / "a.parquet", SMALL))) == [(-1, "empty_file")]


@pytest.mark.parametrize("name", ["a.jsonl.zst", "a.txt.zst"])
def test_a_bomb_is_dropped_before_it_is_unpacked(tmp_path: Path, name: str) -> None:
    packer = zstandard.ZstdCompressor().compressobj()
    bomb = b"".join(packer.compress(b"\0" * 2**20) for _ in range(1024)) + packer.flush()
    assert outcome(read(tmp_path / name, bomb, Corpus())) == [(-1, "bomb")]


@pytest.mark.parametrize("dictionary", [True, False])
def test_a_parquet_bomb_is_dropped(tmp_path: Path, dictionary: bool) -> None:
    """20,000 rows share one dictionary entry of 10 MB, or one row is 50 MB of NUL."""
    if dictionary:
        entry = pa.array(["y" * 10_000_000])
        texts = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), entry)
    else:
        texts = pa.array(["\0" * 50_000_000])
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", compression="zstd", use_dictionary=dictionary)
    assert outcome(list(read_records(tmp_path / "a.parquet", Corpus()))) == [(-1, "bomb")]


def test_many_rows_of_one_long_dictionary_entry_stay_in_bounds(tmp_path: Path) -> None:
    """The footer is honest here: 3 MB unpack to 6 GB, which only shows row by row."""
    entry = pa.array([os.urandom(1_500_000).hex()])
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 2_000, pa.int32()), entry)
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", dictionary_pagesize_limit=2**30)
    items = list(read_records(tmp_path / "a.parquet", Corpus(max_expansion=50)))
    assert outcome(items[-1:]) == [(-1, "bomb")]
    assert 1 < len(items) < 100


@pytest.mark.parametrize(("suffix", "pack"), [(".bz2", bz2.compress), (".xz", lzma.compress), (".gz", gzip.compress)])
def test_a_bomb_of_any_packing_is_dropped(tmp_path: Path, suffix: str, pack) -> None:
    bomb = pack(b"\0" * 100 * 2**20)
    assert outcome(read(tmp_path / f"a.txt{suffix}", bomb, Corpus(max_expansion=20))) == [(-1, "bomb")]


def test_a_long_window_is_read_unless_it_is_forbidden(tmp_path: Path) -> None:
    text = json.dumps({"text": os.urandom(2**19).hex()}).encode()
    settings = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    packed = packer.compress(text + b"\n" + text) + packer.flush()  # a stream, so its size does not shorten the window
    assert [row for row, _ in outcome(read(tmp_path / "a.jsonl.zst", packed, Corpus()))] == [1, 2]
    (fault,) = read(tmp_path / "a.jsonl.zst", packed, Corpus(max_window_bytes=2**27))
    assert isinstance(fault, Fault) and "corpus.max_window_bytes" in fault.detail


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_zeros_between_and_after_members_count_for_nothing(tmp_path: Path, suffix: str) -> None:
    """Tapes and copies by the block leave them, and gzip and its like take such files."""
    first, second = PACKS[suffix](b'{"text": "a"}\n'), PACKS[suffix](b'{"text": "b"}')
    for between, after in ((8, 4), (0, 10_240 - len(first + second)), (4096 - len(first), 4096 - len(second))):
        content = first + b"\0" * between + second + b"\0" * after
        assert outcome(read(tmp_path / f"a.jsonl{suffix}", content)) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_zeros_in_the_place_of_a_member_are_no_padding(tmp_path: Path, suffix: str) -> None:
    content = PACKS[suffix](b'{"text": "a"}\n' + os.urandom(9000).hex().encode())
    for half in (content[: len(content) // 2], content[:-6]):
        assert outcome(read(tmp_path / f"a.jsonl{suffix}", half))[-1] == (-1, "truncated")
        filled = outcome(read(tmp_path / f"a.jsonl{suffix}", half + b"\0" * 4096))[-1]
        assert filled in [(-1, "corrupt"), (-1, "truncated")]  # zeros may be codes
    assert outcome(read(tmp_path / f"a.jsonl{suffix}", b"\0" * 4096)) == [(-1, "corrupt")]
    assert outcome(read(tmp_path / f"a.jsonl{suffix}", content + b"\0" * 512 + b"garbage" * 9))[-1] == (-1, "corrupt")


def test_zeros_after_a_frame_of_zstd_are_refused_as_zstd_does(tmp_path: Path) -> None:
    content = zstandard.compress(b'{"text": "a"}\n') + b"\0" * 512
    assert outcome(read(tmp_path / "a.jsonl.zst", content)) == [(1, "a"), (-1, "corrupt")]


def test_json_that_is_not_lines_is_told_once(tmp_path: Path) -> None:
    pretty = json.dumps([{"text": "a"}] * 50, indent=1).encode()
    assert outcome(read(tmp_path / "a.json", pretty)) == [(-1, "not_json_lines")]
    assert outcome(read(tmp_path / "b.jsonl", b"[\n" + b'{"text": "a"}')) == [(1, "bad_json"), (2, "a")]


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "a.wet.zst"])
def test_a_web_archive_is_told_what_to_do(tmp_path: Path, name: str) -> None:
    (fault,) = read(tmp_path / name, b"WARC/1.0")
    assert isinstance(fault, Fault) and "web archive" in fault.detail


def values(kind: pa.DataType) -> list:
    return [b"a", b"b"] if "binary" in str(kind) else ["a", "b"]


VIEWS = [pa.string_view(), pa.binary_view()]
TEXTS = [*VIEWS, pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.binary(1)]
WRITTEN = [
    (name, form, kind)
    for name, form, kind in itertools.product(("a.parquet", "a.arrow", "stream.arrow"), ("plain", "dictionary"), TEXTS)
    if (name, form) != ("a.parquet", "dictionary") or kind not in VIEWS  # Arrow writes no dictionary of views
]


@pytest.mark.parametrize(("name", "form", "kind"), WRITTEN, ids=str)
def test_text_is_text_whatever_its_type(tmp_path: Path, name: str, form: str, kind: pa.DataType) -> None:
    column = pa.array(values(kind), kind)
    if form == "dictionary":
        column = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), column)
    table = pa.table({"text": column, "source": column})
    write_arrow(table, tmp_path / name)
    items = list(read_records(tmp_path / name, SMALL))
    assert items == [Record(1, "a", "a"), Record(2, "b", "b")]


def write_arrow(table: pa.Table, path: Path) -> None:
    """Write a table in the format that a path names."""
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return
    new = pa.ipc.new_stream if path.stem == "stream" else pa.ipc.new_file
    with path.open("wb") as stream, new(stream, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("column", [pa.array(["a", "b"]).dictionary_encode(), pa.array(["x"])], ids=["rle", "json"])
def test_text_in_types_around_text(tmp_path: Path, column: pa.Array) -> None:
    """Run ends and extension types, which Arrow files may hold."""
    if pa.types.is_dictionary(column.type):
        column = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array(["a", "b"]))
    else:
        column = pa.ExtensionArray.from_storage(pa.json_(), column)
    write_arrow(pa.table({"text": column}), tmp_path / "a.arrow")
    assert [reason for _, reason in outcome(list(read_records(tmp_path / "a.arrow", SMALL)))] in (["a", "b"], ["x"])


ODD_LABELS = {
    "far date": pa.array([10**7, 0], pa.date32()),
    "far moment": pa.array([2**62, 0], pa.timestamp("us")),
    "no such zone": pa.array([0, None], pa.timestamp("ns", "Mars/Nowhere")),
    "duration": pa.array([2**62, None], pa.duration("s")),
    "nested": pa.array([[1], None]),
    "bytes": pa.array([b"\xff", None]),
    "flag": pa.array([True, None]),
    "interval": pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
}


@pytest.mark.parametrize("name", ODD_LABELS)
def test_a_label_that_cannot_be_text_is_dropped_and_told_and_ends_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / ("a.arrow" if name == "interval" else "a.parquet")
    write_arrow(pa.table({"text": ["a", "b"], "article": ODD_LABELS[name]}), path)
    first, second = read_records(path, SMALL)
    assert isinstance(first, Record) and first.article is None and first.dropped == ("article",)
    assert isinstance(second, Record) and second.dropped == () and second.article in (None, "1970-01-01")


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_an_article_may_be_a_uuid_as_duckdb_writes_it(tmp_path: Path, name: str) -> None:
    ids = [UUID(int=10**30), None]
    column = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([one and one.bytes for one in ids], pa.binary(16)))
    write_arrow(pa.table({"text": ["a", "b"], "article": column}), tmp_path / name)
    assert list(read_records(tmp_path / name, SMALL)) == [Record(1, "a", article=str(ids[0])), Record(2, "b")]


def test_a_column_name_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "odd_name": ["b"]}), path, store_schema=False)
    content = path.read_bytes().replace(b"odd_name", b"odd\xffname")
    (item,) = read(path, content)
    assert isinstance(item, Fault) and item.reason in ("wrong_columns", "corrupt")


def test_what_is_told_of_a_file_is_one_line_and_harmless_to_a_terminal(tmp_path: Path) -> None:
    write_arrow(pa.table({"a\x1b[2J\u202e": ["b"], "c\nd": ["e"]}), tmp_path / "a.parquet")
    (item,) = read_records(tmp_path / "a.parquet", SMALL)
    assert item == Fault(-1, "wrong_columns", r"needs one column text of text, has a\x1b[2J\u202e string, c\nd string")


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "stream.arrow"])
def test_any_flipped_byte_is_a_fault_or_a_record_and_never_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_arrow(pa.table({"text": ["one text", "another"], "article": [1, 2]}), path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (0, 7):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            items = read(path, bytes(flipped))
            assert items and all(isinstance(item, Record | Fault) for item in items)


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b"[" + b"[],[]," * 700_000 + b"[]]", "too_many_values"), (b"[" * 101 + b"]" * 101, "too_deep")],
)
def test_a_line_that_would_be_dear_is_not_parsed(tmp_path: Path, line: bytes, reason: str) -> None:
    dear = b'{"text": "a", "meta": ' + line + b"}"
    assert outcome(read(tmp_path / "a.jsonl", dear + b'\n{"text": "b"}', Corpus())) == [(1, reason), (2, "b")]


@pytest.mark.parametrize("end", [b"", b"\\"])
def test_a_string_that_never_ends_is_looked_through_once(tmp_path: Path, end: bytes) -> None:
    line = b"[" * 101 + b'"' + rb"\"" * 300_000 + end
    started = time.monotonic()
    assert outcome(read(tmp_path / "a.jsonl", line + b'\n{"text": "b"}', Corpus())) == [(1, "too_deep"), (2, "b")]
    assert time.monotonic() - started < 60  # tried from each quote it would take hours


def test_brackets_in_a_text_cost_nothing(tmp_path: Path) -> None:
    text = '[{,\\"' * 300_000
    settings = Corpus(max_values=1000)
    assert outcome(read(tmp_path / "a.jsonl", json.dumps({"text": text}).encode(), settings)) == [(1, text)]


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b'{"text":"a"}\n'])
def test_more_rows_than_bytes_are_a_bomb(tmp_path: Path, line: bytes) -> None:
    *records, last = read(tmp_path / "a.jsonl.gz", gzip.compress(line * 50_000), Corpus(max_rows=1000))
    assert outcome([last]) == [(-1, "bomb")] and len(records) < 10_000


def test_more_rows_than_bytes_of_a_table_are_a_bomb(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.arrow"):
        write_arrow(pa.table({"text": pa.nulls(100_000, pa.string()), "x": pa.nulls(100_000)}), tmp_path / name)
    assert outcome(list(read_records(tmp_path / "a.parquet", Corpus(max_rows=1000)))) == [(-1, "bomb")]


def test_text_files_are_one_record(tmp_path: Path) -> None:
    assert outcome(read(tmp_path / "a.txt", "\ufeffé\n\nb".encode())) == [(0, "é\n\nb")]
    assert outcome(read(tmp_path / "b.txt", b"a" * 1025)) == [(0, "record_too_long")]
    assert outcome(read(tmp_path / "c.txt", b"\xff")) == [(0, "bad_utf8")]
    assert outcome(read(tmp_path / "d.txt.gz", gzip.compress(os.urandom(600).hex().encode())[:-300])) == [
        (-1, "truncated")
    ]


@pytest.mark.parametrize("suffix", PACKS)
def test_a_text_of_any_size_is_parted_by_length_in_bounded_memory(tmp_path: Path, suffix: str) -> None:
    text = "".join(f"étude {number}\r\n" for number in range(300_000))
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(PACKS[suffix](text.encode()))
    tracemalloc.start()
    pieces, articles, characters = 0, set(), 0
    for row, item in enumerate(read_records(path, Corpus(max_record_bytes=4096, text_characters=1000))):
        assert isinstance(item, Record) and item.row == row and len(item.text) <= 1000
        pieces, characters = row + 1, characters + len(item.text)
        articles.add(item.article)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pieces > 3000 and characters == len(text.replace("\r\n", "\n"))
    assert articles == {f"text {hashlib.sha256(text.encode()).hexdigest()[:32]}"}
    assert peak < 24 * 2**20, "pieces are not kept, whatever the size of the file"


@pytest.mark.parametrize("rule", ["whole", "form_feed", "blank_lines"])
def test_a_text_that_must_be_held_whole_and_is_too_long_says_what_to_set(tmp_path: Path, rule: str) -> None:
    settings = Corpus(max_record_bytes=1024, text_files=rule)
    (fault,) = read(tmp_path / "a.txt", b"a\n\n\f" * 400, settings)
    assert isinstance(fault, Fault) and fault.reason == "record_too_long"
    assert "corpus.max_record_bytes" in fault.detail and "corpus.text_files: length" in fault.detail


def test_bytes_of_a_text_that_are_no_utf8_are_told_by_their_place(tmp_path: Path) -> None:
    for content, place in ((b"a" * 2**20 + b"\xc3\xa9" + b"\xff b", 2**20 + 2), (b"ab\xc3", 2)):
        (fault,) = read(tmp_path / "a.txt", content, Corpus())
        assert isinstance(fault, Fault) and fault.reason == "bad_utf8"
        assert fault.detail.startswith(f"byte {place}:")


def test_parquet_rows(tmp_path: Path) -> None:
    labels = {"license": ["MIT"] * 4, "article": [1, 2, 3, 4], "source": [{"x": 1}] * 4}
    table = pa.table({"text": ["a", None, "b" * 2000, "c"], **labels})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    items = list(read_records(tmp_path / "a.parquet", SMALL))
    assert outcome(items) == [(1, "a"), (2, "no_text"), (3, "record_too_long"), (4, "c")]
    assert items[0] == Record(1, "a", None, "MIT", "1", dropped=("source",))


def test_parquet_strings_that_are_no_utf8_are_faults_row_by_row(tmp_path: Path) -> None:
    raw = pa.array([b"\xff\xfe", b"ok"])
    texts = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    assert outcome(list(read_records(tmp_path / "a.parquet", SMALL))) == [(1, "bad_utf8"), (2, "ok")]


@pytest.mark.parametrize("columns", [{"body": ["a"]}, {"text": [1]}, {"text": [{"text": "a"}]}, {"text": [["a"]]}])
def test_parquet_with_other_columns(tmp_path: Path, columns: dict) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert outcome(list(read_records(tmp_path / "a.parquet", SMALL))) == [(-1, "wrong_columns")]


def test_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [os.urandom(50).hex() for _ in range(100)]}), path, write_page_checksum=True)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    assert outcome(read(path, whole[:-20], Corpus())) == [(-1, "corrupt")]
    assert outcome(read(path, bytes(flipped), Corpus()))[-1] == (-1, "corrupt")


def test_what_is_not_a_regular_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "target").write_text('{"text": "outside"}')
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "target")
    for name in ("fifo.jsonl", "folder.jsonl", "link.jsonl"):
        assert outcome(list(read_records(tmp_path / name, SMALL))) == [(-1, "unreadable_file")]
    with pytest.raises(FileNotFoundError):
        list(read_records(tmp_path / "absent.jsonl", SMALL))


def test_kinds() -> None:
    assert kind_of("A.JSONL.GZ") == (".jsonl", ".gz")
    assert kind_of("c4.json.gz") == (".json", ".gz") and kind_of("dclm.jsonl.zstd") == (".jsonl", ".zstd")
    assert [kind_of(name) for name in ("a.csv", "a.parquet.gz", "a.jsonl.zst.gz", "jsonl")] == [None] * 4
