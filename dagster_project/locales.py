"""Locales that are not UTF-8: the same names and results under each, and output that degrades.

What belongs here: what a process does about its locale before and while it prints.
"""

import codecs
import io
import os
import sys


def use_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale has another encoding, and names of files with it.

    The terminal keeps its encoding: what it cannot show is printed as an escape.
    """
    if codecs.lookup(sys.getfilesystemencoding()).name != "utf-8":
        shown = f"{sys.stdout.encoding or 'ascii'}:backslashreplace"
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": shown})


def survive_any_locale() -> None:
    """Let what the locale cannot show be printed as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
