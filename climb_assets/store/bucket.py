"""A bucket of an object store: objects that are put, read, listed, and changed on a condition.

What belongs here: what is asked of obstore, which faults are tried again, and how they are said. What the objects mean
belongs to `climb_assets.store.objects`.

Who may use the bucket is said by the environment, as obstore reads it (``AWS_ACCESS_KEY_ID``,
``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_KEY`` and so on, or what the machine itself is given). No
address holds it, and of an error nothing is told that might.
"""

import contextlib
import random
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from climb_assets.errors import ConfigError, DeviceFault, TransientError
from climb_assets.printable import printable
from climb_assets.store.bucket_objects import Listed, Object, Version
from climb_assets.store.glance import Glance, Memory

Answer = TypeVar("Answer")

CHUNK = 8 * 2**20  # bytes of one request; obstore gives each 30 s
MOST_PARTS = 9000  # of an upload; S3 takes 10,000
READ_AT_ONCE = 16  # small objects
AT_ONCE = 4  # parts of a file that are on their way
PATIENCE = 120.0  # seconds in which a request is tried again
LONGEST_PAUSE = 10.0
WRITER = "writer"  # metadata of what is put on a condition: who did
STATUS = re.compile(r"status code: (\d{3})")
ASKED_MACHINE = "169.254.169.254"  # where clouds tell a machine its credentials; asked where the environment has none
FORBIDDEN = {"401", "403"}
MAY_PASS = {"408", "409", "425", "429"}  # of the statuses below 500
MEMORY = "memory://"
FORMAT = "format"  # the first object of a store: of which form it is

_buckets_in_memory: dict[str, Any] = {}
_memories: dict[str, Memory] = {}
_clients: dict[tuple[str, float], Any] = {}
_opening = threading.Lock()
_keep_conditions: set[str] = set()  # the addresses that do


