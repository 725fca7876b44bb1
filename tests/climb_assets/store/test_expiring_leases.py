"""Rights in a bucket that expire: who holds one, who learns that it is lost, and whose object goes at the end."""

import threading
from pathlib import Path

import pytest

from climb_assets.store.bucket import Bucket
from climb_assets.store.bucket_objects import Object, Version
from climb_assets.store.expiring_leases import ExpiringLeases
from tests.object_server import require_packages

KEY = "leases/one"


class WithLaterClock(Bucket):
    """A bucket whose clock is put forward: as it looks to who slept for as long."""

    later = 0.0

    def read_now(self, key: str) -> Object | None:
        found = super().read_now(key)
        return None if found is None else found._replace(modified=found.modified + self.later)


class Breaking(Bucket):
    """A bucket over which a library fails in a way that nobody foresaw."""

    def replace(self, key: str, data: bytes, version: Version) -> Version | None:
        raise RuntimeError("a fault of a library")


@pytest.fixture
def bucket(tmp_path: Path) -> WithLaterClock:
    require_packages()
    return WithLaterClock(f"memory://{tmp_path.name}-{id(tmp_path)}")


def test_who_held_it_too_long_leaves_the_right_of_whoever_took_over(bucket: Bucket) -> None:
    """It slept, so its next renewal is still to come when its block ends."""
    late, next_one = ExpiringLeases(bucket, "late", 3600), ExpiringLeases(bucket, "next", 0.3)
    held = late.hold(KEY, alone=True)
    assert held.__enter__() is not None
    with next_one.hold(KEY, alone=True):
        held.__exit__(None, None, None)
        assert bucket.read_now(KEY) is not None
    assert bucket.read_now(KEY) is None


def test_a_right_is_held_as_long_as_it_is_renewed_in_time_and_goes_with_its_block(bucket: Bucket) -> None:
    with ExpiringLeases(bucket, "one", 60).hold(KEY, alone=True) as right:
        assert right is not None and right.still_held() and right.still_held()
    assert bucket.read_now(KEY) is None


def test_who_slept_while_others_only_waited_has_lost_the_right(bucket: WithLaterClock) -> None:
    """Whoever waits for the end of a right takes its holder for dead and changes nothing."""
    with ExpiringLeases(bucket, "one", 60).hold(KEY, alone=True) as right:
        assert right is not None and right.still_held()
        bucket.later = 61.0
        assert not right.still_held()
        assert not right.still_held(), "it came back"


def test_who_finds_anothers_right_in_the_place_of_his_has_lost_it(bucket: Bucket) -> None:
    with ExpiringLeases(bucket, "one", 60).hold(KEY, alone=True) as right:
        assert right is not None
        bucket.delete([KEY])
        bucket.create(KEY, b"another's")
        assert not right.still_held()
    found = bucket.read_now(KEY)
    assert found is not None and found.data == b"another's"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_that_ends_the_renewing_is_shown_and_the_right_counts_as_lost(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    told = threading.Event()

    def show(fault: threading.ExceptHookArgs) -> None:
        shown.append(str(fault.exc_value))
        told.set()

    monkeypatch.setattr(threading, "excepthook", show)
    with ExpiringLeases(Breaking(bucket.address), "one", 0.3).hold(KEY, alone=True) as right:
        assert right is not None and told.wait(30)
        assert not right.is_good
    assert shown == ["a fault of a library"]
    assert bucket.read_now(KEY) is None
