"""What lies in the raw folder: which shards there are, which files they hold, and a digest of each.

What belongs here: names, stat, links and hashes; no file is opened for what it means. What of it holds for a bucket too
is what a name allows, and what a listing and a digest are. Entries whose name begins with a
dot or an underscore, and checksum files, are no data, at the top and at any depth (`is_data`); they enter no digest.

What cannot be looked into is never taken for empty or gone: a folder that cannot be opened, or a file that cannot be
read, is an error that names it, so whatever was made of it stays as it is.
"""

import errno
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from climb_assets.corpus.digest_cache import DigestCache, hash_files
from climb_assets.corpus.readers import KINDS, WEB_ARCHIVE_ADVICE, WEB_ARCHIVES, kind_of
from climb_assets.corpus.records import printable_name
from climb_assets.corpus.regular_file import IrregularFileError
from climb_assets.errors import ConfigError, CorpusError
from climb_assets.store.artifacts import canonical_json, sha256_text
from climb_assets.store.files import write_atomically

SHARD_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
UNREADABLE = "unreadable"  # stands where the SHA-256 of what is no file would be: a FIFO, a link that is not followed
NO_DATA = (".", "_")  # begin such names: .gitignore, .DS_Store, a half-copied .part; Spark's _SUCCESS and _temporary
CHECKSUMS = ".crc"  # ends the names of Hadoop's


@dataclass(frozen=True)
class Rejected:
    """A top-level entry that is no shard, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """The shards by name, in name order, each with its path or address, and the other entries.

    Parameters
    ----------
    unsettled
        What is being written, and how that shows. Where it is among the shards, an earlier version stands for it.
    stamps
        Of each shard that is not, a hash by which a change since this look shows.
    """

    shards: Mapping[str, Path | str]
    rejected: tuple[Rejected, ...]
    unsettled: Mapping[str, str] = field(default_factory=dict)
    stamps: Mapping[str, str] = field(default_factory=dict)


class FoundFile(NamedTuple):
    """A file of a shard.

    Parameters
    ----------
    path
        Where it stands in the shard.
    target
        What is opened: the same, or where a link on the way leads.
    problem
        Why it is never read, whoever asks; empty if it can be.
    """

    path: Path
    target: Path
    problem: str = ""


@dataclass(frozen=True)
class RawFile:
    """One file of a shard: path under the raw folder, size, SHA-256 (or `UNREADABLE`, with 0 bytes and the problem)."""

    path: str
    bytes: int
    sha256: str
    problem: str = ""


@dataclass(frozen=True)
class ShardDigest:
    """A shard's files in path order, and one hash over their paths, sizes and contents."""

    files: tuple[RawFile, ...]
    digest: str


def is_data(name: str) -> bool:
    """Return whether an entry of this name may hold documents."""
    return not name.startswith(NO_DATA) and not name.lower().endswith(CHECKSUMS)


def list_shards(raw: Path, link_roots: Sequence[Path] = ()) -> Listing:
    """List the raw folder: every top-level file or folder with an allowed name and something to read is a shard.

    Raises
    ------
    CorpusError
        The folder cannot be listed, or holds no shard.
    """
    listing = list_entries(raw, link_roots)
    require_shards(raw, listing)
    return listing


