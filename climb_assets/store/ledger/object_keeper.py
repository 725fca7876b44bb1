"""The ledger of a store in a bucket: numbered objects, each put only where there is none.

What belongs here: how entries are appended without locks, and read with few requests. What they say is
`climb_assets.store.ledger.chain`.

An object is named by the number of its first entry. Of several writers who want the same number one puts it, and the
others read what it says and go on with the next; so there is one chain, whoever writes. What was read is kept in a file
on this machine, since entries never change; `climb verify` reads the objects themselves.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from climb_assets.errors import CorruptLedger
from climb_assets.store.bucket import READ_AT_ONCE, Bucket
from climb_assets.store.files import append_durably, make_folder
from climb_assets.store.ledger.chain import Head, Ledger
from climb_assets.store.ledger.keeper import EntryRecord, Keeper
from climb_assets.store.locks import hold

LEDGER = "ledger"  # the folder of its objects


class LedgerBucket(Bucket):
    """The objects of a bucket, listed from one on; see `Bucket`."""

    def after(self, folder: str, key: str) -> list[str]:
        """Return the keys of the objects below a folder that come after a key, sorted, as they are at this moment."""
        import obstore

        def pages() -> list[str]:
            listed = obstore.list(self._client, folder, offset=key, chunk_size=1000)
            return [meta["path"] for page in listed for meta in page]

        return sorted(self._ask(pages, folder))


class ObjectKeeper(Keeper):
    """The ledger below the address of a bucket.

    Parameters
    ----------
    copy, lock
        The file of this machine for what was read, and what is locked while it grows.
    """

    def __init__(self, bucket: Bucket, copy: Path, lock: Path) -> None:
        super().__init__()
        self._bucket = LedgerBucket(bucket.address, bucket.patience)
        self._copy, self._lock = copy, lock
        self._bytes = 0  # of all lines that are known, as the copy has them

    @property
    def place(self) -> str:
        """The address of the bucket."""
        return self._bucket.address

    def lines(self) -> Iterator[bytes]:
        """Yield every line of the objects themselves; see `Keeper.lines`."""
        for data in self._read(self._bucket.after(LEDGER, LEDGER)):
            yield from data.splitlines()

    def _read_on(self) -> None:
        if not self._loaded:
            self._read_copy()
        try:
            data = self._take_new()
        except CorruptLedger:
            if self._loaded:
                raise
            self._ledger, self._bytes = Ledger(), 0  # of a copy that is no longer what was read
            self._copy.unlink(missing_ok=True)
            data = self._take_new()
        if data:
            self._add_to_copy(data)

    def _take_new(self) -> bytes:
        """Take in the objects that come after what is known, and return what they hold."""
        data = b"".join(self._read(self._bucket.after(LEDGER, f"{LEDGER}/{self._ledger.head.sequence + 1:012d}")))
        self._take(data)
        return data

    def _read(self, keys: Sequence[str]) -> list[bytes]:
        with ThreadPoolExecutor(READ_AT_ONCE) as readers:
            found = list(readers.map(self._bucket.read_now, keys))
        return [one.data for one in found if one is not None]

    def _append(self, records: Sequence[EntryRecord], lies_there: Callable[[], Iterable[EntryRecord]]) -> list[Head]:
        self._bucket.require_conditions()
        while True:
            data, heads = self._write(records, lies_there)
            key = f"{LEDGER}/{self._ledger.head.sequence + 1:012d}.jsonl"
            if self._bucket.create(key, data) is not None:
                self._take(data)
                self._add_to_copy(data)
                return heads
            self._read_on()

    def _read_copy(self) -> None:
        with contextlib.suppress(FileNotFoundError, CorruptLedger):
            whole, end, _ = self._copy.read_bytes().rpartition(b"\n")
            self._take(whole)
            self._bytes = len(whole + end)

    def _add_to_copy(self, data: bytes) -> None:
        """Let the copy grow by what was read, if nobody else has done so; where it may not be written, it stays."""
        with contextlib.suppress(OSError):
            make_folder(self._copy.parent)
            with hold(self._lock):
                if self._size_without_torn_end() == self._bytes:
                    append_durably(self._copy, data)
        self._bytes += len(data)

    def _size_without_torn_end(self) -> int:
        """Return the bytes of the copy; half a line of a killed process is cut, where it is all that is new."""
        if not self._copy.exists():
            return 0
        with self._copy.open("rb+") as stream:
            stream.seek(self._bytes)
            new = stream.read()
            if new and b"\n" not in new:
                stream.truncate(self._bytes)
            return stream.seek(0, os.SEEK_END)
