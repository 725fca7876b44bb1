"""Nothing is lost between raw files and documents, and the same files give the same bytes."""

import gzip
import json
import os
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climb_assets.config import Corpus
from climb_assets.corpus import ingest
from climb_assets.corpus.documents import DOCUMENTS, SPLITS, document_id
from climb_assets.corpus.ingest import ACCOUNTS, QUARANTINE, ingest_shard
from climb_assets.corpus.raw_files import digest_shard
from climb_assets.corpus.raw_folder import RawFolder
from climb_assets.errors import CorpusError, TransientError
from climb_assets.tables import read_table
from tests.climb_assets.corpus.ordinary_user import as_ordinary_user

TEXT = "A text that is long enough to be kept, because it has more than the least number of characters. "
SETTINGS = Corpus(min_characters=20, max_record_bytes=1024, part_documents=3)
TABLES = ("documents.parquet", "quarantine.parquet", "accounts.parquet", "repeats.parquet")


def folder_of(raw: Path, settings: Corpus = SETTINGS) -> RawFolder:
    """Return a folder as the place of raw files."""
    return RawFolder(settings.model_copy(update={"raw": raw}))


def lines(*texts: str) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def run(raw: Path, out: Path, settings: Corpus = SETTINGS, shard: str = "shard") -> dict:
    out.mkdir(exist_ok=True)
    return ingest_shard(folder_of(raw, settings), shard, digest_shard(raw, shard), settings, out)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A shard with every kind of trouble."""
    folder = tmp_path / "raw" / "shard"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(lines(TEXT + "1", "short", TEXT + "2", TEXT + "1") + b"{\n" + lines("x" * 2000))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines(*(TEXT + os.urandom(99).hex() for _ in range(50))))[:-900])
    (folder / "c.txt").write_text(TEXT + "2  \r\n")
    (folder / "d.csv").write_text("a,b")
    (folder / "e.parquet").write_bytes(b"PAR1")
    (folder / "empty.jsonl").touch()
    os.mkfifo(folder / "fifo.jsonl")
    return tmp_path / "raw"


def test_a_shard_becomes_documents_quarantine_and_accounts(raw: Path, tmp_path: Path) -> None:
    facts = run(raw, tmp_path / "out")
    documents, quarantine, accounts, _ = (read_table(tmp_path / "out" / name) for name in TABLES)
    assert (documents.schema, quarantine.schema, accounts.schema) == (DOCUMENTS, QUARANTINE, ACCOUNTS)
    first = documents.slice(0, 2).to_pylist()
    assert [(row["file"], row["record"]) for row in first] == [("shard/a.jsonl", 1), ("shard/a.jsonl", 3)]
    assert all(row["bytes"] == len(row["text"].encode()) for row in documents.to_pylist())
    assert len(set(documents["id"].to_pylist())) == documents.num_rows == facts["documents"] == facts["kept"]
    found = {(row["file"][6:], row["record"], row["reason"]) for row in quarantine.to_pylist()}
    assert found == {
        ("a.jsonl", 5, "bad_json"),
        ("a.jsonl", 6, "record_too_long"),
        ("b.jsonl.gz", -1, "truncated"),
        ("d.csv", -1, "unknown_kind"),
        ("e.parquet", -1, "corrupt"),
        ("empty.jsonl", -1, "empty_file"),
        ("fifo.jsonl", -1, "unreadable_file"),
    }
    assert facts["reasons"]["truncated"] == 1 and sum(facts["reasons"].values()) == facts["quarantined"] == 7
    assert facts["bytes"] == sum(documents["bytes"].to_pylist())
    assert list(facts["by_split"]) == list(SPLITS) and sum(facts["by_split"].values()) == facts["documents"]


def test_the_labels_of_filtered_duplicates_are_kept(tmp_path: Path) -> None:
    labels = ["one", "two", None, "one"]
    records = [{"text": TEXT, "article": label} for label in labels] + [{"text": TEXT + "2", "article": "three"}]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "shard").mkdir()
    (tmp_path / "raw" / "shard" / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    run(tmp_path / "raw", tmp_path / "out")
    repeats = read_table(tmp_path / "out" / "repeats.parquet").to_pylist()
    assert repeats == [{"id": document_id(TEXT.rstrip()), "article": label} for label in ("two", "one")]


def test_every_record_of_every_file_is_accounted_for(raw: Path, tmp_path: Path) -> None:
    run(raw, tmp_path / "out")
    accounts = {row["file"]: row for row in read_table(tmp_path / "out" / "accounts.parquet").to_pylist()}
    assert [accounts["shard/a.jsonl"][name] for name in ("read", *ingest.OUTCOMES)] == [6, 2, 1, 1, 2]
    assert accounts["shard/c.txt"]["filtered_duplicate"] == 1
    assert len(accounts) == 7
    for row in accounts.values():
        assert row["read"] == sum(row[name] for name in ingest.OUTCOMES) > 0


RECORDS = st.one_of(
    st.text(max_size=30).map(lambda text: json.dumps({"text": text}).encode()),
    st.binary(max_size=30),
    st.sampled_from([b"", b"[]", b'{"text": "a document that is kept by all means"}', b"\xff", b"null"]),
)


@given(st.lists(RECORDS, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_conserved(tmp_path: Path, records: list[bytes]) -> None:
    raw = tmp_path / "raw"
    raw.mkdir(exist_ok=True)
    content = b"\n".join(records)
    (raw / "shard.jsonl").write_bytes(content)
    facts = run(raw, tmp_path / "out", shard="shard.jsonl")
    filled = sum(bool(line.strip()) for line in content.split(b"\n"))
    assert facts["read"] == max(filled, 1) == sum(facts[name] for name in ingest.OUTCOMES)
    assert read_table(tmp_path / "out" / "documents.parquet").num_rows == facts["kept"]
    assert read_table(tmp_path / "out" / "quarantine.parquet").num_rows == facts["quarantined"]


def test_the_same_files_give_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    facts = run(raw, tmp_path / "one")
    assert run(raw, tmp_path / "two") == facts
    for name in TABLES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    run(raw, tmp_path / "parts", SETTINGS.model_copy(update={"part_documents": 1000}))
    for name in TABLES:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert {path.name for path in (tmp_path / "one").iterdir()} == set(TABLES)


def test_a_document_keeps_its_split_whatever_the_shard_holds_besides(raw: Path, tmp_path: Path) -> None:
    def splits(out: str) -> dict[str, str]:
        run(raw, tmp_path / out)
        table = read_table(tmp_path / out / "documents.parquet")
        return dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))

    before = splits("one")
    (raw / "shard" / "z.jsonl").write_bytes(lines(TEXT + "new"))
    after = splits("two")
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()


@pytest.mark.parametrize("change", ["rewritten", "removed"])
def test_a_file_that_changed_since_its_digest_stops_the_shard(raw: Path, tmp_path: Path, change: str) -> None:
    digest = digest_shard(raw, "shard")
    path = raw / "shard" / "a.jsonl"
    if change == "removed":
        path.unlink()
    else:
        path.write_bytes(lines(TEXT + "9"))
    with pytest.raises(CorpusError, match=r"a\.jsonl .*run again"):
        ingest_shard(folder_of(raw), "shard", digest, SETTINGS, tmp_path)
    assert not (tmp_path / "documents.parquet").exists()


def test_labels_that_are_no_text_are_dropped_and_counted(tmp_path: Path) -> None:
    odd = [{"article": [1]}, {"article": True, "source": {"a": 1}}, {"licence": "\ud800"}, {"article": 7.0}, {}]
    (tmp_path / "shard.jsonl").write_text(
        "\n".join(json.dumps({"text": TEXT + str(n), **o}) for n, o in enumerate(odd))
    )
    facts = run(tmp_path, tmp_path / "out", shard="shard.jsonl")
    assert facts["dropped_labels"] == {"article": 2, "licence": 1, "source": 1} and facts["quarantined"] == 0
    assert read_table(tmp_path / "out" / "accounts.parquet")["dropped_labels"].to_pylist() == [4]
    documents = read_table(tmp_path / "out" / "documents.parquet")
    assert documents["article"].to_pylist() == [None, None, None, "7", None]
    assert set(documents["source"].to_pylist()) == {"shard.jsonl"}  # as the README promises


@pytest.mark.parametrize("ids", [(7.0, "7"), (7, "7.00"), ("\u00e9 1", "e\u0301  1")], ids=["float", "decimal", "NFC"])
def test_an_article_whose_label_is_written_in_two_ways_is_one_article(tmp_path: Path, ids: tuple) -> None:
    """Thirty articles of two documents, one label from Parquet or JSON, the other as text: none is in two splits."""
    (tmp_path / "raw" / "shard").mkdir(parents=True)
    first, second = ids
    if second == "7.00":
        values = [Decimal(f"{number}.00") for number in range(30)]
        table = {"text": [f"{TEXT} {number} parquet" for number in range(30)], "article": values}
        pq.write_table(pa.table(table), tmp_path / "raw" / "shard" / "a.parquet")
        labels = [[number] for number in range(30)]
    else:
        labels = [[type(first)(number) if first == 7.0 else f"{first}{number}", str(number)] for number in range(30)]
        if first != 7.0:
            labels = [[f"{first}{number}", f"{second}{number}"] for number in range(30)]
    rows = [{"text": f"{TEXT} {label!r} {n}", "article": label} for pair in labels for n, label in enumerate(pair)]
    (tmp_path / "raw" / "shard" / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run(tmp_path / "raw", tmp_path / "out")
    documents = read_table(tmp_path / "out" / "documents.parquet").to_pylist()
    splits: dict[str, set[str]] = {}
    for row in documents:
        splits.setdefault(row["article"], set()).add(row["split"])
    assert len(documents) == 60 and len(splits) == 30
    assert all(len(of_article) == 1 for of_article in splits.values())


def test_a_file_that_may_not_be_read_stops_the_shard(raw: Path, tmp_path: Path) -> None:
    digest = digest_shard(raw, "shard")
    (raw / "shard" / "a.jsonl").chmod(0)

    def ingest_it() -> None:
        with pytest.raises(TransientError, match=r"a\.jsonl .*Permission denied"):
            ingest_shard(folder_of(raw), "shard", digest, SETTINGS, tmp_path)
        assert not (tmp_path / "documents.parquet").exists()

    as_ordinary_user(ingest_it)


def test_what_a_link_leads_to_is_read_under_its_own_name(tmp_path: Path) -> None:
    """As huggingface_hub keeps a snapshot: the name says what the blob is."""
    (tmp_path / "raw" / "shard").mkdir(parents=True)
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0123").write_bytes(gzip.compress(lines(TEXT)))
    (tmp_path / "raw" / "shard" / "a.json.gz").symlink_to("../../blobs/0123")
    settings, out = SETTINGS.model_copy(update={"link_roots": (tmp_path / "blobs",)}), tmp_path / "out"
    out.mkdir()
    digest = digest_shard(tmp_path / "raw", "shard", None, settings.link_roots)
    assert ingest_shard(folder_of(tmp_path / "raw", settings), "shard", digest, settings, out)["kept"] == 1
    assert read_table(out / "documents.parquet")["file"].to_pylist() == ["shard/a.json.gz"]
    assert run(tmp_path / "raw", out)["reasons"] == {"unreadable_file": 1}  # nobody said that it may lead there


def test_pieces_of_a_text_file_share_a_split(tmp_path: Path) -> None:
    texts = ["\f".join(f"{TEXT} {book} {page}" for page in range(9)) for book in range(20)]
    (tmp_path / "raw" / "shard").mkdir(parents=True)
    for book, text in enumerate(texts):
        (tmp_path / "raw" / "shard" / f"{book}.txt").write_text(text)
    run(tmp_path / "raw", tmp_path / "out", Corpus(min_characters=20, text_files="form_feed"))
    documents = read_table(tmp_path / "out" / "documents.parquet").to_pylist()
    by_file = {row["file"]: {r["split"] for r in documents if r["file"] == row["file"]} for row in documents}
    assert len(documents) == 180 and all(len(splits) == 1 for splits in by_file.values())
    assert len(set.union(*by_file.values())) > 1


def test_a_failing_disk_is_no_property_of_the_file(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, settings: Corpus, name: str):
        raise OSError(5, "Input/output error")
        yield

    monkeypatch.setattr(ingest, "read_records", fail)
    with pytest.raises(TransientError, match="Input/output error"):
        run(raw, tmp_path / "out")
