"""Who may use what lies in a folder, by its modes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OTHERS = 0o077


@contextmanager
def usual_umask() -> Iterator[None]:
    """Have the umask that most accounts have."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def open_to_others(folder: Path, *, without: frozenset[str] = frozenset()) -> list[str]:
    """Return the entries below a folder that another account may use if it may enter the folder, with their modes."""
    return [
        f"{path.lstat().st_mode & 0o777:o} {path.relative_to(folder)}"
        for path in folder.rglob("*")
        if path.relative_to(folder).parts[0] not in without and not path.is_symlink() and path.lstat().st_mode & OTHERS
    ]
