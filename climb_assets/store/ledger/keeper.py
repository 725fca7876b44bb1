"""Keeping a ledger: reading what others have appended, and appending, in one chain for all processes and hosts.

What belongs here: what is the same wherever the ledger lies, and that of a folder. That of a bucket is
`climb_assets.store.ledger.object_keeper`, what an entry says `climb_assets.store.ledger.chain`.
"""

import contextlib
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from climb_assets.errors import CorruptLedger
from climb_assets.store.artifacts import sha256_text
from climb_assets.store.files import append_durably, make_folder, open_file, remove_unfinished, write_atomically
from climb_assets.store.ledger.chain import BEGUN, HEALED, TORN, Head, Ledger, write_line
from climb_assets.store.ledger.records import now
from climb_assets.store.locks import hold

EntryRecord = Mapping[str, Any]
PUT_BACK = "run `climb verify`, put back what was there, or restart this process to take it as it is now"
NONE_HOLDS = 5.0  # seconds: where there is no ledger, whoever asks much would else list a bucket each time

_keepers: dict[str, "Keeper"] = {}
_opening = threading.Lock()


def keeper_of(place: str, open_keeper: Callable[[], "Keeper"]) -> "Keeper":
    """Return the keeper of a place: one a process, which reads each entry once."""
    with _opening:
        if place not in _keepers:
            _keepers[place] = open_keeper()
        return _keepers[place]


