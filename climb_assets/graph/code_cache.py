"""A cache of what functions reach, so that not every process follows the code anew.

What belongs here: one file for each state of the source, and when a state may be remembered. What functions reach is
found by `climb_assets.graph.code_identity`.

A state is known by all bytes of the source, which every process reads; only parsing and following them is saved. What
parses and follows is part of that source, so nothing is taken that other rules found. The files are the user's own, as
code is that is compiled for models; they may be deleted, and need not be writable.
"""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from climb_assets.executor.process_start import BEGUN_NS

RACY_NS = 2_000_000_000  # what changed so shortly before may have changed after: clocks tick, and differ
MOST = 16  # states that are remembered; each takes some 100 kB

Entries = dict[str, tuple[dict[str, str], list[str]]]  # by functions: hashes by module, and packages


class SourceFile(NamedTuple):
    """A source file at one moment: with another stat it is another, and is read again."""

    path: str
    modified_ns: int
    changed_ns: int
    inode: int
    size: int


class CodeCache:
    """Remembers what functions of a package reach, for each state of its source.

    Parameters
    ----------
    folder
        Made when first used; None: the user's own.
    begun_ns
        When the process that asks began to load its code, in nanoseconds since the epoch.
    """

    def __init__(self, folder: Path | None = None, begun_ns: int = BEGUN_NS) -> None:
        self._folder, self._begun_ns = folder, begun_ns

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self._folder or Path.home() / ".cache" / "climb" / "code"

    def get(self, key: str) -> Entries:
        """Return what is known of a state; nothing where its file is missing or damaged."""
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            checksum, _, text = self._file(key).read_text(encoding="ascii").partition("\n")
            if checksum == _checksum(text):
                entries: Entries = json.loads(text)
                return entries
        return {}

    def put(self, key: str, files: Iterable[SourceFile], entries: Entries) -> None:
        """Add to what is known of a state; where nothing can be written, do nothing.

        Nothing is remembered either where a file has changed since this process began, or shortly before: it may have
        loaded other rules than those that lie there.
        """
        if any(file.changed_ns > self._begun_ns - RACY_NS for file in files):
            return
        from climb_assets.store.files import make_folder, write_atomically

        text = json.dumps(self.get(key) | entries)
        with contextlib.suppress(OSError, RuntimeError):
            make_folder(self.folder)
            write_atomically(self._file(key), f"{_checksum(text)}\n{text}".encode("ascii"))
            self._forget_oldest()

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _forget_oldest(self) -> None:
        with os.scandir(self.folder) as entries:
            newest = sorted(entries, key=lambda entry: entry.stat().st_mtime_ns, reverse=True)
        for entry in newest[MOST:]:
            Path(entry.path).unlink(missing_ok=True)


def key_of(root: Path, sources: Mapping[SourceFile, bytes], *rules: str) -> str:
    """Return the key of a state of the source.

    Parameters
    ----------
    root
        The package's folder.
    sources
        The bytes of each file.
    rules
        What else decides what functions reach.
    """
    digest = hashlib.sha256()
    parts = [sys.version.encode(), root.name.encode(), *(rule.encode() for rule in rules)]
    for file in sorted(sources):  # with the time by which Python tells whether what it has compiled is of this file
        parts += [os.fsencode(os.path.relpath(file.path, root)), b"%d" % file.modified_ns, sources[file]]
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.hexdigest()


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
