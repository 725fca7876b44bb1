"""Of those who write one place outside the lake, one does."""

import threading
from pathlib import Path

import pytest

from climb_assets.errors import ArgumentError
from climb_assets.store.locks import write_alone


def test_a_place_that_another_writes_is_refused_or_waited_for(tmp_path: Path) -> None:
    out, order = tmp_path / "new" / "out", list[str]()

    def wait() -> None:
        with write_alone(out, wait=True):
            order.append("second")

    second = threading.Thread(target=wait)
    with write_alone(out):
        second.start()
        with (
            pytest.raises(ArgumentError, match=r"out is being written by another process; wait for it"),
            write_alone(out),
        ):
            pass
        order.append("first")
    second.join()
    assert order == ["first", "second"]
    assert list(out.parent.iterdir()) == []


def test_a_place_is_where_links_lead_and_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    with write_alone(tmp_path / "link") as place:
        assert place == tmp_path / "real"
        with pytest.raises(ArgumentError, match="being written"), write_alone(tmp_path / "real"):
            pass
    (tmp_path / "loop").symlink_to("loop")
    for path in (Path("/"), tmp_path / "loop"):
        with pytest.raises(ArgumentError, match="name another place"), write_alone(path):
            pass


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    left, other = tmp_path / ".out.0123456789ab.tmp", tmp_path / ".other.0123456789ab.tmp"
    for folder in (left, other):
        folder.mkdir()
        (folder / "half").touch()
    with write_alone(tmp_path / "out"):
        assert not left.exists() and other.exists()
