"""`runtime.private` in real processes: what they write, and the sockets that they listen on, are for one account."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.processes import climb, wait_until
from tests.integration.test_servers import Server

OTHERS = 0o077


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Begin with the umask that most accounts have."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def private_project(project: Path) -> Path:
    """Return a project with `runtime.private`, whose folders are open to all as a person's usually are."""
    with (project / "climb.yaml").open("a", encoding="utf-8") as stream:
        stream.write("runtime: {private: true}\n")
    return project


def open_to_others(folder: Path, *, without: frozenset[str] = frozenset()) -> list[str]:
    """Return the entries below a folder that another account may use if it may enter the folder, with their modes."""
    return [
        f"{path.lstat().st_mode & 0o777:o} {path.relative_to(folder)}"
        for path in folder.rglob("*")
        if path.relative_to(folder).parts[0] not in without and not path.is_symlink() and path.lstat().st_mode & OTHERS
    ]


@pytest.mark.slow
def test_nothing_that_a_search_leaves_is_open_to_others(private_project: Path) -> None:
    lake = private_project / "data_lake"
    log = private_project / "up.log"
    assert climb(private_project, "up").finish() == 0, log.read_text()
    assert f"chmod go= {lake}" in log.read_text()  # which a person made before
    assert climb(private_project, "export", "general", "--format", "hf").finish() == 0
    assert climb(private_project, "audit", "general").finish() == 0
    made = {path.name for path in lake.iterdir()}
    assert {"artifacts", "refs", "dagster_home", "export"} <= made
    assert open_to_others(lake, without=frozenset({"raw"})) == []
    assert open_to_others(lake / "raw")  # of the person who laid them there
    log.unlink()
    lake.chmod(0o700)
    assert climb(private_project, "plan").finish() == 0
    assert "chmod" not in (private_project / "plan.log").read_text()


@pytest.mark.slow
def test_sockets_and_temporary_files_of_the_server_are_not_open_to_others(
    private_project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("t")
    monkeypatch.setenv("TMPDIR", str(temporary))
    server = Server(private_project)
    try:
        wait_until(server.ready, 180, "the assets are loaded", 0.5)
        assert [path for path in temporary.rglob("*") if path.is_socket()]  # of the code servers
        assert open_to_others(temporary) == []
        assert open_to_others(private_project / "data_lake", without=frozenset({"raw"})) == []
        masks = {Path(f"/proc/{pid}/status").read_text().split("Umask:")[1].split()[0] for pid in server.launch.family}
        assert masks == {"0077"}
        server.stop()
    finally:
        server.launch.end_family()
