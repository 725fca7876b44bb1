"""Leases kept in a bucket: rights that expire unless their holder renews them.

What belongs here: taking, renewing and losing such a right. What one is good for belongs to
`climb_assets.store.objects`.

Nothing ends a lease when its holder dies, so it is an object that the holder changes every few seconds, and who waits
takes it over once it has not changed for as long as it is good for, by the waiter's own clock: clocks of hosts are
never compared. A holder that was slow, or cut off, and lives loses it, and learns so only where it asks
(`Right.still_held`). So a lease saves work, and decides nothing.
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
CLOCK_TICK = 1.0  # S3 tells times in whole seconds


class Right:
    """A right that is held and renewed until a block ends, unless it is lost before.

    Parameters
    ----------
    version, record
        Of the object as its holder put it, and what it holds.

    Attributes
    ----------
    is_good
        Whether nothing is known yet by which it is lost.
    """

    def __init__(self, leases: "ExpiringLeases", key: str, version: Version, record: bytes) -> None:
        self._leases, self._key, self._record = leases, key, record
        self._version: Version | None = version  # None: somebody else has changed or removed it
        self._renewed: float | None = None  # by the clock of the store
        self.is_good = True
        self._mutex = threading.Lock()

    @property
    def renewed(self) -> float:
        """When it was last renewed, in seconds by the clock of the store; before the first time, 0."""
        return self._renewed or 0.0

    def still_held(self) -> bool:
        """Renew the right, and return whether it is held without a gap in which its holder passed for dead.

        Raises
        ------
        ClimbError
            The store does not answer.
        """
        with self._mutex:
            self._renew()
            return self.is_good

    def _renew(self) -> None:
        bucket, seconds = self._leases.bucket, self._leases.seconds
        if self._version is None:
            return
        record = self._leases.record()
        self._version = bucket.replace(self._key, record, self._version)
        if self._version is None:
            self.is_good = False
            return
        self._record, found = record, bucket.read_now(self._key)
        if found is None or found.data != record:
            self._version, self.is_good = None, False
            return
        if self._renewed is not None and found.modified - self._renewed > seconds - CLOCK_TICK:
            self.is_good = False  # nobody needs to change it who only waits for its end
        self._renewed = found.modified

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Renew it every now and then until the block ends, and remove it then if it is still this holder's."""
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(self._leases.seconds / RENEWALS):
                try:
                    with contextlib.suppress(ClimbError):  # of a store that does not answer: the next time it may
                        self.still_held()
                except Exception:
                    self.is_good = False
                    raise  # is shown; what the right is for goes on

        thread = threading.Thread(target=renew, name=f"renews {self._key}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with contextlib.suppress(ClimbError):  # then it expires
                self._end()

    def _end(self) -> None:
        """Remove the object if it is the one that this holder put last; after a gap it may be another's."""
        found = self._leases.bucket.read_now(self._key)
        if found is not None and found.data == self._record:
            self._leases.bucket.delete([self._key])


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
    def hold(self, key: str, *, alone: bool) -> Iterator[Right | None]:
        """Wait for a right, and renew it until the block ends; None: the store does not answer, or does not allow it.

        Parameters
        ----------
        alone
            Nobody else of this holder wants it now, so one that stands in this holder's name is a dead process'.
        """
        right = None
        with contextlib.suppress(ClimbError):
            right = self._take(key, alone=alone)
        with right.kept() if right is not None else contextlib.nullcontext():
            yield right

    @contextlib.contextmanager
    def announce(self, key: str) -> Iterator[None]:
        """Let an object of this holder's own stand there, renewed, until the block ends."""
        record = self.record()
        version = self.bucket.create(key, record)
        assert version is not None, "its name is random"
        with Right(self, key, version, record).kept():
            yield

    def wait(self, key: str) -> None:
        """Wait until a right is free, or its holder is dead."""
        watch = _Watch(self.seconds)
        while (found := self.bucket.read_now(key)) is not None and not watch.is_dead(found):
            time.sleep(self.seconds / LOOKS)

    def _take(self, key: str, *, alone: bool) -> Right:
        watch, record = _Watch(self.seconds), self.record()
        while True:
            found = self.bucket.read_now(key)
            version = None
            if found is None:
                version = self.bucket.create(key, record)
            elif (alone and _holder(found) == self.holder) or watch.is_dead(found):
                version = self.bucket.replace(key, record, found.version)
            else:
                time.sleep(self.seconds / LOOKS)
            if version is not None:
                return Right(self, key, version, record)

    def record(self) -> bytes:
        """Return what a lease holds: of another text each time, since on S3 an ETag follows from the bytes."""
        return json.dumps({"holder": self.holder, "renewal": secrets.token_hex(8)}).encode()


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
