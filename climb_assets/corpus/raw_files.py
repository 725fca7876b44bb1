"""What lies in the raw folder: which shards there are, which files they hold, and a digest of each.

What belongs here: names, stat and hashes; no file is opened for what it means. Hidden entries (a leading dot:
.gitignore, .DS_Store, a half-copied .part) are ignored, at the top and inside shards, and enter no digest.
"""

import contextlib
import hashlib
import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from climb_assets.corpus.readers import kind_of, open_regular
from climb_assets.errors import ConfigError, CorpusError, CorruptArtifact
from climb_assets.store.artifacts import canonical_json, sha256_text
from climb_assets.store.files import write_atomically

SHARD_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
UNREADABLE = "unreadable"  # stands where the SHA-256 of a link, FIFO or forbidden file would be
RACY_SECONDS = 2.0  # a file touched this recently may change again within one tick of its clock (git: "racy" entries)


@dataclass(frozen=True)
class Rejected:
    """A top-level entry that is no shard, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """The raw folder's shards by name, in name order, and its other entries."""

    shards: dict[str, Path]
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True)
class RawFile:
    """One file of a shard: path under the raw folder, size, SHA-256 (or `UNREADABLE`, with 0 bytes)."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ShardDigest:
    """A shard's files in path order, and one hash over their paths, sizes and contents."""

    files: tuple[RawFile, ...]
    digest: str


class Hashed(NamedTuple):
    """A file's size and SHA-256, and the stat by which it is known again: (mtime_ns, ctime_ns, inode)."""

    bytes: int
    sha256: str
    stamp: tuple[int, int, int]


