"""Garbage of a store in a bucket: what is taken for it, what is left alone, and who is not disturbed."""

import threading
from pathlib import Path

import pytest

from climb_assets.errors import TransientError
from climb_assets.store import object_garbage
from climb_assets.store.artifacts import Artifact, Draft
from climb_assets.store.bucket import Bucket
from climb_assets.store.garbage import Left, Survey, Undisturbed
from climb_assets.store.object_keys import COLLECTING
from climb_assets.store.objects import ObjectStore
from tests.climb_assets.store.test_objects import ORDER, open_store, put

RIGHT = Undisturbed(0.0, lambda: True)
LATER = 2 * object_garbage.YOUNG_SECONDS


@pytest.fixture
def store(address: str, tmp_path: Path) -> ObjectStore:
    return open_store(address, tmp_path / "lake")


def look(store: ObjectStore, *needed: Artifact, after: float = LATER) -> Survey:
    keys = {(one.asset, one.partition, one.fingerprint) for one in needed}
    now = max(one.modified for one in store.bucket.below(""))
    return store.garbage.survey({"domains"}, keys, since=now + after)


def remove(store: ObjectStore, found: Survey) -> list[Left]:
    return store.garbage.remove(found, RIGHT)


def paths(found: Survey) -> set[str]:
    return {entry.place for entry in found.garbage if entry.kind != "lock"}


def test_what_is_not_needed_is_garbage_and_goes(store: ObjectStore, tmp_path: Path) -> None:
    needed, old, of_a_shard = put(store, 1), put(store, 2), put(store, 3, "shard")
    found = look(store, needed)
    assert paths(found) == {
        f"artifacts/domains/_/{old.fingerprint}",
        f"artifacts/domains/shard/{of_a_shard.fingerprint}",
    }
    assert found.left == () and [entry.key[2] for entry in found.needed if entry.key] == [needed.fingerprint]
    freed = sum(entry.bytes for entry in found.garbage)
    assert remove(store, found) == []
    after = look(store, needed)
    assert paths(after) == set() and after.bytes == found.bytes - freed
    assert store.find("domains", None, old.fingerprint) is None
    open_store(store.bucket.address, tmp_path / "there").all_of("domains")[0].verify()
    assert put(store, 2).is_complete()


def test_what_is_young_is_left_as_its_writer_may_be_late(store: ObjectStore) -> None:
    put(store, 1)
    found = look(store, after=0)
    assert paths(found) == set()
    assert [one.reason for one in found.left] == ["is younger than 24 hours; its writer may still be at work"]


def test_what_is_current_by_now_or_has_found_a_writer_is_left(store: ObjectStore) -> None:
    current, written = put(store, 1), put(store, 2)
    found = look(store)
    store.swap("domains", None, None, current.fingerprint)
    folder = f"artifacts/domains/_/{written.fingerprint}"
    store.bucket.create(f"{folder}/{'0' * 64}/one", b"of a new writer")
    reasons = {one.place.rpartition("/")[2]: one.reason for one in remove(store, found)}
    assert reasons == {
        current.fingerprint: "is the current artefact by now",
        written.fingerprint: "has found a writer",
    }
    current.verify()
    written.verify()


def test_what_was_put_right_meanwhile_is_left_though_its_size_is_the_same(store: ObjectStore) -> None:
    made = put(store, 1)
    (key,) = (one.key for one in store.bucket.below("artifacts") if one.key.endswith("/two"))
    store.bucket.delete([key])
    store.bucket.create(key, b"2wo")
    found = look(store)
    store.bucket.upload(key, made.path / "two")
    assert [one.reason for one in remove(store, found)] == ["has found a writer"]
    made.file("two", again=True)
    made.verify()


def test_who_lost_the_right_to_remove_garbage_removes_no_more(address: str, tmp_path: Path) -> None:
    store = open_store(address, tmp_path / "lake", lease_seconds=60)
    first, second = put(store, 1), put(store, 2)
    with store.garbage.undisturbed() as right:
        found = look(store)
        store.bucket.delete([COLLECTING])
        store.bucket.create(COLLECTING, b"of who took over")
        with pytest.raises(TransientError, match=r"was lost meanwhile.*run again"):
            store.garbage.remove(found, right)
    for artifact in (first, second):
        artifact.verify()
    assert store.bucket.read_now(COLLECTING) is not None
    store.bucket.delete([COLLECTING])
    with store.garbage.undisturbed() as right:
        assert store.garbage.remove(look(store), right) == []
    assert store.all_of("domains") == []


