"""Files that are there whole or not at all, and that outlive a power cut.

What belongs here: how bytes reach a disk. Everybody who writes into the lake writes through here, so that no other
module renames or syncs anything. Which files make an artefact belongs to `climb_assets.store.artifacts`.
"""

import contextlib
import errno
import glob
import math
import os
import secrets
import shutil
import stat
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from climb_assets.errors import CorruptArtifact

MOST_MAPPED = 64
UNFINISHED = ".tmp"  # ends the name of a file that is being written; a dot begins it
TOKEN_BYTES = 6  # stand in hexadecimal before it, so that no two have the same name
LEADS_NOWHERE = (errno.ELOOP, errno.ENAMETOOLONG)  # a link to itself, and one to a name that no file can have


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Hand out the path of a temporary file that takes the place of `path` when the block ends.

    Readers see the old file or the new one, never a part, and the new one is on the disk first. Where the block raises,
    the old one stays.
    """
    temporary = _unfinished(path)
    try:
        yield temporary
        sync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def real_path(path: Path) -> Path:
    """Return the absolute path of what a path leads to; a link to itself leads no further."""
    return Path(os.path.realpath(path))  # Path.resolve raises for such a link, and not an OSError


def open_file(path: Path | str) -> BufferedReader:
    """Open a regular file for reading. A pipe in its place would keep a reader waiting for ever, so it is refused.

    Raises
    ------
    CorruptArtifact
        It is a folder, a pipe, a socket, a device, or a link that leads to itself or to what can be no name.
    OSError
        It is not there, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno not in (*LEADS_NOWHERE, errno.ENXIO):  # the last is what a socket gives
            raise
    else:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
    raise CorruptArtifact(f"{path} is no regular file, and no run of climb has put it there; remove it")


def read_file(path: Path | str) -> bytes:
    """Return the bytes of a regular file; see `open_file` for what is refused."""
    with open_file(path) as stream:
        return stream.read()


def file_size(path: str) -> int | None:
    """Return the size in bytes of a file; None where there is none, or something else."""
    try:
        found = os.stat(path)  # noqa: PTH116 (half the time)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno not in LEADS_NOWHERE:
            raise
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def sizes_below(folder: Path) -> dict[str, int]:
    """Return the size in bytes of every file in a folder, by its name; linked folders are not looked into."""
    found: dict[str, int] = {}
    waiting = [(os.fspath(folder), "")]
    while waiting:
        path, below = waiting.pop()
        for entry in _entries(path):
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, f"{below}{entry.name}/"))
            elif not (entry.is_symlink() and os.path.isdir(entry.path)):  # noqa: PTH112 (that of a path may raise)
                with contextlib.suppress(FileNotFoundError):
                    found[below + entry.name] = _size(entry.path)
    return found


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what lies in a folder; nothing where there is none, which is not the same as one that cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _size(path: str) -> int:
    """Return the size of a file; of a link that leads nowhere or to itself, its own."""
    try:
        return os.stat(path).st_size  # noqa: PTH116 (half the time)
    except OSError as error:
        if error.errno not in (*LEADS_NOWHERE, errno.ENOENT, errno.ENOTDIR):
            raise
        return os.lstat(path).st_size


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file so that a reader sees the old bytes or the new ones, never a part."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def append_durably(path: Path, data: bytes) -> None:
    """Append to a file, made if absent, and return when it is on the disk."""
    made = not path.exists()
    with path.open("ab") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    if made:
        sync_folder(path.parent)


@contextlib.contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Hand out an empty folder beside `path` that is gone when the block ends."""
    temporary = _unfinished(path)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Hand out an empty folder that becomes `path` when the block ends: whole and on the disk, or not at all.

    Raises
    ------
    OSError
        There is something in its place by then, which stays.
    """
    with scratch_folder(path) as temporary:
        yield temporary
        for folder, _, names in os.walk(temporary, topdown=False):
            for name in names:
                sync_file(Path(folder, name))
            sync_folder(Path(folder))
        temporary.rename(path)
    sync_folder(path.parent)


