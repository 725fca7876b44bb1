"""Files of an object store that lie on this machine, as many as a bound allows.

What belongs here: which of them are kept and which make room. Where they come from, and whether one is what it should
be, belongs to `climb_assets.store.objects`.

What was asked for longest ago goes first, and nothing that somebody may still be reading: who works with artefacts says
so (`FileCache.in_use`), and what was asked for since the first of them began stays, even beyond the bound.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from climb_assets.store.files import UNFINISHED, atomic_file, make_folder
from climb_assets.store.locks import hold, is_held, remove_unheld

IDLE_SECONDS = 600.0  # a file stays for as long after it was asked for by who does not say that he reads it
ABANDONED_SECONDS = 86_400.0  # a file that is still unfinished after this is a dead process'
AHEAD_NS = 1_000_000_000  # a file system notes a reading where the access time lies behind the others


class FileCache:
    """The files under one folder.

    Parameters
    ----------
    most_bytes
        How much room they may take.
    """

    def __init__(self, folder: Path, most_bytes: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self.folder, self.most_bytes, self.idle_seconds = folder, most_bytes, idle_seconds
        self._bytes: int | None = None  # that lie there; None: not yet counted
        self._once: dict[Path, _Asked | None] = {}  # what is looked at once, as it was put there

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Let files that are asked for from now on stay until the block ends."""
        mark = self.folder / "uses" / secrets.token_hex(6)
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):  # a lake that may not be written; nothing is put in then, either
                held.enter_context(hold(mark))
                held.callback(mark.unlink, missing_ok=True)
            yield

    @contextlib.contextmanager
    def place(self, path: Path, *, once: bool = False) -> Iterator[Path]:
        """Hand out the path of a temporary file that becomes `path` when the block ends, and make room if need be.

        Parameters
        ----------
        once
            It is looked at before the next one comes, as who verifies does, and not again: so it is the first to go,
            unless it was there before, or somebody asks for it meanwhile.
        """
        once = once and not path.exists()
        make_folder(path.parent)
        with atomic_file(path) as temporary:
            yield temporary
            if once:
                self.touch(temporary, AHEAD_NS)  # while nobody can ask for it
            asked = _asked(temporary)
        self.count(path.stat().st_size)
        if once:
            self._once[path] = asked

    def take(self, draft: Path, folder: Path, names: Iterable[str]) -> None:
        """Move the files of a draft to where they would be fetched; who reads what lies there loses nothing."""
        added = 0
        for name in names:
            make_folder((folder / name).parent)
            (draft / name).replace(folder / name)
            added += (folder / name).stat().st_size
        self.count(added)

    def count(self, added: int) -> None:
        """Take into account that files came, and make room where they are too many."""
        self._bytes = sum(size for _, size, _ in self._files()) if self._bytes is None else self._bytes + added
        if self._bytes > self.most_bytes:
            self._bytes = self.make_room()

    def touch(self, path: Path, ahead_ns: int = 0) -> None:
        """Note that a file was asked for just now. Its other times stay: by them its reader knows it again."""
        with contextlib.suppress(OSError):
            os.utime(path, ns=(time.time_ns() + ahead_ns, path.stat().st_mtime_ns))

    def make_room(self) -> int:
        """Remove what was asked for longest ago and nobody reads, down to the bound; return the bytes that stay."""
        while self._once:
            path, asked = self._once.popitem()
            if _asked(path) == asked:  # else somebody else has asked for it
                path.unlink(missing_ok=True)
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        before = min(self._uses(), default=float("inf"))
        before = min(before, time.time() - self.idle_seconds)
        for known, size, path in files:
            if total <= self.most_bytes or known.at >= before * 1e9:
                break
            if _asked(path) == known:  # else somebody asks for it just now
                path.unlink(missing_ok=True)
                total -= size
        return total

    def _files(self) -> Iterator[tuple["_Asked", int, Path]]:
        """Yield when each file was asked for, its size and its path; what the dead left unfinished goes."""
        for folder, _, names in os.walk(self.folder):
            for name in names if Path(folder) != self.folder / "uses" else ():
                path = Path(folder, name)
                try:
                    stat = path.stat()
                except FileNotFoundError:
                    continue
                if not name.endswith(UNFINISHED):
                    yield _Asked(stat.st_atime_ns, stat.st_ino), stat.st_size, path
                elif stat.st_mtime < time.time() - ABANDONED_SECONDS:
                    path.unlink(missing_ok=True)

    def _uses(self) -> Iterator[float]:
        """Yield when each of those began who are at work, and forget the dead."""
        for mark in sorted((self.folder / "uses").glob("*")):
            with contextlib.suppress(FileNotFoundError):
                began = mark.stat().st_mtime
                if is_held(mark) or not remove_unheld(mark):
                    yield began


class _Asked(NamedTuple):
    """When a file was asked for, by its access time in nanoseconds, and which one it is."""

    at: int
    inode: int


def _asked(path: Path) -> _Asked | None:
    with contextlib.suppress(FileNotFoundError):
        stat = path.stat()
        return _Asked(stat.st_atime_ns, stat.st_ino)
    return None