def test_what_losers_and_the_dead_left_goes_and_a_strangers_stays(store: ObjectStore) -> None:
    needed = put(store, 1)
    folder = f"artifacts/domains/_/{needed.fingerprint}"
    loser, dead = f"{folder}/{'0' * 64}/one", f"artifacts/domains/_/{'a' * 32}"
    for key in (loser, f"{dead}/{'1' * 64}/one", "leases/" + "b" * 32, "in_use/" + "c" * 16):
        store.bucket.create(key, b"left")
    strange = [f"artifacts/domains/_/{'d' * 32}/notes.txt", "artifacts/a_later_asset/_/x/y", "refs/a_later_asset/_"]
    for key in strange:
        store.bucket.create(key, b"mine")
    assert needed.unnamed_files() == []
    found = look(store, needed)
    assert paths(found) == {loser, dead}
    locks = {entry.place.partition("/")[0] for entry in found.garbage if entry.kind == "lock"}
    assert {"leases", "in_use"} <= locks
    assert {one.place for one in found.left} == {
        f"artifacts/domains/_/{'d' * 32}",
        *strange[1:],
    }
    remove(store, found)
    needed.verify()
    assert {one.key for one in store.bucket.below("")} >= set(strange)
    assert not {one.key for one in store.bucket.below("")} & {loser, f"{dead}/{'1' * 64}/one"}


def test_an_artefact_loses_its_manifest_first(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, 1)
    removed: list[str] = []

    class Recording(Bucket):
        def delete(self, keys: object) -> None:
            removed.extend(keys)  # type: ignore[call-overload]

    found = look(store)
    store.bucket = Recording(store.bucket.address)
    remove(store, found)
    assert removed[0].endswith("/manifest.json") and len(removed) == 4


def test_drafts_of_dead_writers_of_this_lake_go_and_its_own_artefacts_stay(store: ObjectStore) -> None:
    def die(draft: Draft) -> None:
        (draft.path / "part-0").write_text("dear")
        raise RuntimeError("dead")

    with pytest.raises(RuntimeError):
        store.put(ORDER, die, resumable=True)
    of_the_lake = put(store.machine, 7)  # type: ignore[arg-type]
    kept = store.garbage.survey({"domains"}, (), keep_unfinished=True)
    assert not [entry for entry in kept.garbage if entry.kind != "lock"]
    found = store.garbage.survey({"domains"}, ())
    assert [Path(entry.place).suffix for entry in found.garbage if entry.kind != "lock"] == [".partial"]
    remove(store, found)
    assert [path.name for path in (store.machine.root / "artifacts" / "domains" / "_").iterdir()] == [
        of_the_lake.fingerprint
    ]


def test_it_is_refused_while_some_machine_is_at_work_and_who_comes_waits(store: ObjectStore, tmp_path: Path) -> None:
    other = open_store(store.bucket.address, tmp_path / "other")
    with other.in_use() as granted:
        assert granted
        with pytest.raises(TransientError, match="in use on some machine"), store.garbage.undisturbed():
            pass
    entered = threading.Event()

    def work() -> None:
        with other.in_use():
            entered.set()

    thread = threading.Thread(target=work)
    with store.garbage.undisturbed() as right:
        assert right.began > 0
        thread.start()
        assert not entered.wait(2.5 * store.leases.seconds)
    assert entered.wait(30)
    thread.join(30)
    with store.garbage.undisturbed():
        pass


def test_who_died_in_use_is_not_waited_for(store: ObjectStore, tmp_path: Path) -> None:
    store.bucket.create("in_use/" + "c" * 16, b"{}")
    store.bucket.create("leases/collecting", b"{}")
    threading.Event().wait(2 * store.leases.seconds)
    with store.garbage.undisturbed():
        pass
    with open_store(store.bucket.address, tmp_path / "other").in_use() as granted:
        assert granted