class Keeper(ABC):
    """The ledger of one place as this process knows it."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._loaded = False
        self._asked = -NONE_HOLDS  # when the ledger was read last, by the clock of this process
        self._mutex = threading.RLock()

    def known(self) -> Ledger:
        """Return the ledger as this process read it last."""
        return self._ledger if self._loaded else self.refresh()

    def refresh(self) -> Ledger:
        """Return the ledger as it is now.

        Raises
        ------
        CorruptLedger
            It was changed, or cut while this process ran.
        """
        with self._mutex:
            self._read_on()
            self._loaded = True
            self._asked = time.monotonic()
            return self._ledger

    def lately(self) -> Ledger:
        """Return the ledger as it is now; that there is none is believed for a moment.

        What is accepted in that moment would have been accepted before it as well.
        """
        if self._loaded and not self._ledger.hashes and time.monotonic() - self._asked < NONE_HOLDS:
            return self._ledger
        return self.refresh()

    def append(self, records: Sequence[EntryRecord], lies_there: Callable[[], Iterable[EntryRecord]]) -> list[Head]:
        """Append entries, one after another and on the disk when this returns; return the head that each makes.

        Parameters
        ----------
        lies_there
            Records of what the store holds: a ledger that begins where something lies already begins with it.
        """
        with self._mutex:
            self.known()  # or a ledger that is there would be begun again
            return self._append(records, lies_there)[-len(records) :]

    @property
    @abstractmethod
    def place(self) -> str:
        """What tells it from the ledger of another store: a lake moves and stays the same, a bucket has an address."""

    @abstractmethod
    def lines(self) -> Iterator[bytes]:
        """Yield every line as it lies there now, for whoever trusts nothing that was read before."""

    @abstractmethod
    def _read_on(self) -> None:
        """Take in what was appended since this was asked last."""

    @abstractmethod
    def _append(self, records: Sequence[EntryRecord], lies_there: Callable[[], Iterable[EntryRecord]]) -> list[Head]:
        """Append entries; see `append`."""

    def _take(self, lines: bytes) -> None:
        """Take in lines that were appended.

        Raises
        ------
        CorruptLedger
            They do not follow what is known.
        """
        try:
            self._ledger.extend(lines.splitlines())
        except CorruptLedger as error:
            raise CorruptLedger(f"{error}; run `climb verify`") from None

    def _write(
        self, records: Sequence[EntryRecord], lies_there: Callable[[], Iterable[EntryRecord]]
    ) -> tuple[bytes, list[Head]]:
        """Return the lines that follow what is known, and the head that each makes."""
        before, lines, heads = self._ledger.head, [], []
        if before == Head():
            found = list(lies_there())
            records = [{"kind": BEGUN, "time": now(), "found": len(found)}, *found, *records]
        for record in records:
            line, before = write_line(record, before)
            lines.append(line)
            heads.append(before)
        return b"".join(lines), heads


class FileKeeper(Keeper):
    """The ledger in a file of a folder, one entry a line.

    Parameters
    ----------
    file, lock
        Where it lies, and what is locked while somebody appends. Where there are no locks, two who append at one
        instant part the chain, which is then found.
    place
        See `Keeper.place`.
    """

    def __init__(self, file: Path, lock: Path, place: str = "lake") -> None:
        super().__init__()
        self.file, self._lock, self._place = file, lock, place
        self._offset = 0
        self._identity: int | None = None

    @property
    def place(self) -> str:
        """The lake, wherever it lies, or the address of a folder outside."""
        return self._place

    def lines(self) -> Iterator[bytes]:
        """Yield every line; see `Keeper.lines`. The last one may be torn, of a writer who was killed."""
        with contextlib.suppress(FileNotFoundError), open_file(self.file) as stream:
            for line in stream:
                yield line.removesuffix(b"\n") if line.endswith(b"\n") else TORN + line

    def _read_on(self) -> None:
        try:
            with open_file(self.file) as stream:  # opening it asks NFS anew, where a look at its size may be old
                self._read(stream)
        except FileNotFoundError:
            if self._offset:
                raise CorruptLedger(f"{self.file} was removed while this process ran; {PUT_BACK}") from None

    def _read(self, stream: BinaryIO) -> None:
        stat = os.fstat(stream.fileno())
        if (stat.st_ino, stat.st_size) == (self._identity, self._offset):
            return
        if stat.st_ino != self._identity or stat.st_size < self._offset:
            self._read_anew(stream, stat.st_ino)
        else:
            self._read_lines(stream)

    def _read_lines(self, stream: BinaryIO) -> None:
        """Take in the whole lines that come after what is known."""
        stream.seek(self._offset)
        data = stream.read()
        for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):  # by line, so that Ctrl-C tears nothing
            self._take(line)
            self._offset += len(line)

    def _read_anew(self, stream: BinaryIO, identity: int) -> None:
        """Read another file in the place of the one that was known, which must have all that was in that."""
        known = self._ledger, self._offset, self._identity
        self._ledger, self._offset, self._identity = Ledger(), 0, identity
        try:
            self._read_lines(stream)
            if not self._ledger.holds(known[0].head):
                raise CorruptLedger(f"{self.file} was cut or rewritten while this process ran; {PUT_BACK}")
        except BaseException:
            self._ledger, self._offset, self._identity = known  # or the next look would take it for the ledger
            raise

    def _append(self, records: Sequence[EntryRecord], lies_there: Callable[[], Iterable[EntryRecord]]) -> list[Head]:
        with hold(self._lock):
            self._read_on()
            torn, begins = self._cut_torn_line(), not self._ledger.hashes
            lines, heads = self._write([*torn, *records], lies_there)
            make_folder(self.file.parent)
            if begins:  # half of what was found there would shut out the rest
                remove_unfinished(self.file)
                write_atomically(self.file, lines)
            else:
                append_durably(self.file, lines)
            self._read_on()
        return heads

    def _cut_torn_line(self) -> list[EntryRecord]:
        """Cut what a killed writer left of a line behind the last whole one; return the record of that."""
        try:
            with self.file.open("rb+") as stream:
                stream.seek(self._offset)
                left = stream.read()
                if not left:
                    return []
                stream.truncate(self._offset)
                os.fsync(stream.fileno())
        except FileNotFoundError:
            return []
        return [{"kind": HEALED, "time": now(), "bytes": len(left), "sha256": sha256_text(left.decode("latin-1"))}]
