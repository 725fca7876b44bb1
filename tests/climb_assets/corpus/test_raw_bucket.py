"""Raw files in a bucket of a real S3 server: the same shards as in a folder, and nothing half read."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from climb_assets.config import Corpus, Tokenizer
from climb_assets.config_corpus import Settle
from climb_assets.corpus.digest_cache import DigestCache
from climb_assets.corpus.ingest import ingest_shard
from climb_assets.corpus.raw_bucket import RawBucket
from climb_assets.corpus.raw_files import Listing
from climb_assets.corpus.raw_folder import RawFolder
from climb_assets.corpus.raw_place import RawPlace
from climb_assets.corpus.tokenizer import train_tokenizer
from climb_assets.errors import CorpusError, DeviceFault, TransientError
from tests.object_server import BUCKET, FaultyProxy, Uploads

TEXT = "A text that is long enough to be kept, because it has more than the least number of characters. "
TABLES = ("documents.parquet", "quarantine.parquet", "accounts.parquet", "repeats.parquet")
LARGE = 20 * 2**20  # bytes, which come in three parts


def lines(*texts: str) -> bytes:
    return "".join(json.dumps({"text": TEXT + text}) + "\n" for text in texts).encode()


@pytest.fixture
def uploads(object_server: str, address: str) -> Uploads:
    """Return what puts objects below the address."""
    return Uploads(object_server, address)


def open_bucket(address: str, lake: Path, *, cache: int = 10**9, patience: float = 10.0, **corpus: object) -> RawBucket:
    settings = Corpus.model_validate({"raw": address, "min_characters": 20, **corpus})
    return RawBucket(settings, lake, cache, patience)


def look(place: RawPlace, made: tuple[str, ...] = ()) -> Listing:
    return place.look(made, lambda name: name)


def fetched(lake: Path) -> list[Path]:
    return [path for path in (lake / "cache").rglob("*") if path.is_file() and "uses" not in path.parts]


def write_every_kind(raw: Path) -> None:
    """Fill a folder with each kind of file, each kind of trouble, and names whose order is easily mistaken."""
    (raw / "folder" / "a").mkdir(parents=True)
    (raw / "folder" / ".hidden").mkdir()
    (raw / "folder" / "a" / "part 1.jsonl.gz").write_bytes(gzip.compress(lines("one", "two")))
    (raw / "folder" / "a.jsonl").write_bytes(lines("three"))
    (raw / "folder" / "ünïcode \N{GRINNING FACE}.txt").write_text(TEXT)
    (raw / "folder" / "empty.jsonl").touch()
    (raw / "folder" / "broken.parquet").write_bytes(b"PAR1")
    (raw / "folder" / "unknown.bin").write_bytes(b"?")
    (raw / "folder" / ".hidden" / "not.jsonl").write_bytes(lines("hidden"))
    (raw / "folder" / "_SUCCESS").touch()
    pq.write_table(pa.table({"text": [TEXT + "four", TEXT + "five"]}), raw / "table.parquet")
    (raw / "A.jsonl").write_bytes(lines("upper"))
    (raw / "a.jsonl").write_bytes(lines("lower"))
    (raw / "two words.jsonl").write_bytes(lines("no shard"))
    (raw / "crawl.warc.gz").write_bytes(b"no shard")
    (raw / ".gitignore").write_bytes(b"*")


def test_a_bucket_holds_what_a_folder_with_the_same_files_holds(address: str, uploads: Uploads, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_every_kind(raw)
    uploads.put_folder(raw)
    for marker in ("", "folder/", "folder/a/", "folder/nothing/", "nothing/"):  # as consoles make folders
        uploads.put(marker, b"")
    bucket = open_bucket(address, tmp_path / "lake")
    folder = RawFolder(bucket.corpus.model_copy(update={"raw": raw, "settle": Settle(seconds=0)}))
    in_bucket, in_folder = look(bucket), look(folder)
    assert list(in_bucket.shards) == list(in_folder.shards) == ["A.jsonl", "a.jsonl", "folder", "table.parquet"]
    assert in_bucket.rejected == in_folder.rejected and len(in_bucket.rejected) == 2
    for shard in in_bucket.shards:
        digest = bucket.digest(shard)
        assert digest == folder.digest(shard)
        for place, name in ((bucket, "bucket"), (folder, "folder")):
            out = tmp_path / name / shard
            out.mkdir(parents=True)
            ingest_shard(place, shard, digest, bucket.corpus, out)
        for table in TABLES:
            assert (tmp_path / "bucket" / shard / table).read_bytes() == (
                tmp_path / "folder" / shard / table
            ).read_bytes()
    for place, name in ((bucket, "bucket"), (folder, "folder")):
        train_tokenizer(place, list(in_bucket.shards), Tokenizer(vocabulary=512), bucket.corpus, tmp_path / name)
    tokenizers = [(tmp_path / name / "tokenizer.json").read_bytes() for name in ("bucket", "folder")]
    assert tokenizers[0] == tokenizers[1]


def test_changed_added_and_removed_objects_show(address: str, uploads: Uploads, tmp_path: Path) -> None:
    for shard in ("a.jsonl", "b/1.jsonl", "b/2.jsonl", "c.jsonl"):
        uploads.put(shard, lines(shard))
    bucket = open_bucket(address, tmp_path)
    before = look(bucket)
    stamp, digests = bucket.stamp(before), {shard: bucket.digest(shard).digest for shard in before.shards}
    assert bucket.stamp(look(bucket)) == stamp and not bucket.changed(before.shards, before)

    uploads.put("a.jsonl", lines("other"))
    uploads.put("b/3.jsonl", lines("more"))
    uploads.remove("c.jsonl")
    uploads.put("d.jsonl", lines("new"))
    assert bucket.changed(before.shards, before) == ["a.jsonl", "b", "c.jsonl"]
    after = look(bucket)
    assert list(after.shards) == ["a.jsonl", "b", "d.jsonl"] and bucket.stamp(after) != stamp
    assert all(bucket.digest(shard).digest != digests[shard] for shard in ("a.jsonl", "b"))
    with pytest.raises(CorpusError, match=r"has no shard 'c\.jsonl'"):
        bucket.digest("c.jsonl")

    uploads.put("a.jsonl", lines("a.jsonl"))
    uploads.remove("b/3.jsonl")
    uploads.remove("d.jsonl")
    uploads.put("c.jsonl", lines("c.jsonl"))
    again = look(bucket)
    assert {shard: bucket.digest(shard).digest for shard in again.shards} == digests


def test_the_same_bytes_under_another_etag_are_hashed_once_more_and_no_change(
    address: str, uploads: Uploads, proxy: FaultyProxy, tmp_path: Path
) -> None:
    uploads.put("a.jsonl", lines("one"))
    cache = DigestCache(tmp_path / "cache" / "digests.sqlite")

    def fetches() -> int:
        return sum(method == "GET" and path.endswith("a.jsonl") for method, path, _ in proxy.requests)

    bucket = open_bucket(address, tmp_path)
    first = look(bucket)
    digest = bucket.digest("a.jsonl", cache)
    assert fetches() == 1
    for file in fetched(tmp_path):
        if file != cache.path:
            file.unlink()
    assert open_bucket(address, tmp_path).digest("a.jsonl", cache) == digest
    assert fetches() == 1  # another process, with nothing but the digests

    import obstore
    from obstore.store import from_url

    obstore.put(from_url(address), "a.jsonl", lines("one"), use_multipart=True, chunk_size=5 * 2**20)
    second = look(bucket)
    assert bucket.stamp(second) != bucket.stamp(first)
    assert bucket.digest("a.jsonl", cache) == digest and fetches() == 2
    assert bucket.digest("a.jsonl", cache) == digest and fetches() == 2


@pytest.mark.parametrize("size", [1000, LARGE])
@pytest.mark.parametrize("left", [0.5, 1.0, 1.5])
def test_an_object_that_changes_while_it_is_read_is_no_file(
    address: str, uploads: Uploads, proxy: FaultyProxy, tmp_path: Path, size: int, left: float
) -> None:
    """Of a large one a part is there by then."""
    uploads.put("a.txt", b"a" * size)
    bucket, moment = open_bucket(address, tmp_path), 1 if size == LARGE else 0
    look(bucket)
    note, seen = proxy.fault_of, []

    def change(method: str, path: str):
        seen.extend([path] if method == "GET" and path.endswith("a.txt") else [])
        if len(seen) == moment + 1:
            uploads.put("a.txt", b"b" * int(size * left))
            seen.append("changed")
        return note(method, path)

    proxy.fault_of = change  # type: ignore[method-assign]
    with pytest.raises(CorpusError, match=r"a\.txt changed since it was listed; run again"):
        bucket.digest("a.txt")
    assert "changed" in seen and not fetched(tmp_path)
    look(bucket)
    assert bucket.digest("a.txt").files[0].bytes == int(size * left)


def test_an_object_that_went_since_it_was_listed_is_an_error(address: str, uploads: Uploads, tmp_path: Path) -> None:
    for name in ("a", "b"):
        uploads.put(f"shard/{name}.txt", TEXT.encode())
    bucket = open_bucket(address, tmp_path)
    look(bucket)
    uploads.remove("shard/b.txt")
    with pytest.raises(CorpusError, match=r"b\.txt went away since it was listed.*run again"):
        bucket.digest("shard")


@pytest.mark.parametrize("fault", ["cut answer", "500", "lost answer"])
@pytest.mark.parametrize("size", [1000, LARGE])
def test_a_read_that_is_cut_is_taken_up_again(
    address: str, uploads: Uploads, proxy: FaultyProxy, tmp_path: Path, fault, size: int
) -> None:
    uploads.put("a.txt", bytes(range(250)) * (size // 250))
    expected = open_bucket(address, tmp_path / "calm").digest("a.txt")
    proxy.fail(fault, "GET", "a.txt", times=2)
    assert open_bucket(address, tmp_path / "cut").digest("a.txt") == expected
    assert sum(happened == fault for *_, happened in proxy.requests) == 2


def test_a_read_that_is_always_cut_leaves_no_file(
    address: str, uploads: Uploads, proxy: FaultyProxy, tmp_path: Path
) -> None:
    uploads.put("a.txt", b"a" * 1000)
    proxy.fail("cut answer", "GET", "a.txt", times=1000)
    bucket = open_bucket(address, tmp_path, patience=0.5)
    with pytest.raises(TransientError, match=r"a\.txt could not be used for .*; run again"):
        bucket.digest("a.txt")
    assert not fetched(tmp_path)
    proxy.heal()
    assert bucket.digest("a.txt").files[0].bytes == 1000


def test_more_objects_than_a_page_holds_are_all_seen(
    address: str, uploads: Uploads, proxy: FaultyProxy, tmp_path: Path
) -> None:
    names = [f"{number:04d}.txt" for number in range(1005)]
    for name in names:
        uploads.put(f"many/{name}", name.encode())
    bucket = open_bucket(address, tmp_path)
    assert list(look(bucket).shards) == ["many"]
    assert list(bucket.files("many")) == [f"many/{name}" for name in names]
    assert sum("list-type" in path for _, path, _ in proxy.requests) == 2


def test_many_shards_are_hashed_at_once_and_each_object_once(
    address: str, uploads: Uploads, proxy: FaultyProxy, tmp_path: Path
) -> None:
    names = [f"{number}.txt" for number in range(20)]
    for name in names:
        uploads.put(name, name.encode())
    cache = DigestCache(tmp_path / "cache" / "digests.sqlite")
    bucket = open_bucket(address, tmp_path)
    bucket.hash_ahead(list(look(bucket).shards), cache)
    assert [bucket.digest(name, cache) for name in names] == [bucket.digest(name) for name in names]
    fetches = [path for method, path, _ in proxy.requests if method == "GET" and path.endswith(".txt")]
    assert len(fetches) == len(names)


ODD = (
    *(
        "a b.txt",
        "A.txt",
        "a.txt",
        "per%20cent%2e%2e.txt",
        "que?ry#.txt",
        "back\\slash.txt",
        "plus+&amp;.txt",
        "x..y.txt",
    ),
    *("e\u0301.txt", "\u00e9.txt", "\u202etxt.txt", "x..", "~", "$HOME.txt", "*?[a].txt", "deep/er/and/er.txt"),
    *("y" * 250 + ".txt", "/".join(["z" * 100] * 8) + ".txt", "'; DROP.txt", "CON", "trailing /space.txt"),
)


def test_no_key_leads_out_of_the_cache_or_to_another_file(address: str, uploads: Uploads, tmp_path: Path) -> None:
    for key in ODD:
        uploads.put(f"shard/{key}", f"{key} {TEXT}".encode())
    uploads.put("shard/ends in a slash/", b"")
    bucket = open_bucket(address, tmp_path / "lake")
    look(bucket)
    files = bucket.files("shard")
    assert set(files) == {f"shard/{key}" for key in ODD}
    for name, localise in files.items():
        with localise(None) as path:
            assert path.read_bytes() == f"{name.removeprefix('shard/')} {TEXT}".encode()
            assert path.resolve().is_relative_to((tmp_path / "lake" / "cache").resolve())
    assert len(fetched(tmp_path / "lake")) == len(ODD)
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]


@pytest.mark.parametrize("key", ["shard/../up.txt", "shard//twice.txt", "shard/./here.txt"])
def test_a_key_that_is_no_path_is_named_at_once(address: str, uploads: Uploads, tmp_path: Path, key: str) -> None:
    uploads.put("shard/a.txt", TEXT.encode())
    uploads.put(key, TEXT.encode())
    with pytest.raises(DeviceFault, match=r"holds a key that is no path \(.*shard/.*\); rename it, or .* corpus\.raw"):
        look(open_bucket(address, tmp_path))


def test_what_cannot_be_used_is_said_in_one_sentence(
    address: str, uploads: Uploads, proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CorpusError, match=rf"{address} holds no shard; put .* there, or .*corpus\.raw"):
        look(open_bucket(address, tmp_path))
    with pytest.raises(DeviceFault, match=r"there is no bucket for s3://nowhere/x; make it, or correct corpus\.raw"):
        look(open_bucket("s3://nowhere/x", tmp_path))
    proxy.fail("403", "GET", times=1)
    with pytest.raises(DeviceFault, match=r"may not be used .*environment has the credentials that corpus\.raw needs"):
        look(open_bucket(address, tmp_path, patience=9.0))
    uploads.put("notes.md", b"nothing")
    with pytest.raises(CorpusError, match=r"holds no shard \(notes\.md: holds no file of a known kind .*corpus\.raw"):
        look(open_bucket(address, tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TransientError, match=r"could not be used for 0 s .*run again"):
        look(open_bucket(f"s3://{BUCKET}/elsewhere", tmp_path, patience=0.3))


def test_files_that_nobody_reads_make_room_for_others(address: str, uploads: Uploads, tmp_path: Path) -> None:
    for number in range(6):
        uploads.put(f"shard/{number}.txt", b"x" * 1000)
    bucket = open_bucket(address, tmp_path, cache=2500)
    look(bucket)
    first, *others = bucket.files("shard").values()
    with first(None) as path:
        for localise in others:
            with localise(None):
                pass
        assert path.exists()
        assert sum(file.stat().st_size for file in fetched(tmp_path)) > 2500  # it has been read since before them
    uploads.put("other.txt", b"x" * 1000)
    assert bucket.digest("other.txt").files
    assert sum(file.stat().st_size for file in fetched(tmp_path)) <= 2500


def test_a_damaged_file_of_the_cache_is_fetched_again(address: str, uploads: Uploads, tmp_path: Path) -> None:
    uploads.put("a.jsonl", lines("one"))
    bucket = open_bucket(address, tmp_path / "lake")
    digest = bucket.digest("a.jsonl")
    (file,) = fetched(tmp_path / "lake")
    file.write_bytes(bytes(len(lines("one"))))
    assert ingest_shard(bucket, "a.jsonl", digest, bucket.corpus, tmp_path)["kept"] == 1


def test_a_shard_of_several_objects_waits_for_its_marker(address: str, uploads: Uploads, tmp_path: Path) -> None:
    uploads.put("shard/1.jsonl", lines("one"))
    uploads.put("single.jsonl", lines("single"))
    bucket = open_bucket(address, tmp_path, settle={"marker": "_SUCCESS"})
    listing = look(bucket)
    assert list(listing.shards) == ["single.jsonl"] and listing.unsettled == {"shard": "has no _SUCCESS"}
    assert list(look(bucket, made=("shard",)).shards) == ["shard", "single.jsonl"]  # an earlier version stands for it
    assert bucket.why_unsettled("shard", listing) == "has no _SUCCESS"
    uploads.put("shard/_SUCCESS", b"")
    settled = look(bucket)
    assert list(settled.shards) == ["shard", "single.jsonl"] and not settled.unsettled
    assert [file.path for file in bucket.digest("shard").files] == ["shard/1.jsonl"]


def test_who_verifies_reads_the_object_anew(address: str, uploads: Uploads, tmp_path: Path) -> None:
    uploads.put("a.jsonl", lines("one"))
    bucket = open_bucket(address, tmp_path)
    (file,) = bucket.digest("a.jsonl").files
    assert bucket.hash_again("a.jsonl") == file.sha256
    uploads.put("a.jsonl", lines("two"))
    assert bucket.hash_again("a.jsonl") != file.sha256
    uploads.remove("a.jsonl")
    with pytest.raises(FileNotFoundError):
        bucket.hash_again("a.jsonl")
