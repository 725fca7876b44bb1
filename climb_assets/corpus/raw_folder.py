"""The raw folder as it is looked at again and again: which shards are whole, and which are still being written.

What belongs here: times of change, and the marker that a writer leaves; no file is opened. Which shards there are is
`raw_files`.

A shard is taken once nothing in it has changed for `corpus.settle.seconds` and, where `corpus.settle.marker` names a
file, a folder holds that file. The time is the inode's (ctime): every write and rename sets it by the clock of the file
system, and no archive or copy can set it to another. Where that clock is ahead of ours, what was seen unchanged for as
long by this process is settled too, so that no clock keeps a shard waiting for ever.
"""

import contextlib
import math
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from climb_assets.config import Corpus
from climb_assets.corpus.digest_cache import DigestCache, hash_file
from climb_assets.corpus.raw_files import (
    SHARD_NAME,
    Listing,
    ShardDigest,
    digest_shard,
    is_data,
    list_entries,
    list_files,
    say_unreadable,
)
from climb_assets.corpus.raw_place import Localise, RawPlace, VersionRead, name_some
from climb_assets.corpus.records import printable_name
from climb_assets.errors import CorpusError
from climb_assets.store.artifacts import canonical_json, sha256_text

CHANGED, GONE = "changed a moment ago", "went a moment ago"


@dataclass
class RawFolder(RawPlace):
    """Looks at a raw folder, and remembers since when it has seen each shard as it is.

    Parameters
    ----------
    now
        The clock that times of change are held against, in seconds since the epoch.
    """

    corpus: Corpus
    now: Callable[[], float] = time.time
    _seen: dict[str, tuple[str, float]] = field(init=False, default_factory=dict)

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def folder(self) -> Path:
        """The folder itself."""
        return Path(self.corpus.raw)

    def where(self, name: str) -> str:
        """Return the path of a raw file."""
        return str(self.folder.absolute() / name)

    def look_now(self, made: Collection[str], version_read: VersionRead) -> Listing:
        """List the shards that are whole; see `RawPlace.look`."""
        return self._look(made, version_read)[0]

    def wait(self, made: Collection[str], version_read: VersionRead, tell: Callable[[str], None]) -> None:
        """Wait, `corpus.settle.seconds` at most, until what changed a moment ago may count as whole.

        A folder that cannot be listed is not waited for; the look that follows says so.
        """
        try:
            listing, seconds = self._look(made, version_read)
        except CorpusError:
            return
        if seconds > 0:
            names = [name for name, reason in listing.unsettled.items() if reason in (CHANGED, GONE)]
            tell(f"waiting {seconds:.1f} s to see whether it is whole: {name_some(names)}")
            time.sleep(seconds)

    def _look(self, made: Collection[str], version_read: VersionRead) -> tuple[Listing, float]:
        """Return the listing, which may be empty, and the seconds until what changed a moment ago may be settled."""
        raw = self.folder
        listing = list_entries(raw, self.corpus.link_roots)
        rejected = {entry.name: entry for entry in listing.rejected}
        to_be_filled = [name for name in rejected if SHARD_NAME.fullmatch(name) and (raw / name).is_dir()]
        stamps: dict[str, str] = {}
        unsettled: dict[str, str] = {}
        waits = [0.0]
        for name in [*listing.shards, *to_be_filled]:
            stamps[name], wait, reason = self._look_at(name)
            waits.append(wait)
            if reason is not None:
                unsettled[name] = reason
        gone = [name for name in made if name not in stamps and name not in rejected]
        wait = self._wait_for("", *_stamp([raw.resolve()])) if gone else 0.0
        if wait > 0 and (gone := [name for name in gone if version_read(name)]):  # they may be about to be written anew
            unsettled |= dict.fromkeys(gone, GONE)
            waits.append(wait)
        kept = {name for name in unsettled if name in made and version_read(name)}
        names = sorted(kept | listing.shards.keys() - unsettled.keys())
        return Listing(
            {name: raw / name for name in names},
            tuple(entry for name, entry in rejected.items() if name not in unsettled),
            dict(sorted(unsettled.items())),
            {name: stamps[name] for name in names if name not in unsettled},
        ), max(waits)

    def changed(self, shards: Collection[str], listing: Listing) -> list[str]:
        """Return those shards that were being written at a look, or are no longer as they were then."""
        return [shard for shard in shards if listing.stamps.get(shard) != _stamp(self._places(shard))[0]]

    def why_unsettled(self, shard: str, listing: Listing) -> str | None:
        """Return why a shard must not be read now by who goes by a look; None if it may."""
        if shard in listing.unsettled or not self.changed([shard], listing):
            return listing.unsettled.get(shard)
        return self._look_at(shard)[2]

    def _look_at(self, name: str) -> tuple[str, float, str | None]:
        """Return the stamp of an entry, the seconds until its time may be up, and why it is unsettled, if it is."""
        path, marker = self.folder / name, self.corpus.settle.marker
        stamp, latest = _stamp(self._places(name))
        wait = self._wait_for(name, stamp, latest)
        if wait > 0:
            return stamp, wait, CHANGED
        unmarked = marker is not None and path.is_dir() and not os.path.lexists(path / marker)
        return stamp, 0.0, f"has no {marker}" if unmarked else None

    def _wait_for(self, name: str, stamp: str, latest: float) -> float:
        """Return the seconds until an entry, if it stays as it is, will have been so for long enough."""
        first = self._seen.get(name)
        if first is None or first[0] != stamp:
            first = self._seen[name] = (stamp, time.monotonic())
        seconds = self.corpus.settle.seconds
        age = max(self.now() - latest, time.monotonic() - first[1])
        return max(0.0, seconds - age)

    def stamp(self, listing: Listing) -> str:
        """Return a hash over path, size and times of every raw file; see `stamp_shards`."""
        return stamp_shards(self.folder, listing, self.corpus.link_roots)

    def digest(self, shard: str, cache: DigestCache | None = None) -> ShardDigest:
        """Hash every file of a shard; see `digest_shard`."""
        return digest_shard(self.folder, shard, cache, self.corpus.link_roots)

    def hash_ahead(self, shards: Collection[str], cache: DigestCache) -> None:
        """Do nothing: a disk has its files as soon one after the other."""

    def files(self, shard: str) -> dict[str, Localise]:
        """Return the files of a shard that can be read; they lie on this machine already."""

        def localise(target: Path, sha256: str | None) -> AbstractContextManager[Path]:
            return contextlib.nullcontext(target)

        found = list_files(self.folder, shard, self.corpus.link_roots)
        names = {file: printable_name(file.path.relative_to(self.folder.absolute())) for file in found}
        return {name: partial(localise, file.target) for file, name in names.items() if not file.problem}

    def sizes(self, shard: str) -> dict[str, int]:
        """Return the bytes of each file of a shard that can be read."""
        sizes = {}
        for file in list_files(self.folder, shard, self.corpus.link_roots):
            if not file.problem:
                sizes[printable_name(file.path.relative_to(self.folder.absolute()))] = file.target.stat().st_size
        return sizes

    def hash_again(self, name: str) -> str:
        """Return the SHA-256 of a raw file as it is now; see `RawPlace.hash_again`."""
        return hash_file((self.folder / name).resolve()).sha256

    def _places(self, shard: str) -> list[Path]:
        """Return everything by which a change of a shard shows: its folders and files, and where links lead.

        What is no data counts as well, as a file may be copied under a hidden name; but hidden folders are not entered.
        """
        found = sorted(_walk(self.folder / shard))
        if any(place.is_symlink() for place in found):
            with contextlib.suppress(CorpusError):  # whoever reads it will say so
                found += [file.target for file in list_files(self.folder, shard, self.corpus.link_roots)]
        return found


