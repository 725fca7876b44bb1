"""A poison corpus: each way in which a file can be bad comes out as a fault, and the rest of it is read."""

import gzip
import json
import os
from pathlib import Path

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
        (b'{"text": "a", "source": "\\udfff"}', "bad_utf8"),
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
    row = {"text": "a", "source": "wiki", "license": "MIT", "article": 7}
    odd = {"text": "b", "source": {"no": "label"}, "licence": "GPL", "license": "MIT", "article": True}
    items = read(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + json.dumps(row).encode() + b"\r\n" + json.dumps(odd).encode())
    assert items == [Record(1, "a", "wiki", "MIT", "7"), Record(2, "b", None, "GPL", None)]


def test_the_text_column_can_be_named(tmp_path: Path) -> None:
    assert outcome(read(tmp_path / "a.jsonl", b'{"body": "a"}', Corpus(text_column="body"))) == [(1, "a")]


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".zst", zstandard.compress)])
def test_packings_read_alike_and_may_be_concatenated(tmp_path: Path, suffix: str, pack) -> None:
    content = pack(b'{"text": "a"}\n{"te') + pack(b'xt": "b"}\n')
    assert outcome(read(tmp_path / f"a.jsonl{suffix}", content)) == [(1, "a"), (2, "b")]
    assert outcome(read(tmp_path / f"a.txt{suffix}", pack(b"one ") + pack(b"text"))) == [(0, "one text")]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_records_before_a_break_are_kept(tmp_path: Path, suffix: str, pack) -> None:
    texts = [os.urandom(40).hex() for _ in range(2000)]
    packed = pack("\n".join(json.dumps({"text": text}) for text in texts).encode())
    *records, last = read(tmp_path / f"a.jsonl{suffix}", packed[: len(packed) * 3 // 4])
    assert outcome([last]) == [(-1, "truncated")]
    assert len(records) > 100
    assert [record.text for record in records] == texts[: len(records)]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.txt.gz", "a.parquet"])
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


def test_text_files_are_one_record(tmp_path: Path) -> None:
    assert outcome(read(tmp_path / "a.txt", "\ufeffé\n\nb".encode())) == [(0, "é\n\nb")]
    assert outcome(read(tmp_path / "b.txt", b"a" * 1025)) == [(0, "record_too_long")]
    assert outcome(read(tmp_path / "c.txt", b"\xff")) == [(0, "bad_utf8")]
    assert outcome(read(tmp_path / "d.txt.gz", gzip.compress(os.urandom(600))[:-300])) == [(-1, "truncated")]


def test_parquet_rows(tmp_path: Path) -> None:
    labels = {"license": ["MIT"] * 4, "article": [1, 2, 3, 4], "source": [{"x": 1}] * 4}
    table = pa.table({"text": ["a", None, "b" * 2000, "c"], **labels})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    items = list(read_records(tmp_path / "a.parquet", SMALL))
    assert outcome(items) == [(1, "a"), (2, "no_text"), (3, "record_too_long"), (4, "c")]
    assert items[0] == Record(1, "a", None, "MIT", "1")


def test_parquet_strings_that_are_no_utf8_are_faults_row_by_row(tmp_path: Path) -> None:
    raw = pa.array([b"\xff\xfe", b"ok"])
    texts = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    assert outcome(list(read_records(tmp_path / "a.parquet", SMALL))) == [(1, "bad_utf8"), (2, "ok")]


@pytest.mark.parametrize("columns", [{"body": ["a"]}, {"text": [1]}, {"text": [b"a"]}, {"text": [{"text": "a"}]}])
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
    for name in ("fifo.jsonl", "folder.jsonl", "link.jsonl", "absent.jsonl"):
        assert outcome(list(read_records(tmp_path / name, SMALL))) == [(-1, "unreadable_file")]


def test_kinds() -> None:
    assert kind_of("A.JSONL.GZ") == (".jsonl", ".gz")
    assert [kind_of(name) for name in ("a.csv", "a.parquet.gz", "a.jsonl.zst.gz", "jsonl")] == [None] * 4
