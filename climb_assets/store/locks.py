"""Locks of a file system: rights that end with the process that holds them.

What belongs here: flock(2) on a file that may be removed when nobody holds it. What a right is for belongs to
`climb_assets.store.local`.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from climb_assets.errors import ArgumentError
from climb_assets.store.files import make_folder, real_path, remove_unfinished

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def hold(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a file, made if absent, until the block or the process ends; False: there are no locks here.

    Parameters
    ----------
    shared
        Others may hold it too, if all of them share it.

    Raises
    ------
    BlockingIOError
        Somebody else holds it, and the caller does not wait.
    """
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    make_folder(path.parent)
    while True:
        with path.open("a+b") as stream:  # NFS grants a shared lock to readers alone, another to writers alone
            try:
                fcntl.flock(stream, operation)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                yield False
                return
            if _lies_at(path, stream):  # else it was removed while we waited, and the next one has a new file
                yield True
                return


@contextlib.contextmanager
def write_alone(path: Path, *, wait: bool = False) -> Iterator[Path]:
    """Hold the right to write what is to lie at a path, without what writers who died left beside it.

    Hands out where that is: links are followed, and stay.

    Parameters
    ----------
    wait
        Whether to wait for another writer, rather than refuse.

    Raises
    ------
    ArgumentError
        Another process is writing it, or nothing can be written there.
    """
    place = real_path(path)  # "." has no name beside which anything can be written
    if not place.name or place.is_symlink():
        raise ArgumentError(f"{path} is the root of a file system or a link to itself; name another place")
    lock = place.with_name(f".{place.name}.lock")
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(hold(lock, wait=wait))
        except BlockingIOError:
            raise ArgumentError(f"{path} is being written by another process; wait for it") from None
        held.callback(lock.unlink, missing_ok=True)
        remove_unfinished(place)
        yield place


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock of a file for itself; True where nobody can tell."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def remove_unheld(path: Path) -> bool:
    """Remove the file of a lock unless somebody holds it; return whether it was. Who waits for it makes a new one."""
    try:
        with hold(path, wait=False) as granted:
            if granted:
                path.unlink()
            return granted
    except BlockingIOError:
        return False


def _lies_at(path: Path, stream: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
