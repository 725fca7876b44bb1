"""Which shards are whole: by the time of the last change, by a marker, and with an earlier version in their place."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from climb_assets.config import Corpus
from climb_assets.config_corpus import Settle
from climb_assets.corpus.raw_files import Listing
from climb_assets.corpus.raw_folder import RawFolder
from climb_assets.corpus.raw_place import describe_unsettled
from climb_assets.errors import CorpusError

SECONDS = 300.0


class Raw:
    """A raw folder with one whole shard, and looks at it by a clock that the test moves."""

    def __init__(self, path: Path, marker: str | None = None, seconds: float = SECONDS) -> None:
        self.path, self.ahead, self.made = path, 0.0, {"old.txt"}
        (path / "old.txt").write_text("old")
        corpus = Corpus(raw=path, settle=Settle(seconds=seconds, marker=marker))
        self.folder = RawFolder(corpus, now=lambda: time.time() + self.ahead)
        self.pass_time()

    def pass_time(self) -> None:
        """Let what there is be old enough, until it is touched again."""
        self.ahead += 2 * SECONDS

    def touched(self) -> None:
        """Let what was touched in this test be so a moment ago, and all else long ago."""
        self.ahead = 0.0

    def look(self) -> Listing:
        """Look once; what was made of a shard can stand for it."""
        return self.folder.look(self.made, lambda name: name)


@pytest.fixture
def raw(tmp_path: Path) -> Raw:
    """Return the raw folder."""
    return Raw(tmp_path)


def test_what_has_long_been_there_is_taken_at_once(raw: Raw) -> None:
    listing = raw.look()
    assert list(listing.shards) == ["old.txt"] and not listing.unsettled


def test_a_new_shard_is_left_until_nothing_in_it_has_changed_for_long_enough(raw: Raw) -> None:
    raw.made.clear()
    (raw.path / "new.txt").write_text("half")
    raw.ahead = SECONDS - 60
    with pytest.raises(CorpusError, match=r"no finished shard yet; 2 shards are being written .*new\.txt \(changed"):
        raw.look()
    raw.ahead = SECONDS + 1
    assert list(raw.look().shards) == ["new.txt", "old.txt"]


@pytest.mark.parametrize("moment", [1, 4e9])
def test_a_time_that_a_copy_gave_a_file_counts_for_nothing(raw: Raw, moment: float) -> None:
    os.utime(raw.path / "old.txt", (moment, moment))
    raw.touched()
    assert raw.look().unsettled == {"old.txt": "changed a moment ago"}
    raw.pass_time()
    assert not raw.look().unsettled


def test_a_clock_that_is_behind_keeps_no_shard_waiting_for_ever(tmp_path: Path) -> None:
    raw = Raw(tmp_path, seconds=0.2)
    raw.ahead = -1e6
    assert raw.look().unsettled
    time.sleep(0.3)
    assert not raw.look().unsettled
    (tmp_path / "old.txt").write_text("longer")
    assert raw.look().unsettled  # it changed between two looks


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "deep" / "b.txt").write_text("b"),
        lambda folder: (folder / "deep" / "a.txt").write_text("longer"),
        lambda folder: (folder / "deep" / ".b.txt.half").write_text("half"),
        lambda folder: (folder / "deep" / "a.txt").unlink(),
    ],
)
def test_any_change_in_a_folder_is_one_of_its_shard(raw: Raw, change: Callable[[Path], object]) -> None:
    (raw.path / "shard" / "deep").mkdir(parents=True)
    (raw.path / "shard" / "deep" / "a.txt").write_text("a")
    (raw.path / "shard" / "c.txt").write_text("c")
    before = raw.look()
    assert "shard" in before.shards and not raw.folder.changed(["shard"], before)
    change(raw.path / "shard")
    raw.touched()
    assert raw.folder.changed(["shard"], before)
    assert "shard" in raw.look().unsettled


def test_a_change_where_a_link_leads_is_one_of_its_shard(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "hub").mkdir()
    target = tmp_path / "hub" / "a.txt"
    target.write_text("a")
    raw = Raw(tmp_path / "raw")
    raw.folder = RawFolder(raw.folder.corpus.model_copy(update={"link_roots": (tmp_path / "hub",)}), raw.folder.now)
    (raw.path / "link.txt").symlink_to(target)
    before = raw.look()
    target.write_text("longer")
    assert raw.folder.changed(["link.txt"], before)


def test_a_folder_is_whole_only_with_the_marker_and_a_file_by_its_time(tmp_path: Path) -> None:
    raw = Raw(tmp_path, marker="_SUCCESS")
    (tmp_path / "shard").mkdir()
    (tmp_path / "shard" / "part.txt").write_text("a")
    raw.pass_time()
    listing = raw.look()
    assert list(listing.shards) == ["old.txt"]
    assert describe_unsettled(listing) == (
        "1 shard is being written and left for the next round: shard (has no _SUCCESS)"
    )
    (tmp_path / "shard" / "_SUCCESS").touch()
    assert list(raw.look().shards) == ["old.txt", "shard"]
    raw.touched()
    assert raw.look().unsettled["shard"] == "changed a moment ago"  # the marker of a copy may come before its files


@pytest.mark.parametrize("left", [True, False])
def test_what_was_made_of_a_shard_stands_for_it_while_it_is_written(raw: Raw, left: bool) -> None:
    (raw.path / "shard").mkdir()
    (raw.path / "shard" / "a.txt").write_text("a")
    raw.made.add("shard")
    (raw.path / "shard" / "a.txt").unlink()  # emptied, to be filled again
    if not left:
        (raw.path / "shard").rmdir()
    raw.touched()
    listing = raw.look()
    assert listing.shards.keys() == {"old.txt", "shard"} and "shard" in listing.unsettled
    assert raw.folder.changed(["shard"], listing)  # nobody may read it
    raw.pass_time()
    listing = raw.look()
    assert list(listing.shards) == ["old.txt"] and not listing.unsettled
    assert [entry.name for entry in listing.rejected] == (["shard"] if left else [])


def test_what_cannot_stand_for_a_shard_does_not(raw: Raw) -> None:
    (raw.path / "new.txt").write_text("half")
    raw.made.add("gone.txt")
    raw.touched()
    listing = raw.folder.look(raw.made, {"old.txt": "1"}.get)
    assert list(listing.shards) == ["old.txt"] and list(listing.unsettled) == ["new.txt", "old.txt"]


def test_waiting_is_told_and_ends(tmp_path: Path) -> None:
    raw, told = Raw(tmp_path, seconds=0.5), list[str]()
    raw.folder.wait((), lambda name: None, told.append)
    assert told == []
    (tmp_path / "new.txt").write_text("new")
    raw.touched()
    raw.folder.wait((), lambda name: None, told.append)
    assert len(told) == 1 and "new.txt" in told[0] and told[0].startswith("waiting 0.")
    assert "new.txt" in raw.look().shards


def test_nobody_waits_for_a_marker(tmp_path: Path) -> None:
    raw, told = Raw(tmp_path, marker="_SUCCESS"), list[str]()
    (tmp_path / "shard").mkdir()
    raw.folder.wait((), lambda name: None, told.append)
    assert told == []
