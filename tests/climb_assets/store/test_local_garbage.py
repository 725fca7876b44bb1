"""Garbage of a store: what is taken for it, what is left alone, and what a kill in the middle leaves."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from climb_assets.errors import TransientError
from climb_assets.store.artifacts import Artifact, Draft, Order
from climb_assets.store.garbage import Left, Survey
from climb_assets.store.local import LocalStore, writing
from climb_assets.store.locks import hold, is_held, remove_unheld
from tests.dead_writer import die_while_writing

ORDER = Order("domains", None, {}, {}, {})


def write(draft: Draft) -> None:
    (draft.path / "one").write_text("1")
    (draft.path / "two").write_text("22")


def put(store: LocalStore, turn: int, partition: str | None = None) -> Artifact:
    return store.put(replace(ORDER, config={"turn": turn}, partition=partition), write)[0]


def look(store: LocalStore, *needed: Artifact, **options: object) -> Survey:
    keys = {(one.asset, one.partition, one.fingerprint) for one in needed}
    return store.garbage.survey({"domains"}, keys, **options)


def remove(store: LocalStore, found: Survey) -> list[Left]:
    with store.garbage.undisturbed() as right:
        return store.garbage.remove(found, right)


def paths(entries) -> set[Path]:
    return {Path(entry.place) for entry in entries if not hasattr(entry, "kind") or entry.kind != "lock"}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


def test_what_is_not_kept_is_garbage_and_goes(store: LocalStore) -> None:
    needed, old, of_a_shard = put(store, 1), put(store, 2), put(store, 3, "shard")
    found = look(store, needed)
    assert paths(found.garbage) == {old.path, of_a_shard.path} and paths(found.needed) == {needed.path}
    assert old.path.exists()
    freed = sum(entry.bytes for entry in found.garbage)
    assert remove(store, found) == []
    after = look(store, needed)
    assert after.garbage == () and after.bytes == found.bytes - freed
    needed.verify()
    assert store.find("domains", None, old.fingerprint) is None
    assert store.put(replace(ORDER, config={"turn": 2}), write)[1]


def test_an_empty_store_has_no_garbage(store: LocalStore) -> None:
    assert look(store) == Survey((), (), ())
    assert not store.root.exists()


def test_what_is_a_strangers_is_left_alone_and_named(store: LocalStore) -> None:
    old, other = put(store, 1), store.put(Order("a_later_asset", None, {}, {}, {}), write)[0]
    artifacts = store.root / "artifacts"
    strange = [artifacts / "notes.txt", artifacts / "domains" / "notes.txt", artifacts / "domains" / "_" / "mine"]
    for path in strange:
        path.mkdir() if path.name == "mine" else path.write_text("mine")
    (artifacts / "domains" / "_" / ".DS_Store").write_text("mine")
    (store.root / "unfinished").mkdir()
    (store.root / "unfinished" / "note").write_text("mine")
    (artifacts / "domains" / "_" / "link").symlink_to(old.path)
    inside = put(store, 2)
    (inside.path / "notes.txt").write_text("mine")
    damaged = put(store, 3)
    (damaged.path / "manifest.json").write_text("{")
    moved = artifacts / "domains" / "_" / ("0" * 32)
    put(store, 4).path.rename(moved)
    found = look(store)
    assert paths(found.garbage) == {old.path}
    remove(store, found)
    left = {Path(one.place): one.reason for one in look(store).left}
    expected = {*strange, artifacts / "a_later_asset", artifacts / "domains" / "_" / ".DS_Store", moved}
    expected |= {inside.path, damaged.path, store.root / "unfinished" / "note", artifacts / "domains" / "_" / "link"}
    assert set(left) == expected and all(os.path.lexists(path) for path in expected)
    assert "notes.txt" in left[inside.path] and "cannot be read" in left[damaged.path]
    other.verify()


def test_work_of_a_dead_writer_goes_unless_it_is_to_be_kept(store: LocalStore) -> None:
    def begin(draft: Draft) -> None:
        (draft.path / "part").write_bytes(b"123")
        (store.working_folder(ORDER) / "state").write_bytes(b"12345")

    die_while_writing(store, ORDER, begin)
    found = look(store)
    assert sum(entry.bytes for entry in found.garbage) == 8
    assert {entry.kind for entry in found.garbage} == {"unfinished work", "lock"}
    needed = look(store, keep_unfinished=True)
    assert paths(needed.garbage) == set() and paths(needed.needed) == paths(found.garbage)
    remove(store, found)
    assert look(store) == Survey((), (), ())


WRITER = """
    import sys
    from pathlib import Path
    from climb_assets.store.artifacts import Order
    from climb_assets.store.local import LocalStore

    store, order = LocalStore(Path(sys.argv[1])), Order("domains", None, {}, {}, {})

    def write(draft):
        (draft.path / "one").write_text("1")
        (store.working_folder(order) / "state").write_text("half")
        print("writing", flush=True)
        sys.stdin.readline()
        assert (store.working_folder(order) / "state").read_text() == "half"
        (draft.path / "two").write_text("22")

    store.put(order, write, resumable=True)[0].verify()
    store.remove_working_folder(order)