class Bucket:
    """The objects below an address, whose keys are relative to it. It is picklable; clients are one a process.

    Parameters
    ----------
    address
        ``s3://bucket/prefix``, ``gs://...``, ``az://account/container/prefix`` or ``abfss://...``; ``memory://name`` is
        a bucket of this process, for tests.
    patience
        Seconds for which what fails is tried again, with growing pauses.
    setting
        What names the bucket in the configuration.
    """

    def __init__(self, address: str, patience: float = PATIENCE, setting: str = "store") -> None:
        self.address, self.patience, self.setting = address.rstrip("/"), patience, setting

    def where(self, key: str) -> str:
        """Return the address of an object."""
        return f"{self.address}/{key}"

    @contextlib.contextmanager
    def glance(self, *folders: str) -> Iterator[None]:
        """Answer what this thread asks of some folders, until the block ends, by what they hold at its beginning.

        An object that was read before and is listed as the same is not read again.
        """
        if self._memory.glance is not None:
            yield
            return
        with self._memory.answering_by(Glance([one for folder in folders for one in self.below(folder)])):
            yield

    def read(self, key: str) -> Object | None:
        """Return an object, or None where there is none."""
        glance = self._memory.glance
        if glance is None:
            return self.read_now(key)
        listed = glance.find(key)
        if listed is None:
            return None
        found = self._memory.recall(listed) or self.read_now(key)
        if found is not None:
            self._memory.note(key, found)
        return found

    def read_each(self, keys: Sequence[str]) -> list[Object | None]:
        """Return objects, or None for those that are not there; many are read at once."""
        glance = self._memory.glance
        listed = [None if glance is None else glance.find(key) for key in keys]
        known = [None if one is None else self._memory.recall(one) for one in listed]
        unknown = [key for key, one in zip(keys, known, strict=True) if one is None]
        with ThreadPoolExecutor(READ_AT_ONCE) as readers:
            now = dict(zip(unknown, readers.map(self.read_now, unknown), strict=True))
        for key, found in now.items():
            if found is not None:
                self._memory.note(key, found)
        return [now[key] if one is None else one for key, one in zip(keys, known, strict=True)]

    def read_now(self, key: str) -> Object | None:
        """Return an object as it is at this moment, whatever is asked by a glance."""
        import obstore

        def get() -> Object:
            found = obstore.get(self._client, key)
            meta = found.meta
            data = bytes(found.bytes())
            return Object(data, _version(meta), found.attributes.get(WRITER), meta["last_modified"].timestamp())

        with contextlib.suppress(FileNotFoundError):
            return self._ask(get, key)
        return None

    def require_conditions(self) -> None:
        """Check once a process that the store refuses to put an object where there is one: on that all else rests.

        Raises
        ------
        DeviceFault
            It does not, so of several writers all would believe that they were the first.
        """
        if self.address not in _keep_conditions:
            if self.create(FORMAT, b"1") is not None and self.create(FORMAT, b"1") is not None:
                raise DeviceFault(
                    f"{self.address} puts objects where there are some although it is asked not to, so several writers "
                    "would undo each other's work; use a store that keeps If-None-Match, as S3, GCS, Azure and R2 do"
                )
            _keep_conditions.add(self.address)

    def create(self, key: str, data: bytes) -> Version | None:
        """Put an object where there is none, and return its version; None: somebody else has put one there."""
        return self._put_if(key, data, None)

    def replace(self, key: str, data: bytes, version: Version) -> Version | None:
        """Put an object in the place of this version and return its own; None: it is no longer this version."""
        return self._put_if(key, data, version)

    def _put_if(self, key: str, data: bytes, expected: Version | None) -> Version | None:
        """Put an object if the one there is what is expected.

        A refusal may be of an earlier try whose answer was lost, which the writer's name tells. And S3 refuses (409)
        for another write that was under way and came to nothing; then nothing has changed, and it is tried again.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        writer = secrets.token_hex(8)
        mode: Any = "create" if expected is None else dict(expected)

        def put() -> Version | None:
            try:
                return _version(obstore.put(self._client, key, data, mode=mode, attributes={WRITER: writer}))
            except (AlreadyExistsError, PreconditionError):
                found = self.read_now(key)
                if found is not None and found.writer == writer:
                    return found.version
                if (None if found is None else found.version) == expected:
                    raise _Conflict("another write was under way") from None
                return None

        try:
            return self._ask(put, key)
        except FileNotFoundError:
            raise DeviceFault(self._say_no_bucket()) from None

    def upload(self, key: str, path: Path) -> None:
        """Put a file, whatever is there; it is there whole or not at all, a large one goes in parts."""
        import obstore

        chunk = max(CHUNK, -(-path.stat().st_size // MOST_PARTS))
        try:
            self._ask(
                lambda: obstore.put(self._client, key, path, chunk_size=chunk, max_concurrency=AT_ONCE),
                key,
            )
        except FileNotFoundError:
            if not path.exists():
                raise
            raise DeviceFault(self._say_no_bucket()) from None

    def download(self, key: str, path: Path, size: int) -> bool:
        """Write an object of this size into a file, a part at a time; return False where there is none.

        What is of another size comes out as it is, or, where parts were asked for, as an empty file: a store refuses a
        part that lies behind the end. Whoever wants this very object has its checksum.
        """
        import obstore

        def get(start: int) -> bytes:
            if size <= CHUNK:
                return bytes(obstore.get(self._client, key).bytes())
            if start == 0 and obstore.head(self._client, key)["size"] != size:
                return b""
            return bytes(obstore.get_range(self._client, key, start=start, end=min(start + CHUNK, size)))

        try:
            with path.open("wb") as stream:
                for start in range(0, max(size, 1), CHUNK):
                    if not stream.write(self._ask(lambda start=start: get(start), key)):  # type: ignore[misc]
                        break
        except FileNotFoundError:
            return False
        return True

    def below(self, folder: str) -> list[Listed]:
        """Return every object below a folder of keys, or below the address if that is empty, sorted by key."""
        import obstore

        if (glance := self._memory.glance) is not None:
            return glance.below(folder)

        def pages() -> list[Listed]:
            return [
                Listed(meta["path"], meta["size"], meta["last_modified"].timestamp(), _version(meta))
                for page in obstore.list(self._client, folder or None, chunk_size=1000)
                for meta in page
            ]

        return sorted(self._ask(pages, folder), key=lambda one: one.key)  # several keys may be told as one: a, a/

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are gone already are no fault."""
        import obstore

        for key in keys:
            with contextlib.suppress(FileNotFoundError):
                self._ask(lambda key=key: obstore.delete(self._client, key), key)  # type: ignore[misc]

    @property
    def _memory(self) -> Memory:
        """What this process has read of the bucket."""
        return _memories.setdefault(self.address, Memory())

    @property
    def _client(self) -> Any:
        """The connection of this process."""
        with _opening:
            return self._open()

    def _open(self) -> Any:
        from datetime import timedelta

        from obstore.store import MemoryStore, from_url

        if self.address.startswith(MEMORY):
            return _buckets_in_memory.setdefault(self.address, MemoryStore())
        key = (self.address, self.patience)
        if key not in _clients:
            retry: Any = {"max_retries": 10, "retry_timeout": timedelta(seconds=self.patience)}
            try:
                _clients[key] = from_url(self.address, retry_config=retry)
            except Exception as error:
                message = f"{self.setting}: {self.address} cannot be opened ({_reason(error)}); correct it"
                raise ConfigError(message) from None
        return _clients[key]

    def _ask(self, call: Callable[[], Answer], key: str) -> Answer:
        """Return what a call returns, which is tried again with growing pauses as long as its fault may pass.

        Raises
        ------
        FileNotFoundError
            There is no such object, or no such bucket.
        DeviceFault
            The store refuses, and will until somebody puts that right.
        TransientError
            The store did not do it in time.
        """
        from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError, UnauthenticatedError

        until, pauses = time.monotonic() + self.patience, _pauses()
        while True:
            try:
                return call()
            except (BaseError, _Conflict) as error:
                status = STATUS.search(str(error))
                forbidden = isinstance(error, PermissionDeniedError | UnauthenticatedError)
                if forbidden or (status and status[1] in FORBIDDEN) or ASKED_MACHINE in str(error):
                    raise NoPermission(
                        f"{self.where(key)} may not be used ({_reason(error)}); see that the environment has the "
                        f"credentials that {self.setting} needs and that they allow this"
                    ) from None
                if status and status[1] == "404":  # of a listing
                    raise DeviceFault(self._say_no_bucket()) from None
                if isinstance(error, InvalidPathError):
                    what = f"{self.where(key)} holds a key that is no path ({_reason(error)})"
                    raise DeviceFault(f"{what}; rename it, or correct {self.setting}") from None
                if status and status[1] < "500" and status[1] not in MAY_PASS:
                    what = f"{self.where(key)} was refused ({_reason(error)})"
                    raise DeviceFault(f"{what}; correct {self.setting}") from None
                pause = next(pauses)
                if time.monotonic() + pause > until:
                    raise TransientError(
                        f"{self.where(key)} could not be used for {self.patience:.0f} s ({_reason(error)}); run again"
                    ) from None
            time.sleep(pause)

    def _say_no_bucket(self) -> str:
        return f"there is no bucket for {self.address}; make it, or correct {self.setting}"


class NoPermission(DeviceFault):
    """The credentials do not allow what was asked, or there are none."""


class _Conflict(Exception):
    """A put on a condition was refused and the condition still holds."""


def require_obstore(address: str, setting: str = "store") -> None:
    """Check that the package is there that speaks to object stores; see `Bucket`.

    Raises
    ------
    ConfigError
        It is not.
    """
    try:
        import obstore  # noqa: F401
    except ImportError:
        raise ConfigError(f"{setting}: {address} needs obstore; run `pip install 'climb[objects]'`") from None


def _version(meta: Any) -> Version:
    return {name: meta[name] for name in ("e_tag", "version") if meta.get(name) is not None}


def _pauses() -> Iterator[float]:
    """Yield pauses in seconds that grow, each a little off, so that many who wait do not come back at once."""
    pause = 0.1
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(2 * pause, LONGEST_PAUSE)


def _reason(error: BaseException) -> str:
    """Return what an error says, without its details and the queries of its addresses, which may hold a signature."""
    text = str(error).partition("Debug source")[0]
    return printable(" ".join(re.sub(r"\?\S*", "", text).split()), 300)
