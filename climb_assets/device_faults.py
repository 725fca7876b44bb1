"""Faults of a device in words: no room, no right to write, a failing disk, a database that cannot be used.

What belongs here: recognising such an error, whichever library raises it, and saying it in one sentence. What to do
about it is the caller's.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator

from climb_assets.printable import printable

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)
TOO_MANY = (errno.EMFILE, errno.ENFILE)


def device_fault(error: BaseException) -> str | None:
    """Return in one sentence what a device refused, or None where the error is of another kind.

    The errors that an error was raised from are looked at too. A pipe whose reader has gone is no fault.
    """
    for one in _causes(error):
        if isinstance(one, BrokenPipeError):
            return None
        if lacks_room(one):
            return f"there is no room left{_place(one)}; make some and run again"
        if isinstance(one, OSError):
            return _say(one)
        if isinstance(one, sqlite3.Error):
            return (
                f"a database of the lake cannot be used ({printable(str(one))}); see that its disk has room and that "
                "this user may write there, then run again"
            )
    return None


def lacks_room(error: BaseException) -> bool:
    """Return whether a disk or a quota is full.

    Libraries in other languages, as safetensors, SQLite and DuckDB, raise errors of their own that quote the system's.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in NO_ROOM
    text = str(error)
    return "database or disk is full" in text or any(os.strerror(number) in text for number in NO_ROOM)


def _say(error: OSError) -> str:
    what = printable(error.strerror or str(error))
    if error.errno in NO_RIGHT:
        return f"this user may not use{_place(error, '')} ({what}); give it the right, or name another place"
    if error.errno in TOO_MANY:
        return f"too many files are open ({what}); raise the limit with `ulimit -n 4096` and run again"
    if error.errno == errno.EIO:
        return f"the device failed{_place(error)} ({what}); look at the disk, then run again"
    return f"the system refused{_place(error, ' the use of')} ({what}); put that right and run again"


def _place(error: BaseException, word: str = " for") -> str:
    name = getattr(error, "filename2", None) or getattr(error, "filename", None)
    return "" if name is None else f"{word} {printable(os.fsdecode(name))}" if isinstance(name, str | bytes) else ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from; SQLAlchemy keeps the database's own under `orig`."""
    while error is not None:
        yield error
        following = error.__cause__ or getattr(error, "orig", None)
        error = following if isinstance(following, BaseException) else None
