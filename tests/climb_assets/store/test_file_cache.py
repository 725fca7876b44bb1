"""Files of a bucket on this machine: what is fetched, what makes room, and what stays for its readers."""

import time
from dataclasses import replace
from pathlib import Path

from tests.climb_assets.store.test_objects import ORDER, open_store, put
from tests.object_server import FaultyProxy


def test_a_fetched_file_is_read_from_here_and_a_damaged_one_fetched_again(
    proxy: FaultyProxy, address: str, tmp_path: Path
) -> None:
    put(open_store(address, tmp_path / "here"), 1)
    (found,) = open_store(address, tmp_path / "there").all_of("domains")
    path = found.file("one")
    fetched = len(proxy.requests)
    assert found.file("one") == path and len(proxy.requests) == fetched
    time.sleep(0.01)
    path.write_bytes(b"0ne" * 1000)
    assert found.file("one").read_bytes() == b"one" * 1000
    path.unlink()
    assert found.file("one").read_bytes() == b"one" * 1000
    assert len(proxy.requests) == fetched + 2


def test_the_cache_keeps_its_bound_and_what_is_in_use(address: str, tmp_path: Path) -> None:
    made = [put(open_store(address, tmp_path / "here"), turn) for turn in range(4)]
    store = open_store(address, tmp_path / "there", cache=7000)
    store.cache.idle_seconds = 0.0
    found = [store.find(*(one.asset, one.partition, one.fingerprint)) for one in made]
    first, second, third, fourth = (one for one in found if one is not None)
    for one in (first, second):
        one.file("one")
        time.sleep(0.02)
    first.file("one")
    third.file("one")
    assert [(one.path / "one").exists() for one in (first, second, third)] == [True, False, True]
    with store.in_use():
        for one in (first, second, third, fourth):
            time.sleep(0.02)
            one.file("one")
        assert all((one.path / "one").exists() for one in (first, second, third, fourth))
    fourth.file("two")
    assert sum(path.stat().st_size for path in store.cache.folder.rglob("one")) <= 7000
    for one in (first, second, third, fourth):
        one.verify()


def test_who_verifies_everything_needs_no_room_for_everything(address: str, tmp_path: Path) -> None:
    made = [put(open_store(address, tmp_path / "here"), turn) for turn in range(5)]
    store = open_store(address, tmp_path / "there", cache=7000)
    kept = store.find("domains", None, made[0].fingerprint)
    assert kept is not None
    with store.in_use():
        kept.file("one")
        for artifact in store.all_of("domains"):
            artifact.file("one", again=True)
            assert sum(path.stat().st_size for path in store.cache.folder.rglob("one")) <= 9000
        assert (kept.path / "one").exists()


def test_what_a_verifier_has_fetched_and_another_reads_stays(address: str, tmp_path: Path) -> None:
    made = [put(open_store(address, tmp_path / "here"), turn) for turn in range(5)]
    verifier, reader = (open_store(address, tmp_path / "there", cache=7000) for _ in range(2))
    with verifier.in_use(), reader.in_use():
        one = verifier.find("domains", None, made[0].fingerprint)
        assert one is not None
        one.file("one", again=True)
        read = reader.find("domains", None, made[0].fingerprint)
        assert read is not None
        path = read.file("one")
        for artifact in verifier.all_of("domains"):
            if artifact.fingerprint != made[0].fingerprint:
                artifact.file("one", again=True)
        assert path.exists(), "it was taken from its reader"
        assert sum(file.stat().st_size for file in verifier.cache.folder.rglob("one")) <= 9000


def test_who_reads_an_artefact_that_is_put_right_meanwhile_loses_no_file(address: str, tmp_path: Path) -> None:
    put(open_store(address, tmp_path / "here"), 1)
    store = open_store(address, tmp_path / "there")
    (found,) = store.all_of("domains")
    with store.in_use():
        one, two = found.file("one"), found.file("two")
        store.bucket.delete([one.key for one in store.bucket.below("artifacts") if one.key.endswith("/two")])
        with one.open("rb") as stream:
            order = replace(ORDER, config={"turn": 1})
            made, fresh = store.put(order, lambda draft: (draft.path / "one").write_bytes(b"one of now"))
            assert fresh and stream.read() == b"one" * 1000
        assert two.read_bytes() == b"two"
        assert made.file("one").read_bytes() == b"one of now"