def remove_unfinished(path: Path) -> None:
    """Remove what writers of `path` who died left beside it; nobody may be writing it now."""
    token = "[0-9a-f]" * 2 * TOKEN_BYTES  # and nothing else: what is written for `path.more` begins in the same way
    _remove_all(path.parent.glob(f".{glob.escape(path.name)}.{token}{UNFINISHED}"))


def remove_unfinished_below(folder: Path) -> None:
    """Remove what writers who died left half written at any depth of a folder; nobody may be writing into it now."""
    _remove_all(sorted(folder.rglob(f".*{UNFINISHED}")))


def _remove_all(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    """Return a new hidden name beside `path`; no other process, thread or host has the same."""
    return path.with_name(f".{path.name}.{secrets.token_hex(TOKEN_BYTES)}{UNFINISHED}")


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array to an npy file, atomically and without a second copy in memory."""
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


@contextlib.contextmanager
def open_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Iterator[BinaryIO]:
    """Hand out an npy file behind its header, which is there when the block ends; a map of it would fill memory."""
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        write_array_header(stream, dtype, shape)
        yield stream


def write_array_header(stream: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Write the header of an npy file; NumPy pads it so that its size does not depend on the length of the array."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


class MappedArrays(Sequence[NDArray[Any]]):
    """The arrays of many npy files, each mapped into memory when it is asked for; few are open at a time.

    An open map holds a file descriptor, of which a process may have 1,024 by default, and a corpus may have more shards
    than that. The one that was asked for longest ago is closed first.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._open: OrderedDict[int, NDArray[Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, place: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, place: slice) -> "MappedArrays": ...
    def __getitem__(self, place: int | slice) -> "NDArray[Any] | MappedArrays":
        if isinstance(place, slice):
            return MappedArrays(self._paths[place])
        if place not in self._open:
            self._open[place] = np.load(self._paths[place], mmap_mode="r", allow_pickle=False)
            if len(self._open) > MOST_MAPPED:
                self._open.popitem(last=False)
        self._open.move_to_end(place)
        return self._open[place]


def take_rows(path: Path, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return some rows of an npy file, in their order; memory holds these alone.

    They are read, a run of rows at a time: what a map has touched, and what lies around it, stays in memory as long as
    the map is open, and to open one takes longer than to read some rows.
    """
    header = np.load(path, mmap_mode="r", allow_pickle=False)
    width = header.dtype.itemsize * math.prod(header.shape[1:])
    taken = np.empty((len(rows), *header.shape[1:]), header.dtype)
    order = np.argsort(rows, kind="stable")
    starts = np.flatnonzero(np.diff(rows[order], prepend=-2) != 1)  # of runs; no row is the one behind -2
    with path.open("rb") as stream:
        for first, last in pairwise([*starts.tolist(), len(rows)]):
            run = order[first:last]
            stream.seek(header.offset + width * int(rows[run[0]]))
            read = np.frombuffer(stream.read(width * len(run)), header.dtype)
            taken[run] = read.reshape(len(run), *header.shape[1:])  # raises where the file ends before the rows do
    return taken


def array_shape(path: Path) -> tuple[int, ...]:
    """Return the shape that the header of an npy file states."""
    shape: tuple[int, ...] = np.load(path, mmap_mode="r", allow_pickle=False).shape
    return shape


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are not there, each of them synced into the one above it."""
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)


def give_usual_mode(path: Path) -> None:
    """Give a file, or each file in a folder, the mode of any new one; safetensors writes for one account alone."""
    files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
    probe = _unfinished(path / "probe" if path.is_dir() else path)  # asking for the umask sets it, in other threads too
    try:
        probe.touch()
        for file in files:
            file.chmod(stat.S_IMODE(probe.stat().st_mode))
    finally:
        probe.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Have the operating system write a file's bytes to the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(path: Path) -> None:
    """Have the operating system write a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
