"""Planning reads no file twice, and never trusts one that may have changed."""

import os
import time
from pathlib import Path

import pytest

from climb_assets.corpus import digest_cache
from climb_assets.corpus.digest_cache import DigestCache
from climb_assets.corpus.raw_files import digest_files, digest_shard
from climb_assets.errors import ConfigError, CorruptArtifact


def age(path: Path) -> None:
    """Let a file look as if nobody had touched it for years."""
    os.utime(path, (1e9, 1e9))


def test_planning_reads_no_file_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = tmp_path / "a.jsonl", DigestCache(tmp_path / "cache.sqlite")
    path.write_text("one")
    monkeypatch.setattr(digest_cache, "RACY_SECONDS", -60.0)
    first = digest_shard(tmp_path, "a.jsonl", cache)
    monkeypatch.setattr(digest_cache, "open_regular", lambda path: pytest.fail(f"{path} was opened"))
    assert digest_shard(tmp_path, "a.jsonl", DigestCache(cache.path)) == first


@pytest.mark.parametrize("racy", [2.0, -60.0], ids=["just touched", "remembered"])
def test_a_touched_file_is_read_again_even_if_its_size_and_time_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, racy: float
) -> None:
    path, cache = tmp_path / "a.jsonl", DigestCache(tmp_path / "cache.sqlite")
    monkeypatch.setattr(digest_cache, "RACY_SECONDS", racy)
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


def test_what_is_gone_is_told_and_can_be_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_cache, "RACY_SECONDS", -60.0)
    cache, gone, here = DigestCache(tmp_path / "cache.sqlite"), tmp_path / "gone.jsonl", tmp_path / "here.jsonl"
    assert cache.gone() == [] and not cache.path.exists()
    for path in (gone, here):
        path.write_text("one")
    cache.put({path: digest_cache.hash_file(path) for path in (gone, here)}, time.time_ns())
    assert cache.gone() == []
    gone.unlink()
    assert cache.gone() == [gone]
    cache.forget(cache.gone())
    assert cache.gone() == [] and cache.get([here]).keys() == {here}
