"""What is a shard, what is not, and when a digest changes."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.corpus.digest_cache import DigestCache
from climb_assets.corpus.raw_files import SHARD_NAME, UNREADABLE, digest_shard, list_files, list_shards
from climb_assets.corpus.raw_folder import stamp_shards
from climb_assets.errors import CorpusError
from tests.climb_assets.corpus.ordinary_user import as_ordinary_user


def test_shards_are_the_top_level_entries_that_can_be_read(tmp_path: Path) -> None:
    for name in (
        "b.jsonl",
        "a.txt.gz",
        ".gitignore",
        ".DS_Store",
        "notes.md",
        "bad name.jsonl",
        "a..b.jsonl",
        "-x.txt",
    ):
        (tmp_path / name).write_text("x")
    for name, inside in (("folder", "deep/a.jsonl"), ("empty", None), ("pictures", "a.png")):
        (tmp_path / name / "deep").mkdir(parents=True)
        if inside:
            (tmp_path / name / inside).write_text("x")
    (tmp_path / "link.jsonl").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.jsonl")
    found = list_shards(tmp_path)
    assert list(found.shards) == ["a.txt.gz", "b.jsonl", "folder"]
    rejected = {entry.name for entry in found.rejected}
    assert rejected == {
        "-x.txt",
        "a..b.jsonl",
        "bad name.jsonl",
        "empty",
        "link.jsonl",
        "notes.md",
        "pictures",
        "pipe.jsonl",
    }
    assert all(entry.reason for entry in found.rejected)


@pytest.mark.parametrize(
    "name", ["a'; DROP TABLE x;--.jsonl", "a*.jsonl", "a\nb.txt", "ä.txt", os.fsdecode(b"\xff.txt")]
)
def test_names_that_could_do_harm_are_rejected(tmp_path: Path, name: str) -> None:
    (tmp_path / "good.txt").write_text("x")
    (tmp_path / name).write_text("x")
    (entry,) = list_shards(tmp_path).rejected
    entry.name.encode()


@given(st.text(max_size=110))
def test_a_shard_name_is_a_harmless_path_component(name: str) -> None:
    if SHARD_NAME.fullmatch(name):
        assert name.isascii() and Path(name).name == name and ".." not in name and len(name) <= 100
        assert not set(name) & set("/\\'\"*?[]\0\n ;")


def test_a_corpus_without_shards_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"corpus\.raw"):
        list_shards(tmp_path / "absent")
    with pytest.raises(CorpusError, match=r"put \.parquet.*\.ndjson"):
        list_shards(tmp_path)
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(CorpusError, match=r"a\.csv"):
        list_shards(tmp_path)


def test_a_digest_changes_with_content_and_names_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "shard"
    (folder / "sub").mkdir(parents=True)
    (folder / "b.jsonl").write_text("b")
    (folder / "sub" / "a.jsonl").write_text("a")
    first = digest_shard(tmp_path, "shard")
    assert [file.path for file in first.files] == ["shard/b.jsonl", "shard/sub/a.jsonl"]
    os.utime(folder / "b.jsonl", (1e9, 1e9))
    (folder / ".hidden").write_text("x")
    assert digest_shard(tmp_path, "shard") == first
    (folder / "b.jsonl").write_text("c")
    changed = digest_shard(tmp_path, "shard").digest
    (folder / "b.jsonl").rename(folder / "c.jsonl")
    assert len({first.digest, changed, digest_shard(tmp_path, "shard").digest}) == 3


def test_files_that_cannot_be_read_are_listed_and_never_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "shard"
    folder.mkdir()
    (folder / "a.jsonl").write_text("a")
    os.mkfifo(folder / "fifo.jsonl")
    (folder / "link.jsonl").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to(folder)
    (folder / os.fsdecode(b"\xff.jsonl")).write_text("x")
    digest = digest_shard(tmp_path, "shard", DigestCache(tmp_path / "cache" / "digests.sqlite"))
    assert {file.path: file.sha256 == UNREADABLE for file in digest.files} == {
        "shard/a.jsonl": False,
        "shard/fifo.jsonl": True,
        "shard/link.jsonl": True,
        "shard/loop": True,
        "shard/\\udcff.jsonl": True,
    }


@pytest.mark.parametrize("shard", ["absent", "../outside", "", "a/b", "/etc"])
def test_a_shard_that_is_not_there(tmp_path: Path, shard: str) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "outside").mkdir()
    with pytest.raises(CorpusError):
        digest_shard(tmp_path / "raw", shard)


NO_DATA = ("_temporary/0/part.jsonl", "_SUCCESS", "._SUCCESS.crc", "part.jsonl.crc", "deep/_delta_log/0.json")


def test_what_writers_leave_beside_their_data_is_no_data(tmp_path: Path) -> None:
    """At the top it is no shard and no advice, in a shard no file; Spark, Hadoop and Delta leave such."""
    for place in (tmp_path, tmp_path / "shard"):
        for name in ("part.jsonl", *NO_DATA):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text("x")
    (tmp_path / "deep").rename(tmp_path / "_deep")
    found = list_shards(tmp_path)
    assert (list(found.shards), found.rejected) == (["part.jsonl", "shard"], ())
    assert [file.path for file in digest_shard(tmp_path, "shard").files] == ["shard/part.jsonl"]


def hub(folder: Path) -> Path:
    """A data set as huggingface_hub keeps it: a snapshot of links into the blobs."""
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / "0123abcd").write_text('{"text": "a"}')
    snapshot = folder / "snapshots" / "main" / "data"
    snapshot.mkdir(parents=True)
    (snapshot / "train.jsonl").symlink_to("../../../blobs/0123abcd")
    return snapshot.parent


def test_links_of_a_snapshot_are_followed_inside_the_raw_folder_and_inside_named_folders(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    hub(raw / "inside")
    (raw / "outside").symlink_to(hub(tmp_path / "hub"))
    (raw / "inside" / "blobs" / "README.md").write_text("no data")
    (reason,) = [entry.reason for entry in list_shards(raw).rejected]
    assert "corpus.link_roots" in reason
    found = list_shards(raw, [tmp_path / "hub"])
    assert list(found.shards) == ["inside", "outside"]
    (linked,) = digest_shard(raw, "outside", None, [tmp_path / "hub"]).files
    inside = {file.path: file.sha256 for file in digest_shard(raw, "inside").files}
    assert linked.path == "outside/data/train.jsonl"
    assert linked.sha256 == inside["inside/snapshots/main/data/train.jsonl"] == inside["inside/blobs/0123abcd"]
    with pytest.raises(CorpusError, match="unmounted cannot be read"):
        list_shards(raw, [tmp_path / "hub", tmp_path / "unmounted"])
    before = stamp_shards(raw, found, [tmp_path / "hub"])
    (tmp_path / "hub" / "blobs" / "0123abcd").write_text('{"text": "other"}')
    assert stamp_shards(raw, found, [tmp_path / "hub"]) != before


def test_links_that_lead_nowhere_or_round_end(tmp_path: Path) -> None:
    folder = tmp_path / "shard"
    (folder / "one").mkdir(parents=True)
    (folder / "two").mkdir()
    (folder / "one" / "a.jsonl").write_text("a")
    (folder / "one" / "over").symlink_to(folder / "two")
    (folder / "two" / "back").symlink_to(folder / "one")
    (folder / "nothing.jsonl").symlink_to(folder / "absent")
    (folder / "itself.jsonl").symlink_to(folder / "itself.jsonl")
    problems = {file.path.name: file.problem for file in list_files(tmp_path, "shard")}
    assert problems["a.jsonl"] == "" and "nothing" in problems["nothing.jsonl"] and "link" in problems["itself.jsonl"]
    assert sum(not file.problem for file in list_files(tmp_path, "shard")) <= 4


def test_a_name_that_is_not_utf8_is_told_and_stops_nobody(tmp_path: Path) -> None:
    for name in (b"\xff.jsonl", b"sub\xfe/a.jsonl"):
        path = tmp_path / "shard" / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert all("not UTF-8" in file.problem for file in digest_shard(tmp_path, "shard").files)
    assert stamp_shards(tmp_path, list_shards(tmp_path))


@pytest.mark.parametrize(
    ("hidden", "mode"),
    [*((path, 0o000) for path in ("shard", "shard/sub", "shard/sub/a.jsonl", "b.jsonl"))]
    + [(folder, 0o444) for folder in ("shard", "shard/sub")],  # listed, and not entered
)
def test_what_cannot_be_looked_at_is_neither_gone_nor_empty(tmp_path: Path, hidden: str, mode: int) -> None:
    raw = tmp_path / "raw"
    (raw / "shard" / "sub").mkdir(parents=True)
    (raw / "shard" / "sub" / "a.jsonl").write_text("a")
    (raw / "b.jsonl").write_text("b")
    (raw / hidden).chmod(mode)
    shard = hidden.partition("/")[0]

    def look() -> None:
        assert list(list_shards(raw).shards) == ["b.jsonl", "shard"]
        stamp_shards(raw, list_shards(raw))
        for found in list_shards(raw).shards:
            if found != shard:
                digest_shard(raw, found)
        with pytest.raises(CorpusError, match=r"Permission denied.*run again"):
            digest_shard(raw, shard)

    as_ordinary_user(look)
