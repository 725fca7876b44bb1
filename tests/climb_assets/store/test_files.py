"""Files on disk: whole or not at all, and every folder that is made is synced into the one above."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climb_assets.errors import CorruptArtifact
from climb_assets.store.files import (
    atomic_file,
    atomic_folder,
    file_size,
    make_folder,
    read_file,
    remove_unfinished,
    sizes_below,
    take_rows,
    write_array,
    write_atomically,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list of the inodes that are synced, as they are."""
    inodes: list[int] = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        inodes.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    return inodes


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "file").exists()
    assert (tmp_path / "file").read_text() == "new"
    assert names(tmp_path) == ["file"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "file") as one, atomic_file(tmp_path / "file") as two:
        one.write_text("one")
        two.write_text("two")
    assert (tmp_path / "file").read_text() == "one"  # whose block ended last
    assert names(tmp_path) == ["file"]


def test_a_file_and_its_name_are_synced(tmp_path: Path, synced: list[int]) -> None:
    write_atomically(tmp_path / "file", b"bytes")
    assert synced == [(tmp_path / "file").stat().st_ino, tmp_path.stat().st_ino]


def test_every_folder_that_is_made_is_synced_into_the_one_above(tmp_path: Path, synced: list[int]) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    assert synced == [folder.stat().st_ino for folder in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")]
    make_folder(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3


@pytest.mark.parametrize("array", [np.arange(6, dtype=np.int32).reshape(2, 3), np.zeros((0, 4), np.float16)])
def test_an_array_has_the_bytes_that_numpy_gives_it(tmp_path: Path, array: np.ndarray) -> None:
    write_array(tmp_path / "array.npy", array)
    buffer = io.BytesIO()
    np.save(buffer, array)
    assert (tmp_path / "array.npy").read_bytes() == buffer.getvalue()


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "made"
    with pytest.raises(ZeroDivisionError), atomic_folder(path) as folder:
        (folder / "half").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(path) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("whole")
        assert not path.exists()
    assert (path / "deep" / "file").read_text() == "whole"
    with pytest.raises(OSError), atomic_folder(path) as folder:
        (folder / "file").write_text("later")
    assert [entry.name for entry in path.iterdir()] == ["deep"], "what is there stays"


def test_what_dead_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    others = [".made.v2.0123456789ab.tmp", ".made.yaml", ".other.0123456789ab.tmp"]
    for name in (".made.0123456789ab.tmp", *others):
        (tmp_path / name).mkdir()
    (tmp_path / ".made.ba9876543210.tmp").write_text("x")
    for name in ("made", "m*", "[m]ade"):
        remove_unfinished(tmp_path / name)
    assert names(tmp_path) == others


NO_FILES: list[Callable[[Path], None]] = [
    os.mkfifo,
    Path.mkdir,
    lambda path: path.symlink_to(path),
    lambda path: path.symlink_to("n" * 300),
]


@pytest.mark.parametrize("put", NO_FILES)
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "x")
    with pytest.raises(CorruptArtifact, match="x is no regular file"):
        read_file(tmp_path / "x")


@pytest.mark.parametrize("put", [*NO_FILES, lambda path: path.symlink_to("/dev/null/x"), lambda path: None])
def test_what_is_no_regular_file_has_no_size_and_stops_no_look(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "x")
    assert file_size(f"{tmp_path}/x") is None
    (tmp_path / "y").write_bytes(b"12")
    assert file_size(f"{tmp_path}/y") == sizes_below(tmp_path)["y"] == 2


def test_a_link_is_followed_and_what_is_gone_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link") == b"x"
    (tmp_path / "file").unlink()
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "link")


@given(st.lists(st.integers(0, 29), max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_rows_of_an_array_come_in_the_order_that_is_asked_for(tmp_path: Path, rows: list[int]) -> None:
    array = np.arange(90, dtype=np.float16).reshape(30, 3)
    write_array(tmp_path / "array.npy", array)
    taken = take_rows(tmp_path / "array.npy", np.array(rows, np.int64))
    assert taken.dtype == array.dtype and taken.tolist() == array[np.array(rows, np.int64)].tolist()


def test_a_row_that_an_array_lacks_is_not_made_up(tmp_path: Path) -> None:
    write_array(tmp_path / "array.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match="reshape"):
        take_rows(tmp_path / "array.npy", np.array([2, 3]))
