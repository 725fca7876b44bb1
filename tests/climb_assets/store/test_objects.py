"""The store in a bucket of a real S3 server, and what servers, networks and other machines do to it."""

import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from climb_assets.errors import ConfigError, CorruptArtifact, DeviceFault, TransientError
from climb_assets.store.artifacts import Artifact, Draft, Order
from climb_assets.store.bucket import Bucket
from climb_assets.store.bucket_objects import Version
from climb_assets.store.object_keys import lease_key
from climb_assets.store.objects import ObjectStore
from tests.climb_assets.store.racing import race
from tests.object_server import BUCKET, FaultyProxy, run_faulty_proxy

ORDER = Order("domains", None, {}, {}, {})
WRITERS = 8
LARGE = 20 * 2**20  # bytes, which go in three parts


def open_store(address: str, lake: Path, *, lease_seconds: float = 1.0, patience: float = 10.0, cache: int = 10**9):
    return ObjectStore(address, lake, cache, lease_seconds=lease_seconds, patience=patience)


def write(draft: Draft) -> None:
    (draft.path / "one").write_bytes(b"one" * 1000)
    (draft.path / "two").write_bytes(b"two")


def put(store: ObjectStore, turn: int, partition: str | None = None) -> Artifact:
    return store.put(replace(ORDER, config={"turn": turn}, partition=partition), write)[0]


def whole(address: str, lake: Path, order: Order = ORDER) -> bool:
    """Return whether another machine finds the artefact; if it does, every byte of it is right."""
    found = open_store(address, lake).find(order.asset, order.partition, order.fingerprint)
    if found is not None:
        found.verify()
    return found is not None


RACE = """
    import sys
    from pathlib import Path
    from climb_assets.store.artifacts import Order
    from climb_assets.store.objects import ObjectStore

    address, lake, mine = sys.argv[1:]
    store = ObjectStore(address, Path(lake, mine), 10**9, lease_seconds=30)
"""


def test_of_writers_on_many_machines_one_wins_and_nobody_sees_a_part(address: str, tmp_path: Path) -> None:
    """Without leases, so that all of them write; what they write differs."""
    script = """
    import contextlib
    store.leases.hold = lambda key, alone: contextlib.nullcontext(None)
    for turn in range(4):
        order = Order("domains", None, {}, {"turn": turn}, {})
        def write(draft):
            for name in ("one", "two"):
                (draft.path / name).write_text(mine)
        made, fresh = store.put(order, write)
        made.verify()
        one, two = (made.file(name).read_text() for name in ("one", "two"))
        assert one == two and (one == mine) == fresh
        print("won" if fresh else "lost", end=" ")
    for turn in range(3):
        while not store.swap("domains", None, old := store.reference("domains", None), str(int(old or 0) + 1)):
            pass
    """
    turns = list(
        zip(*(answer.split() for answer in race(RACE, script, address, str(tmp_path), processes=WRITERS)), strict=True)
    )
    assert [sorted(turn) for turn in turns] == [["lost"] * (WRITERS - 1) + ["won"]] * 4
    store = open_store(address, tmp_path / "here")
    assert len(store.all_of("domains")) == 4 and store.reference("domains", None) == str(3 * WRITERS)


