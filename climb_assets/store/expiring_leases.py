"""Leases kept in a bucket: rights that expire unless their holder renews them.

What belongs here: taking, renewing and losing such a right. What one is good for belongs to
`climb_assets.store.objects`.

Nothing ends a lease when its holder dies, so it is an object that the holder changes every few seconds, and who waits
takes it over once it has not changed for as long as it is good for, by the waiter's own clock: clocks of hosts are
never compared. A holder that was slow, or cut off, and lives loses it and is not told. So a lease saves work, and
decides nothing.
"""

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterator

from climb_assets.errors import ClimbError
from climb_assets.store.bucket import Bucket
from climb_assets.store.bucket_objects import Object, Version

SECONDS = 60.0  # for which a lease is good
RENEWALS = 3  # in this time
LOOKS = 20  # in this time, of who waits


class ExpiringLeases:
    """The leases in a bucket.

    Parameters
    ----------
    holder
        Who takes them: the folder of a lake on a host.
    seconds
        For how long one is good that is not renewed.
    """

    def __init__(self, bucket: Bucket, holder: str, seconds: float = SECONDS) -> None:
        self.bucket, self.holder, self.seconds = bucket, holder, seconds

    @contextlib.contextmanager
    def hold(self, key: str, *, alone: bool) -> Iterator[bool]:
        """Wait for a right, and renew it until the block ends; False: the store does not answer, or does not allow it.

        Parameters
        ----------
        alone
            Nobody else of this holder wants it now, so one that stands in this holder's name is a dead process'.
        """
        try:
            version = self._take(key, alone=alone)
        except ClimbError:
            version = None
        if version is None:
            yield False
            return
        with self._renewed(key, version):
            yield True

    @contextlib.contextmanager
    def announce(self, key: str) -> Iterator[None]:
        """Let an object of this holder's own stand there, renewed, until the block ends."""
        version = self.bucket.create(key, self._record())
        assert version is not None, "its name is random"
        with self._renewed(key, version):
            yield

    def wait(self, key: str) -> None:
        """Wait until a right is free, or its holder is dead."""
        watch = _Watch(self.seconds)
        while (found := self.bucket.read_now(key)) is not None and not watch.is_dead(found):
            time.sleep(self.seconds / LOOKS)

    def _take(self, key: str, *, alone: bool) -> Version:
        watch = _Watch(self.seconds)
        while True:
            found = self.bucket.read_now(key)
            version = None
            if found is None:
                version = self.bucket.create(key, self._record())
            elif (alone and _holder(found) == self.holder) or watch.is_dead(found):
                version = self.bucket.replace(key, self._record(), found.version)
            else:
                time.sleep(self.seconds / LOOKS)
            if version is not None:
                return version

    def _record(self) -> bytes:
        """Return what a lease holds: of another text each time, since on S3 an ETag follows from the bytes."""
        return json.dumps({"holder": self.holder, "renewal": secrets.token_hex(8)}).encode()

    @contextlib.contextmanager
    def _renewed(self, key: str, version: Version) -> Iterator[None]:
        ended, lost = threading.Event(), threading.Event()

        def renew() -> None:
            held: Version | None = version
            while held is not None and not ended.wait(self.seconds / RENEWALS):
                with contextlib.suppress(ClimbError):  # of a store that does not answer: the next time it may
                    held = self.bucket.replace(key, self._record(), held)
            if held is None:
                lost.set()

        thread = threading.Thread(target=renew, name=f"renews {key}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            if not lost.is_set():
                with contextlib.suppress(ClimbError):  # then it expires
                    self.bucket.delete([key])


class _Watch:
    """Tells a dead holder from a living one: what it holds no longer changes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: Version | None = None
        self._since = 0.0

    def is_dead(self, found: Object) -> bool:
        if found.version != self._seen:
            self._seen, self._since = found.version, time.monotonic()
        return time.monotonic() - self._since >= self._seconds


def _holder(found: Object) -> str | None:
    try:
        record = json.loads(found.data)
    except ValueError:
        return None
    return record.get("holder") if isinstance(record, dict) else None
