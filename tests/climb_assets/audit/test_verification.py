"""Verification tells what it finds of the raw files, and ends at none of them."""

import os
from pathlib import Path

import pytest

from climb_assets.audit.verification import verify_lake
from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from tests.climb_assets.corpus.ordinary_user import as_ordinary_user


@pytest.fixture
def materializer(tmp_path: Path) -> Materializer:
    """A lake in which a shard's files are known; some of them were never readable."""
    folder = tmp_path / "data_lake" / "raw" / "folder"
    folder.mkdir(parents=True)
    for name in (b"a.txt", b"b.txt", b"c.txt", b"\xff.txt"):
        (folder / os.fsdecode(name)).write_text("some text")
    os.mkfifo(folder / "fifo.txt")
    (folder / "dangling.txt").symlink_to("nowhere")
    (tmp_path / "climb.yaml").write_text("profile: smoke\n")
    climb = Materializer(load_config(tmp_path / "climb.yaml"))
    climb.make("raw_shards", "folder")
    return climb


def test_what_was_accounted_for_as_unreadable_is_no_difference(materializer: Materializer) -> None:
    assert verify_lake(materializer).differences == ()


def test_what_became_unreadable_is_told_and_ends_nothing(materializer: Materializer) -> None:
    folder = materializer.config.corpus.raw / "folder"
    (folder / "a.txt").chmod(0)
    (folder / "b.txt").unlink()
    (folder / "c.txt").unlink()
    (folder / "c.txt").symlink_to("c.txt")

    def verify() -> None:
        denied, gone, loop = verify_lake(materializer).differences
        assert "a.txt cannot be read (Permission denied)" in denied
        assert "b.txt is gone" in gone and "c.txt" in loop

    as_ordinary_user(verify)


def test_a_folder_that_may_not_be_entered_is_told(materializer: Materializer) -> None:
    (materializer.config.corpus.raw / "folder").chmod(0)

    def verify() -> None:
        differences = verify_lake(materializer).differences
        assert len(differences) == 3 and all("cannot be read" in difference for difference in differences)

    as_ordinary_user(verify)