def test_with_leases_one_machine_writes_and_the_others_wait(address: str, tmp_path: Path) -> None:
    both = [open_store(address, tmp_path / name, lease_seconds=30) for name in ("here", "there")]
    wrote: list[int] = []

    def work(draft: Draft) -> None:
        wrote.append(1)
        time.sleep(0.3)
        write(draft)

    fresh: list[bool] = []
    threads = [threading.Thread(target=lambda one=one: fresh.append(one.put(ORDER, work)[1])) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrote == [1] and sorted(fresh) == [False, True]
    assert Bucket(address).below("leases") == []


def test_a_lease_of_a_dead_machine_is_taken_over_and_one_of_a_living_is_not(address: str, tmp_path: Path) -> None:
    here, there = (open_store(address, tmp_path / name) for name in ("here", "there"))
    bucket = Bucket(address)
    assert bucket.create(lease_key("name"), b'{"holder": "a machine without power", "renewal": "1"}')
    began = time.monotonic()
    with here.lease("name") as granted:
        assert granted and time.monotonic() - began >= here.leases.seconds
        taken = threading.Event()

        def take() -> None:
            with there.lease("name"):
                taken.set()

        thread = threading.Thread(target=take)
        thread.start()
        assert not taken.wait(2.5 * here.leases.seconds)  # it is renewed
    assert taken.wait(30)
    thread.join(30)


def test_a_killed_process_of_the_same_lake_is_not_waited_for(address: str, tmp_path: Path) -> None:
    store = open_store(address, tmp_path / "here", lease_seconds=3600)
    assert Bucket(address).create(lease_key("name"), json.dumps({"holder": store.leases.holder}).encode())
    with store.lease("name") as granted:
        assert granted


def test_a_writer_whose_lease_expired_while_it_lives_does_no_harm(address: str, tmp_path: Path) -> None:
    late, quick = (open_store(address, tmp_path / name) for name in ("late", "quick"))
    begun, done = threading.Event(), threading.Event()
    outcome: list[tuple[Artifact, bool]] = []

    def slow(draft: Draft) -> None:
        begun.set()
        assert done.wait(30)
        (draft.path / "one").write_text("late")

    thread = threading.Thread(target=lambda: outcome.append(late.put(ORDER, slow)))
    thread.start()
    assert begun.wait(30)
    (lease,) = Bucket(address).below("leases")
    Bucket(address).delete([lease.key])  # as if it were cut off, and somebody had cleaned up
    made, fresh = quick.put(ORDER, write)
    done.set()
    thread.join(30)
    ((found_by_late, fresh_of_late),) = outcome
    assert fresh and not fresh_of_late and found_by_late.manifest == made.manifest
    assert found_by_late.file("two").read_bytes() == b"two"
    found = open_store(address, tmp_path / "third").find("domains", None, ORDER.fingerprint)
    assert found is not None and found.unnamed_files() == []
    found.verify()


@pytest.mark.parametrize("fault", ["500", "cut upload", "lost answer", "slow"])
@pytest.mark.parametrize("part", ["/one", "/manifest.json", "/run-"])
def test_an_upload_that_fails_is_tried_again(
    proxy: FaultyProxy, address: str, tmp_path: Path, fault: str, part: str
) -> None:
    times = 1 if fault == "slow" else 2
    proxy.fail(fault, "PUT", part, times=times)
    made, fresh = open_store(address, tmp_path / "here").put(ORDER, write)
    assert fresh and [one[2] for one in proxy.requests if one[2]] == [fault] * times
    assert whole(address, tmp_path / "there") and made.run["host"]


@pytest.mark.parametrize("part", ["/one", "/two", "/manifest.json"])
def test_what_stays_broken_is_an_error_that_may_pass_and_nothing_is_seen(
    proxy: FaultyProxy, address: str, tmp_path: Path, part: str
) -> None:
    proxy.fail("500", "PUT", part, times=1000)
    with pytest.raises(TransientError, match=r"could not be used for 1 s .*500.*; run again"):
        open_store(address, tmp_path / "here", patience=1.0).put(ORDER, write)
    assert not whole(address, tmp_path / "there")
    proxy.heal()
    assert open_store(address, tmp_path / "here").put(ORDER, write)[1] and whole(address, tmp_path / "there")


def test_a_conflict_is_no_lost_race(proxy: FaultyProxy, address: str, tmp_path: Path) -> None:
    """S3 answers 409 to a put on a condition while another one is under way, whatever becomes of that."""
    store = open_store(address, tmp_path / "here")
    proxy.fail("409", "PUT", "/manifest.json", times=2)
    assert store.put(ORDER, write)[1]
    proxy.fail("409", "PUT", "/refs/", times=1)
    assert store.swap("domains", None, None, "one")
    proxy.fail("409", "PUT", "/refs/", times=1)
    assert store.swap("domains", None, "one", "two") and store.reference("domains", None) == "two"


def test_a_swap_whose_answer_was_lost_is_known_to_be_made(proxy: FaultyProxy, address: str, tmp_path: Path) -> None:
    store = open_store(address, tmp_path / "here")
    for expected, new in ((None, "one"), ("one", "two"), ("two", None)):
        proxy.fail("lost answer", "PUT", "/refs/")
        assert store.swap("domains", None, expected, new)
        assert store.reference("domains", None) == new


def test_a_large_file_goes_and_comes_in_parts_whatever_is_cut(proxy: FaultyProxy, address: str, tmp_path: Path) -> None:
    data = os.urandom(LARGE)
    proxy.fail("cut upload", "PUT", "partNumber=2")
    proxy.fail("500", "PUT", "partNumber=3")
    proxy.fail("lost answer", "POST", "uploadId=")
    store = open_store(address, tmp_path / "here")
    store.put(ORDER, lambda draft: (draft.path / "large").write_bytes(data))
    assert sum("partNumber=" in path for _, path, fault in proxy.requests if fault is None) == 3
    proxy.fail("cut answer", "GET", "/large")
    proxy.fail("500", "GET", "/large")
    found = open_store(address, tmp_path / "there").find("domains", None, ORDER.fingerprint)
    assert found is not None and found.file("large").read_bytes() == data


@pytest.mark.parametrize("size", [0, LARGE // 2, LARGE + 1])
def test_a_large_object_of_another_size_is_a_corrupt_one_and_no_refusal_of_the_store(
    address: str, tmp_path: Path, size: int
) -> None:
    store = open_store(address, tmp_path / "here")
    store.put(ORDER, lambda draft: (draft.path / "large").write_bytes(bytes(LARGE)))
    (key,) = (one.key for one in store.bucket.below("artifacts") if one.key.endswith("/large"))
    (tmp_path / "other").write_bytes(bytes(size))
    store.bucket.upload(key, tmp_path / "other")
    found = open_store(address, tmp_path / "there").find("domains", None, ORDER.fingerprint)
    assert found is not None
    with pytest.raises(CorruptArtifact, match="is not what its manifest promises; delete this object"):
        found.file("large")


@pytest.mark.parametrize("fault", ["500", "cut answer", "slow"])
def test_a_reading_that_fails_is_tried_again(proxy: FaultyProxy, address: str, tmp_path: Path, fault: str) -> None:
    put(open_store(address, tmp_path / "here"), 1)
    store = open_store(address, tmp_path / "there")
    proxy.fail(fault, "GET", "/manifest.json")
    proxy.fail(fault, "GET", "/one")
    proxy.fail(fault, "GET", "list-type")
    (found,) = store.all_of("domains")
    assert found.file("one").read_bytes() == b"one" * 1000
    assert [one[2] for one in proxy.requests if one[2]] == [fault] * 3


def test_who_may_not_use_a_bucket_is_told_and_no_secret_is(proxy: FaultyProxy, address: str, tmp_path: Path) -> None:
    store = open_store(address, tmp_path / "here")
    proxy.fail("403", "PUT", times=1000)
    with pytest.raises(DeviceFault, match=r"may not be used .*credentials") as caught:
        store.put(ORDER, write)
    assert "secret" not in str(caught.value) and "secret" not in repr(vars(store))
    with store.in_use() as granted:
        assert not granted


def test_a_bucket_that_is_not_there_is_one_sentence(address: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceFault, match="there is no bucket for s3://nowhere/x; make it, or correct store"):
        open_store("s3://nowhere/x", tmp_path, patience=1.0).put(ORDER, write)
    with pytest.raises(ConfigError, match="cannot be opened"):
        open_store("gopher://nowhere", tmp_path).find("domains", None, "x")


def test_a_server_that_keeps_no_conditions_is_refused(
    address: str, tmp_path: Path, object_server: str, monkeypatch
) -> None:
    with run_faulty_proxy(object_server, drop=("if-none-match",)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        with pytest.raises(DeviceFault, match="puts objects where there are some although it is asked not to"):
            open_store(f"s3://{BUCKET}/lax-{tmp_path.name}", tmp_path).put(ORDER, write)


@pytest.mark.parametrize("left", ["nothing", "one of the same size", "a part of a file"])
def test_what_a_dead_writer_put_down_is_taken_over_or_written_over(address: str, tmp_path: Path, left: str) -> None:
    store = open_store(address, tmp_path / "here")
    made, _ = store.put(ORDER, write)
    (manifest,) = (one.key for one in store.bucket.below("artifacts") if one.key.endswith("manifest.json"))
    store.bucket.delete([manifest])
    assert store.find("domains", None, ORDER.fingerprint) is None and store.all_of("domains") == []
    if left != "one of the same size":
        (one,) = (one.key for one in store.bucket.below("artifacts") if one.key.endswith("/one"))
        store.bucket.delete([one])
        if left == "a part of a file":
            store.bucket.create(one, b"on")
    again, fresh = store.put(ORDER, write)
    assert fresh and again.manifest == made.manifest and whole(address, tmp_path / "there")


def test_what_is_taken_over_and_removed_as_garbage_meanwhile_is_put_down_again(address: str, tmp_path: Path) -> None:
    """Its writer slept so long that he passed for dead, and what he found there was old."""

    class Swept(Bucket):
        def create(self, key: str, data: bytes) -> Version | None:
            if key.endswith("/manifest.json"):
                self.delete([one.key for one in self.below("artifacts") if one.key.endswith("/one")])
            return super().create(key, data)

    store = open_store(address, tmp_path / "here")
    store.put(ORDER, write)
    store.bucket.delete([one.key for one in store.bucket.below("artifacts") if one.key.endswith("/manifest.json")])
    store.bucket = Swept(address)
    made, fresh = store.put(ORDER, write)
    assert fresh and made.is_complete() and whole(address, tmp_path / "there")


def test_corrupt_objects_are_named_by_their_address(address: str, tmp_path: Path) -> None:
    made = put(open_store(address, tmp_path / "here"), 1)
    bucket = Bucket(address)
    (key,) = (one.key for one in bucket.below("artifacts") if one.key.endswith("/two"))
    bucket.delete([key])
    bucket.create(key, b"2wo")
    with pytest.raises(
        CorruptArtifact, match=f"{address}/artifacts/domains/_/.*/two is not what its manifest promises"
    ):
        made.file("two", again=True)
    bucket.delete([key])
    assert not made.is_complete() and put(open_store(address, tmp_path / "here"), 1).is_complete()


def test_a_manifest_of_before_there_were_checksums_is_no_stranger(address: str, tmp_path: Path) -> None:
    store = open_store(address, tmp_path)
    made = put(store, 1)
    rest = {name: value for name, value in made.manifest.items() if name != "checksum"}
    assert store.files(replace(made, manifest=rest)) == store.files(made)
