"""Faults of a device in words, whichever library raised them."""

import errno
import os
import re
import sqlite3
from pathlib import Path

import duckdb
import pytest
import sqlalchemy.exc

from climb_assets.device_faults import device_fault


def system_error(number: int, path: str | None = "/lake/x") -> OSError:
    """Return an error of the operating system."""
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (system_error(errno.ENOSPC), "there is no room left for /lake/x; make some and run again"),
        (system_error(errno.EDQUOT, None), "there is no room left; make some"),
        (system_error(errno.EROFS), "this user may not use /lake/x .*Read-only file system.*; give it the right"),
        (system_error(errno.EACCES), "this user may not use /lake/x .*Permission denied"),
        (system_error(errno.EIO), "the device failed for /lake/x .*; look at the disk, then run again"),
        (system_error(errno.EMFILE), "too many files are open .*ulimit -n"),
        (system_error(errno.ESTALE), "the system refused the use of /lake/x .*Stale"),
        (OSError("Couldn't deserialize thrift\n\x1b[2J"), r"the system refused \(Couldn't deserialize thrift"),
        (sqlite3.OperationalError("database or disk is full"), "there is no room left; make some"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "a database of the lake cannot be used"),
        (sqlite3.DatabaseError("file is not a database"), "a database of the lake cannot be used"),
        (duckdb.IOException("could not write: No space left on device"), "there is no room left"),
        (
            sqlalchemy.exc.OperationalError("INSERT INTO x", {}, sqlite3.OperationalError("disk I/O error")),
            r"a database of the lake cannot be used \(disk I/O error\)",
        ),
    ],
)
def test_each_is_one_sentence_with_what_to_do(error: Exception, said: str) -> None:
    found = device_fault(error)
    assert found is not None and re.search(said, found) and found.isprintable()


def test_the_cause_is_looked_at_and_a_defect_is_none() -> None:
    wrapped = RuntimeError("a step failed")
    wrapped.__cause__ = system_error(errno.EIO)
    assert device_fault(wrapped) is not None
    assert device_fault(KeyError("x")) is None
    assert device_fault(BrokenPipeError(errno.EPIPE, "Broken pipe")) is None


def test_a_real_file_system_error_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        (tmp_path / "gone" / "x").write_bytes(b"")
    assert str(tmp_path / "gone" / "x") in str(device_fault(caught.value))
