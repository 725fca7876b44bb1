"""The SHA-256 of files outside the lake, and a cache of it by which planning reads no content twice.

What belongs here: hashing one regular file, and knowing it again by its stat, or an object of a bucket by its ETag.
Which files there are is `raw_files` and `raw_bucket`.
"""

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from climb_assets.corpus.records import printable_name
from climb_assets.corpus.regular_file import open_regular
from climb_assets.errors import CorpusError, CorruptArtifact

RACY_SECONDS = 2.0  # a file touched this recently may change again within one tick of its clock (git: "racy" entries)


class Hashed(NamedTuple):
    """A file's size and SHA-256, and the stat by which it is known again: (mtime_ns, ctime_ns, inode)."""

    bytes: int
    sha256: str
    stamp: tuple[int, int, int]


class Tagged(NamedTuple):
    """An object of a bucket: its key, and the size and ETag by which it is known again."""

    key: str
    bytes: int
    tag: str


class DigestCache:
    """Remembers the SHA-256 of files whose stat has not changed, so that planning reads no file.

    Parameters
    ----------
    path
        An SQLite file, made when first used; its transactions keep two processes apart.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: dict[Path, Hashed] = {}  # of what this process has asked for, so that the next plan opens nothing

    def get(self, paths: Sequence[Path]) -> dict[Path, Hashed]:
        """Return what is known of those files that were not touched since."""
        stats = {}
        for path in paths:
            with contextlib.suppress(OSError):  # hashing it will say what is wrong
                stats[path] = path.lstat()
        missing = {path: stat for path, stat in stats.items() if not self._holds(path, stat)}
        if missing:
            self._ask(missing)
        return {path: self._held[path] for path in stats if path in self._held}

    def _ask(self, stats: Mapping[Path, os.stat_result]) -> None:
        query = "SELECT bytes, sha256 FROM files WHERE path=? AND bytes=? AND mtime_ns=? AND ctime_ns=? AND inode=?"
        with self._open() as connection:
            for path, stat in stats.items():
                self._held.pop(path, None)
                row = connection.execute(query, (os.fsencode(path), stat.st_size, *_stamp(stat))).fetchone()
                if row is not None:
                    self._held[path] = Hashed(row[0], row[1], _stamp(stat))

    def _holds(self, path: Path, stat: os.stat_result) -> bool:
        held = self._held.get(path)
        return held is not None and (held.bytes, held.stamp) == (stat.st_size, _stamp(stat))

    def put(self, files: Mapping[Path, Hashed], begun_ns: int) -> None:
        """Remember files, but none that was touched so recently that its next change might not show.

        Parameters
        ----------
        begun_ns
            When hashing them was begun, in nanoseconds since the epoch.
        """
        latest = begun_ns - int(RACY_SECONDS * 1e9)
        rows = [
            (os.fsencode(path), file.bytes, *file.stamp, file.sha256)
            for path, file in files.items()
            if max(file.stamp[:2]) < latest
        ]
        with self._open() as connection:
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)

    def gone(self) -> list[Path]:
        """Return the remembered files that are no longer there."""
        if not self.path.exists():
            return []
        with self._open() as connection:
            rows = connection.execute("SELECT path FROM files ORDER BY path").fetchall()
        return [path for (name,) in rows if not os.path.lexists(path := Path(os.fsdecode(name)))]

    def forget(self, paths: Sequence[Path]) -> None:
        """Forget files; one that is there will be hashed again."""
        for path in paths:
            self._held.pop(path, None)
        with self._open() as connection:
            connection.executemany("DELETE FROM files WHERE path=?", [(os.fsencode(path),) for path in paths])

    def get_objects(self, address: str, objects: Sequence[Tagged]) -> dict[str, str]:
        """Return the SHA-256, by key, of those objects below an address that have not changed since."""
        query = "SELECT sha256 FROM objects WHERE address=? AND key=? AND bytes=? AND tag=?"
        with self._open() as connection:
            rows = {one.key: connection.execute(query, (address, *one)).fetchone() for one in objects}
        return {key: row[0] for key, row in rows.items() if row is not None}

    def put_object(self, address: str, found: Tagged, sha256: str) -> None:
        """Remember the SHA-256 of an object, in place of the one before under its key."""
        with self._open() as connection:
            connection.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", (address, *found, sha256))

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, bytes INTEGER, mtime_ns INTEGER, "
                    "ctime_ns INTEGER, inode INTEGER, sha256 TEXT)"
                )
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS objects (address TEXT, key TEXT, bytes INTEGER, tag TEXT, sha256 TEXT, "
                    "PRIMARY KEY (address, key))"
                )
                yield connection
        except sqlite3.DatabaseError as error:
            raise CorruptArtifact(f"{self.path} cannot be used as the digest cache ({error}); delete it") from None


def hash_files(paths: Sequence[Path], cache: DigestCache | None = None) -> dict[Path, Hashed]:
    """Hash regular files; those that the cache knows are only stat-ed. Errors are those of `hash_file`."""
    known, begun_ns = cache.get(paths) if cache else {}, time.time_ns()
    fresh = {path: hash_file(path) for path in paths if path not in known}
    if cache is not None and fresh:
        cache.put(fresh, begun_ns)
    return known | fresh


def hash_file(path: Path) -> Hashed:
    """Return the hash of a regular file.

    Raises
    ------
    CorpusError
        The file changes or goes away meanwhile.
    IrregularFileError
        It is a link, a folder, or no file at all.
    OSError
        It cannot be read, which says nothing about what it holds; `filename` is its path.
    """
    try:
        with open_regular(path) as stream:
            before = os.fstat(stream.fileno())
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            after = os.fstat(stream.fileno())
    except FileNotFoundError:
        raise CorpusError(f"{printable_name(path)} went away while it was being read; run again") from None
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None
    if (before.st_size, _stamp(before)) != (after.st_size, _stamp(after)):
        raise CorpusError(f"{printable_name(path)} changed while it was being read; run again when it is finished")
    return Hashed(after.st_size, sha256, _stamp(after))


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