def list_entries(raw: Path, link_roots: Sequence[Path] = ()) -> Listing:
    """List the raw folder, also where it holds no shard; one that cannot be looked into counts as a shard.

    Raises
    ------
    CorpusError
        The folder cannot be listed.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(raw) if is_data(entry.name))
    except OSError as error:
        raise CorpusError(f"cannot list {raw} ({error.strerror}); make it, or set corpus.raw to your files") from None
    within = _resolve(raw, link_roots)
    shards: dict[str, Path | str] = {}
    rejected = []
    for name in names:
        reason = _why_rejected(raw, name, within)
        if reason is None:
            shards[name] = raw / name
        else:
            rejected.append(Rejected(printable_name(name), reason))
    return Listing(shards, tuple(rejected))


def require_shards(raw: Path | str, listing: Listing) -> None:
    """Refuse a listing without a shard.

    Raises
    ------
    CorpusError
        It has none.
    """
    if not listing.shards:
        first = f" ({listing.rejected[0].name}: {listing.rejected[0].reason})" if listing.rejected else ""
        put = f"put {', '.join(KINDS)} files, or folders of them, there, or name the folder that holds yours"
        put += " (corpus.raw, in climb init --raw)"
        raise CorpusError(f"{raw} holds no shard{first}; {put}")


def _why_rejected(raw: Path, name: str, within: Sequence[Path]) -> str | None:
    if not SHARD_NAME.fullmatch(name):
        return why_no_shard(name, ())
    try:
        files = sorted(_walk(root := raw.absolute() / name, within[0] / name, within))
    except OSError:
        return None
    if files and files[0].path == root and files[0].problem:
        return files[0].problem
    return why_no_shard(name, [file.path.name for file in files])


def why_no_shard(name: str, files: Sequence[str]) -> str | None:
    """Return why an entry is no shard by its name and those of the files in it; None if it is one."""
    if not SHARD_NAME.fullmatch(name):
        return "rename it: letters, digits, '.', '_', '-', at most 100, no '..', a letter or digit first"
    if any(kind_of(file) for file in files):
        return None
    if any(file.lower().endswith(WEB_ARCHIVES) for file in files):
        return WEB_ARCHIVE_ADVICE
    return f"holds no file of a known kind ({', '.join(KINDS)})"


def list_files(raw: Path, shard: str, link_roots: Sequence[Path] = ()) -> list[FoundFile]:
    """Return the files of a shard in path order: the file itself, or all below the folder.

    Links are followed if they lead into the raw folder or into one of `link_roots`, each folder once.

    Raises
    ------
    CorpusError
        There is no such shard, or a part of it cannot be looked at.
    """
    raw = raw.absolute()
    if not SHARD_NAME.fullmatch(shard) or not os.path.lexists(raw / shard):
        raise CorpusError(f"{raw} has no shard {printable_name(shard)!r}; run `climb plan` to see which there are")
    within = _resolve(raw, link_roots)
    try:
        return sorted(_walk(raw / shard, within[0] / shard, within))
    except OSError as error:
        raise CorpusError(say_unreadable(error)) from None


def _resolve(raw: Path, link_roots: Sequence[Path]) -> list[Path]:
    """Return where files may lie; a folder that is not there, such as one that is not mounted, is an error."""
    try:
        return [Path(os.path.realpath(root, strict=True)) for root in (raw, *link_roots)]
    except OSError as error:
        raise CorpusError(say_unreadable(error)) from None


def say_unreadable(error: OSError) -> str:
    """Return one sentence on a path that cannot be looked at."""
    return (
        f"{printable_name(error.filename)} cannot be read ({error.strerror}); nothing was changed, as nobody can say "
        "what it holds: mend the disk or its permissions, or move it away, and run again"
    )


def _walk(root: Path, place: Path, within: Sequence[Path]) -> list[FoundFile]:
    """Find the files at and below a path.

    Parameters
    ----------
    place
        Where `root` is, all folders above it resolved.

    Raises
    ------
    OSError
        Something cannot be looked at.
    """
    found: list[FoundFile] = []
    waiting, linked = [(root, place)], set[Path]()
    while waiting:
        path, place = waiting.pop()
        mode, problem = place.lstat().st_mode, ""
        link = place if stat.S_ISLNK(mode) else None
        if link is not None:
            place, problem = _follow(link, within)
            mode = 0 if problem else place.lstat().st_mode
        if problem:
            found.append(FoundFile(path, place, problem))
        elif stat.S_ISREG(mode):
            found.append(FoundFile(path, place, _problem_of_name(path.relative_to(root.parent))))
        elif not stat.S_ISDIR(mode):
            found.append(FoundFile(path, place, "neither a file nor a folder"))
        elif link is not None and (place in linked or link.is_relative_to(place)):
            found.append(FoundFile(path, place, "a link to a folder that is read already"))
        else:
            linked |= {place} if link is not None else set()
            names = sorted(entry.name for entry in os.scandir(place) if is_data(entry.name))
            waiting += [(path / name, place / name) for name in names]
    return found


def _follow(link: Path, within: Sequence[Path]) -> tuple[Path, str]:
    """Return where a link leads, and why it must not be followed."""
    target = Path(os.path.realpath(link))
    if not any(target.is_relative_to(root) for root in within):
        return link, "a link out of the raw folder: name where it leads in corpus.link_roots, or copy the files"
    try:
        target.stat()
    except (FileNotFoundError, NotADirectoryError):
        return link, "a link to nothing"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return link, "a link to itself"
        raise
    return target, ""


def _problem_of_name(path: Path) -> str:
    """Return why a name cannot be written down; empty if it can."""
    return "" if printable_name(path) == path.as_posix() else "its name is not UTF-8: rename it"


def digest_shard(
    raw: Path, shard: str, cache: DigestCache | None = None, link_roots: Sequence[Path] = ()
) -> ShardDigest:
    """Hash every file of a shard; files that the cache knows are only stat-ed.

    What is no file is there with `UNREADABLE` for its hash: it will be quarantined, not forgotten.

    Raises
    ------
    CorpusError
        There is no such shard, a part of it cannot be read, or a file changes while it is being hashed.
    """
    found = list_files(raw, shard, link_roots)
    try:
        hashed = hash_files([file.target for file in found if not file.problem], cache)
    except OSError as error:
        raise CorpusError(say_unreadable(error)) from None
    files = []
    for file in found:
        name = printable_name(file.path.relative_to(raw.absolute()))
        if file.problem:
            files.append(RawFile(name, 0, UNREADABLE, file.problem))
        else:
            files.append(RawFile(name, hashed[file.target].bytes, hashed[file.target].sha256))
    return join_digests(files)


def join_digests(files: Sequence[RawFile]) -> ShardDigest:
    """Return the digest of a shard of some files, which are in path order."""
    record = [[file.path, file.bytes, file.sha256, file.problem] for file in files]
    return ShardDigest(tuple(files), sha256_text(canonical_json(record)))


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

    Hidden files (a leading dot) do not count.

    Raises
    ------
    ConfigError
        A file cannot be read.
    """
    try:
        files = {printable_name(found.relative_to(path)): found.resolve() for found in _named_files(path)}
        for found in files.values():
            if not found.is_file():
                raise ConfigError(f"cannot read {found}; check that it is a file")
        hashed = hash_files(list(files.values()), cache)
    except OSError as error:
        raise ConfigError(f"cannot read {error.filename} ({error.strerror}); check that you may read it") from None
    except IrregularFileError as error:
        raise ConfigError(f"{error}; give another") from None
    return sha256_text(canonical_json({name: hashed[found].sha256 for name, found in files.items()}))


def _named_files(root: Path) -> list[Path]:
    if not root.is_dir():
        return [root]
    found: list[Path] = []
    folders = [root]
    while folders:
        for entry in os.scandir(folders.pop()):
            if not entry.name.startswith("."):
                (folders if entry.is_dir(follow_symlinks=False) else found).append(Path(entry.path))
    return found
