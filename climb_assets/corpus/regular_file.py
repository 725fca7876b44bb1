"""Opening what strangers put into a folder: regular files, and nothing that blocks or leads elsewhere.

What belongs here: the one way in which files from outside are opened. Which links are followed is `raw_files`.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_NO_FILE = {errno.ELOOP, errno.ENXIO}  # what opening a link and a socket gives


class IrregularFileError(Exception):
    """A path that is there and is no regular file: a link, a folder, a FIFO, a socket or a device."""


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; never blocks.

    Raises
    ------
    IrregularFileError
        It is no regular file.
    OSError
        It is not there, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise IrregularFileError(f"{path} is not a regular file") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IrregularFileError(f"{path} is not a regular file")
    return os.fdopen(descriptor, "rb")