"""


def test_a_writer_that_works_beside_it_loses_nothing(store: LocalStore) -> None:
    old = put(store, 1)
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(store.root)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "writing\n"
        found = look(store)
        assert paths(found.garbage) == {old.path}
        assert [one.reason for one in found.left] == ["is being written"] * 2
        remove(store, found)
        process.communicate("\n", timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    made = store.find("domains", None, ORDER.fingerprint)
    assert made is not None
    made.verify()


def test_what_finds_a_writer_or_a_reference_after_the_look_stays(store: LocalStore) -> None:
    one, two, old = put(store, 1), put(store, 2), put(store, 3)
    found = look(store)
    store.swap("domains", None, None, one.fingerprint)
    with hold(store.lock(writing("domains", None, two.fingerprint))):
        left = remove(store, found)
    assert {Path(entry.place): entry.reason for entry in left} == {
        one.path: "is the current artefact by now",
        two.path: "is being written",
    }
    assert not old.path.exists()
    one.verify()
    two.verify()


def test_what_was_committed_since_the_look_began_stays(store: LocalStore) -> None:
    old = put(store, 1)
    time.sleep(0.02)
    with store.garbage.undisturbed() as right:
        new = put(store, 2)
        found = look(store, since=right.began)
    assert paths(found.garbage) == {old.path}
    assert [(Path(one.place), one.reason) for one in found.left] == [(new.path, "was committed meanwhile")]


KILLED = """
    import os, shutil, signal, sys
    from pathlib import Path
    from climb_assets.store.local import LocalStore

    removed = []
    def die_in_the_middle(path, **options):
        removed.append(path)
        (Path(path) / "one").unlink()
        if len(removed) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    shutil.rmtree = die_in_the_middle
    store = LocalStore(Path(sys.argv[1]))
    with store.garbage.undisturbed() as right:
        store.garbage.remove(store.garbage.survey({"domains"}, set()), right)
"""


def test_a_kill_leaves_no_half_artefact_and_the_next_one_goes_on(store: LocalStore) -> None:
    for turn in range(4):
        put(store, turn)
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(store.root)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    whole = store.all_of("domains")
    assert len(whole) == 2
    for artifact in whole:
        artifact.verify()
    found = look(store)
    assert len(paths(found.garbage)) == 4 and found.left == ()
    remove(store, found)
    assert look(store) == Survey((), (), ())
    assert not [path for path in (store.root / "artifacts").rglob("*") if path.is_file()]


def test_nobody_uses_a_store_while_garbage_is_removed_nor_the_other_way_round(store: LocalStore) -> None:
    with store.in_use(), store.in_use() as granted:
        assert granted
        with pytest.raises(TransientError, match="is in use"), store.garbage.undisturbed():
            pass
    with store.garbage.undisturbed():
        with pytest.raises(BlockingIOError), hold(store.in_use_lock, shared=True, wait=False):
            pass
        with pytest.raises(TransientError, match="is in use"), store.garbage.undisturbed():
            pass
    with store.in_use():
        pass


def test_a_lock_whose_file_was_removed_while_one_waited_is_held_by_one(tmp_path: Path) -> None:
    """Four processes add to one counter under a lock whose file a fifth removes all the time."""
    script = """
        import sys
        from pathlib import Path
        from climb_assets.store.locks import hold
        lock, counter = Path(sys.argv[1]), Path(sys.argv[2])
        for turn in range(200):
            with hold(lock):
                counter.write_text(str(int(counter.read_text()) + 1))
    """
    lock, counter = tmp_path / "lock", tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", textwrap.dedent(script), str(lock), str(counter)]
    started = [subprocess.Popen(command) for _ in range(4)]
    removed = 0
    while any(process.poll() is None for process in started):
        removed += remove_unheld(lock)
    assert [process.returncode for process in started] == [0] * 4
    assert counter.read_text() == "800" and removed > 1


def test_a_lock_that_is_held_is_not_removed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not is_held(lock)
    with hold(lock):
        assert is_held(lock) and not remove_unheld(lock) and lock.exists()
    assert not is_held(lock) and remove_unheld(lock) and not lock.exists()
