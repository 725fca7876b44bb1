"""Standard error as the user sees it.

What belongs here: a way to it that stays. Dagster puts files in the place of standard output and error while a run goes
on, and a process of its own shows what is written there, later or, where it was ended first, not at all.
"""

import os
import sys
from pathlib import Path
from typing import TextIO


def copy_of_stderr() -> TextIO:
    """Return a stream to where standard error leads now, line by line; what an encoding lacks is escaped."""
    if sys.stderr is None:  # closed by whoever started this process
        return Path(os.devnull).open("w", encoding="utf-8")
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except OSError:  # it is no file of the operating system: a test's
        return sys.stderr
    return os.fdopen(descriptor, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)
