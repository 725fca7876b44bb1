"""What is remembered of a bucket, and when it may be taken for what lies there."""

from dataclasses import replace
from pathlib import Path

import pytest

from climb_assets.store import glance
from climb_assets.store.bucket_objects import Listed, Object, Version
from climb_assets.store.glance import Memory
from climb_assets.store.objects import ObjectStore
from tests.climb_assets.store.test_objects import ORDER, open_store, put
from tests.object_server import FaultyProxy

READ = Object(b"old", {}, None, 0.0)


@pytest.mark.parametrize(
    ("read", "listed", "taken"),
    [
        ({"e_tag": "1"}, {"e_tag": "1"}, True),
        ({"e_tag": "1", "version": "7"}, {"e_tag": "1"}, True),  # a listing tells no versions on S3
        ({"e_tag": "1"}, {"e_tag": "2"}, False),
        ({"version": "7"}, {"version": "8"}, False),
        ({}, {}, False),
    ],
)
def test_what_was_read_before_is_taken_only_where_a_tag_says_it_is_the_same(
    read: Version, listed: Version, taken: bool
) -> None:
    memory = Memory()
    memory.note("refs/one/_", READ._replace(version=read))
    found = memory.recall(Listed("refs/one/_", 3, 0.0, listed))
    assert (found is not None) == taken


def test_a_glance_asks_once_and_reads_again_only_what_changed(proxy: FaultyProxy, address: str, tmp_path: Path) -> None:
    store = open_store(address, tmp_path / "here")
    for turn in range(5):
        made = put(store, turn, f"shard-{turn}")
        store.swap("domains", made.partition, None, made.fingerprint)

    def look() -> int:
        proxy.requests.clear()
        with store.glance():
            for _ in range(3):
                found = [store.get("domains", partition) for partition in store.partitions("domains")]
                assert len(found) == 5 and all(one.is_complete() for one in found)
                assert len(store.all_of("domains")) == 5
        return len(proxy.requests)

    assert (look(), look()) == (2 + 5 + 5, 2)
    store.swap("domains", "shard-0", made_of(store, 0), "other")
    store.swap("domains", "shard-0", "other", made_of(store, 0))
    assert look() <= 3


def test_a_glance_that_forgets_what_it_knew_still_finds_everything(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance, "MOST_REMEMBERED", 0)
    store = open_store(address, tmp_path / "here")
    for number in range(1, 4):
        put(store, number)
        with store.glance():
            assert len(store.all_of("domains")) == number


def made_of(store: ObjectStore, turn: int) -> str:
    return replace(ORDER, config={"turn": turn}, partition=f"shard-{turn}").fingerprint
