"""What is a shard, what is not, and when a digest changes."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.corpus import raw_files
from climb_assets.corpus.raw_files import SHARD_NAME, UNREADABLE, DigestCache, digest_files, digest_shard, list_shards
from climb_assets.errors import ConfigError, CorpusError, CorruptArtifact


def age(path: Path) -> None:
    """Let a file look as if nobody had touched it for years."""
    os.utime(path, (1e9, 1e9))


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
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "b.jsonl")
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
    with pytest.raises(CorpusError, match=r"put \.parquet"):
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
    age(folder / "b.jsonl")
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


def test_planning_reads_no_file_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = tmp_path / "a.jsonl", DigestCache(tmp_path / "cache.sqlite")
    path.write_text("one")
    monkeypatch.setattr(raw_files, "RACY_SECONDS", -60.0)
    first = digest_shard(tmp_path, "a.jsonl", cache)
    monkeypatch.setattr(raw_files, "open_regular", lambda path: pytest.fail(f"{path} was opened"))
    assert digest_shard(tmp_path, "a.jsonl", DigestCache(cache.path)) == first


@pytest.mark.parametrize("racy", [2.0, -60.0], ids=["just touched", "remembered"])
def test_a_touched_file_is_read_again_even_if_its_size_and_time_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, racy: float
) -> None:
    path, cache = tmp_path / "a.jsonl", DigestCache(tmp_path / "cache.sqlite")
    monkeypatch.setattr(raw_files, "RACY_SECONDS", racy)
    path.write_text("one")
    age(path)
    first = digest_shard(tmp_path, "a.jsonl", cache)
    time.sleep(0.02)  # a tick of the file system's clock
    path.write_text("two")
    age(path)
    assert digest_shard(tmp_path, "a.jsonl", cache).digest != first.digest


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("one")
    (tmp_path / "cache").write_bytes(b"x" * 5000)
    with pytest.raises(CorruptArtifact, match="delete it"):
        digest_shard(tmp_path, "a.jsonl", DigestCache(tmp_path / "cache"))


def test_a_users_own_links_are_followed(tmp_path: Path) -> None:
    model, blob = tmp_path / "model", tmp_path / "blob"
    model.mkdir()
    blob.write_text("one")
    (model / "weights").symlink_to(blob)
    first = digest_files(model)
    blob.write_text("two")
    assert digest_files(model) != first
    blob.unlink()
    with pytest.raises(ConfigError, match="blob"):
        digest_files(model)