def stamp_shards(raw: Path, listing: Listing, link_roots: Sequence[Path] = ()) -> str:
    """Return a hash over path, size and times of every raw file, which opens none; of what cannot be looked at, why.

    Of a shard that is being written it holds only that, so that it keeps no change of another waiting.
    """
    records: list[list[Any]] = []
    for shard in listing.shards:
        if shard in listing.unsettled:
            records.append([shard, "being written"])
            continue
        try:
            files = list_files(raw, shard, link_roots)
            stats = [file.target.lstat() for file in files]
        except CorpusError as error:
            records.append([shard, str(error)])
        except OSError as error:
            records.append([shard, say_unreadable(error)])
        else:
            for file, known in zip(files, stats, strict=True):
                place = [os.fsencode(path).hex() for path in (file.path, file.target)]
                records.append([shard, *place, known.st_size, known.st_mtime_ns, known.st_ctime_ns])
    return sha256_text(canonical_json(records))[:32]


def _stamp(places: Collection[Path]) -> tuple[str, float]:
    """Return a hash over size and times of some places, and the latest time of change, in seconds."""
    found: list[list[str | int]] = []
    latest = 0.0
    for place in places:
        try:
            known = place.lstat()
        except FileNotFoundError:  # it went just now
            latest = math.inf
        except OSError:  # whoever reads it will say so
            continue
        else:
            found.append([os.fsencode(place).hex(), known.st_size, known.st_mtime_ns, known.st_ctime_ns])
            latest = max(latest, known.st_ctime_ns / 1e9)
    return sha256_text(canonical_json(found))[:32], latest


def _walk(path: Path) -> Iterator[Path]:
    yield path
    try:
        entries = list(os.scandir(path)) if stat.S_ISDIR(path.lstat().st_mode) else []
    except OSError:  # as above
        return
    for entry in entries:
        if is_data(entry.name) and entry.is_dir(follow_symlinks=False):
            yield from _walk(path / entry.name)
        else:
            yield path / entry.name