class DigestCache:
    """Remembers the SHA-256 of files whose stat has not changed, so that planning reads no file.

    Parameters
    ----------
    path
        An SQLite file, made when first used; its transactions keep two processes apart.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, paths: Sequence[Path]) -> dict[Path, Hashed]:
        """Return what is known of those files that were not touched since."""
        query = "SELECT bytes, sha256 FROM files WHERE path=? AND bytes=? AND mtime_ns=? AND ctime_ns=? AND inode=?"
        known = {}
        with self._open() as connection:
            for path in paths:
                try:
                    stat = path.lstat()
                except OSError:  # gone, or in a folder that may not be entered: not known
                    continue
                row = connection.execute(query, (os.fsencode(path), stat.st_size, *_stamp(stat))).fetchone()
                if row is not None:
                    known[path] = Hashed(row[0], row[1], _stamp(stat))
        return known

    def put(self, files: Mapping[Path, Hashed]) -> None:
        """Remember files, but none that was touched so recently that its next change might not show."""
        latest = time.time_ns() - int(RACY_SECONDS * 1e9)
        rows = [
            (os.fsencode(path), file.bytes, *file.stamp, file.sha256)
            for path, file in files.items()
            if max(file.stamp[:2]) < latest
        ]
        with self._open() as connection:
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, bytes INTEGER, mtime_ns INTEGER, "
                    "ctime_ns INTEGER, inode INTEGER, sha256 TEXT)"
                )
                yield connection
        except sqlite3.DatabaseError as error:
            raise CorruptArtifact(f"{self.path} cannot be used as the digest cache ({error}); delete it") from None


def list_shards(raw: Path) -> Listing:
    """List the raw folder: every top-level file or folder with an allowed name and something to read is a shard.

    Raises
    ------
    CorpusError
        The folder cannot be listed, or holds no shard.
    """
    try:
        entries = sorted(os.scandir(raw), key=lambda entry: entry.name)
    except OSError as error:
        raise CorpusError(f"cannot list {raw} ({error.strerror}); make it, or set corpus.raw to your files") from None
    shards, rejected = {}, []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        reason = _why_rejected(entry)
        if reason is None:
            shards[entry.name] = Path(entry.path)
        else:
            rejected.append(Rejected(_printable(entry.name), reason))
    if not shards:
        first = f" ({rejected[0].name}: {rejected[0].reason})" if rejected else ""
        raise CorpusError(f"{raw} holds no shard{first}; put .parquet, .jsonl or .txt files, or folders of them, there")
    return Listing(shards, tuple(rejected))


def _why_rejected(entry: os.DirEntry[str]) -> str | None:
    if not SHARD_NAME.fullmatch(entry.name):
        return "rename it: letters, digits, '.', '_', '-', at most 100, no '..', a letter or digit first"
    if entry.is_symlink():
        return "a symbolic link: copy the files, or point corpus.raw at them"
    if not entry.is_dir() and not entry.is_file():
        return "neither a file nor a folder"
    paths = list_files(Path(entry.path))
    return None if any(kind_of(path.name) for path in paths) else "holds no file of a known kind"


def list_files(root: Path) -> list[Path]:
    """Return the files of a shard in path order: the file itself, or all below the folder.

    Links are not followed. A folder that cannot be opened counts as one file, which cannot be read.
    """
    if not root.is_dir():
        return [root]
    found, folders = [], [root]
    while folders:
        folder = folders.pop()
        try:
            entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        except OSError:
            found.append(folder)
            continue
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else found).append(Path(entry.path))
    return sorted(found)


def digest_shard(raw: Path, shard: str, cache: DigestCache | None = None) -> ShardDigest:
    """Hash every file of a shard; files that the cache knows are only stat-ed.

    A file that cannot be read is there with `UNREADABLE` for its hash: it will be quarantined, not forgotten.

    Raises
    ------
    CorpusError
        There is no such shard, or a file changes while it is being hashed.
    """
    raw = raw.absolute()
    root = raw / shard
    if not SHARD_NAME.fullmatch(shard) or root.is_symlink() or not root.exists():
        raise CorpusError(f"{raw} has no shard {_printable(shard)!r}; run `climb plan` to see which there are")
    paths = list_files(root)
    hashed = _hash_files(paths, cache)
    files = tuple(_raw_file(path, raw, hashed.get(path)) for path in paths)
    return ShardDigest(files, sha256_text(canonical_json([[file.path, file.bytes, file.sha256] for file in files])))


def write_digest(digest: ShardDigest, out: Path) -> dict[str, Any]:
    """Write ``files.json`` into `out`; return the number of files, of bytes, and of files that cannot be read."""
    files = [asdict(file) for file in digest.files]
    write_atomically(out / "files.json", canonical_json({"files": files, "digest": digest.digest}).encode())
    unreadable = sum(file.sha256 == UNREADABLE for file in digest.files)
    return {"files": len(files), "bytes": sum(file.bytes for file in digest.files), "unreadable": unreadable}


def read_digest(path: Path) -> ShardDigest:
    """Read what `write_digest` wrote."""
    record = json.loads(path.read_text(encoding="utf-8"))
    return ShardDigest(tuple(RawFile(**file) for file in record["files"]), record["digest"])


def digest_files(path: Path, cache: DigestCache | None = None) -> str:
    """Return one hash over a file or folder that the user named: a model, a task. Links are followed: they are theirs.

    Raises
    ------
    ConfigError
        A file cannot be read.
    """
    files = {found.relative_to(path).as_posix(): found.resolve() for found in list_files(path)}
    hashed = _hash_files([found for found in files.values() if found.is_file()], cache)
    for found in files.values():
        if found not in hashed:
            raise ConfigError(f"cannot read {found}; check that it is a file and that you may read it")
    return sha256_text(canonical_json({name: hashed[found].sha256 for name, found in files.items()}))


def _hash_files(paths: Sequence[Path], cache: DigestCache | None) -> dict[Path, Hashed]:
    """Hash the files that can be read."""
    known = cache.get(paths) if cache else {}
    fresh = {path: found for path in paths if path not in known and (found := hash_file(path)) is not None}
    if cache is not None and fresh:
        cache.put(fresh)
    return known | fresh


def _raw_file(path: Path, raw: Path, hashed: Hashed | None) -> RawFile:
    name = _printable(path.relative_to(raw).as_posix())
    if hashed is None or name != path.relative_to(raw).as_posix():  # a name that is not UTF-8 cannot be written down
        return RawFile(name, 0, UNREADABLE)
    return RawFile(name, hashed.bytes, hashed.sha256)


def hash_file(path: Path) -> Hashed | None:
    """Return a file's hash, or None if it is not a file that can be read.

    Raises
    ------
    CorpusError
        The file changes or goes away meanwhile.
    """
    try:
        with open_regular(path) as stream:
            before = os.fstat(stream.fileno())
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            after = os.fstat(stream.fileno())
    except FileNotFoundError:
        raise CorpusError(f"{_printable(str(path))} went away while it was being read; run again") from None
    except OSError:
        return None
    if (before.st_size, _stamp(before)) != (after.st_size, _stamp(after)):
        raise CorpusError(f"{_printable(str(path))} changed while it was being read; run again when it is finished")
    return Hashed(after.st_size, sha256, _stamp(after))


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
