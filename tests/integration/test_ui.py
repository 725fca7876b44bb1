"""`climb ui` as a person has it: who is let in, what its processes leave open, and that they end with it."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import write_project
from tests.integration.modes import open_to_others, usual_umask
from tests.integration.processes import assert_gone, launch, wait_until
from tests.integration.test_servers import ASSETS, Server

WIPE = 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["domains"]}}]) { __typename } }'


@pytest.fixture(scope="module")
def private_project(tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path) -> Path:
    """Return a project with `runtime.private`."""
    project = write_project(tmp_path_factory.mktemp("private"), encoder_folder)
    with (project / "climb.yaml").open("a", encoding="utf-8") as stream:
        stream.write("runtime: {private: true}\n")
    return project


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the server's processes put what is temporary; a socket's path is short."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture(scope="module")
def server(private_project: Path, temporary: Path) -> Iterator[Server]:
    """Return a server with a token, for all tests of this file: starting one takes most of a minute."""
    with pytest.MonkeyPatch.context() as environment, usual_umask():
        environment.delenv("CLIMB_UI_TOKEN", raising=False)
        environment.setenv("DAGSTER_WEBSERVER_UVICORN_LOG_LEVEL", "info")  # which logs requests
        environment.setenv("TMPDIR", str(temporary))
        server = Server(private_project, "--token")
        try:
            wait_until(lambda: "token=" in server.launch.log.read_text(), 120, "the address is printed", 0.2)
            printed = re.search(r"\?token=(\S+) ", server.launch.log.read_text())
            assert printed is not None
            server.token = printed[1]
            wait_until(server.ready, 180, "the assets are loaded", 0.5)
            yield server
        finally:
            server.launch.end_family()


@pytest.mark.slow
def test_who_has_the_printed_address_is_let_in_and_nobody_learns_the_token(server: Server) -> None:
    token, address = server.token, f"http://127.0.0.1:{server.port}"
    assert token is not None
    for path in ("/", "/graphql", "/favicon.png", f"/?token={token}x"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address + path, timeout=30)
        assert refused.value.code == 401 and b"that `climb ui` printed" in refused.value.read()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    page = browser.open(f"{address}/assets?token={token}", timeout=30)
    assert page.status == 200 and page.url == f"{address}/assets"
    assert browser.open(f"{address}/favicon.png", timeout=30).status == 200

    log = server.launch.log.read_text()
    assert log.count(token) == 1 and "GET /assets HTTP" in log  # the address alone
    holders = []
    for pid in server.launch.family:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert token.encode() not in command
        if token.encode() in Path(f"/proc/{pid}/environ").read_bytes():
            holders.append(command.split(b"\0")[2].decode())
    assert sorted(holders) == ["dagster_project.server", "dagster_project.webserver"]  # no daemon, no code of runs


@pytest.mark.slow
def test_its_sockets_and_files_are_not_open_to_others(server: Server, private_project: Path, temporary: Path) -> None:
    assert [path for path in temporary.rglob("*") if path.is_socket()]  # of the code servers
    assert open_to_others(temporary) == []
    assert open_to_others(private_project / "data_lake", without=frozenset({"raw"})) == []
    masks = {Path(f"/proc/{pid}/status").read_text().split("Umask:")[1].split()[0] for pid in server.launch.family}
    assert masks == {"0077"}


@pytest.mark.slow
def test_strangers_are_refused_and_its_processes_end_when_it_is_killed(server: Server) -> None:
    assert len(server.launch.family) >= 3
    own = {"Content-Type": "application/json", "Authorization": f"Bearer {server.token}"}
    for header, code in (({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 400)):
        body = json.dumps({"query": ASSETS}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{server.port}/graphql", body, own | header)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        assert refused.value.code == code
    server.launch.kill()
    assert_gone(server.launch, within=60)


@pytest.mark.slow
def test_in_the_background_of_a_script_it_heeds_a_signal_and_read_only_changes_nothing(project: Path) -> None:
    probe = Server.__new__(Server)
    probe.port = 39127
    command = (
        f"{sys.executable} -m dagster_project.cli --config {project}/climb.yaml ui --read-only --port {probe.port}"
    )
    shell = launch(["sh", "-c", f"{command} & echo $! > {project}/pid; wait"], project / "script.log")
    probe.launch = shell
    try:
        wait_until(probe.ready, 180, "the assets are loaded", 0.5)
        assert "ReadOnly" in json.dumps(probe.ask(WIPE)) or "Unauthorized" in json.dumps(probe.ask(WIPE))
        assert not [pid for pid in shell.family if b"dagster-daemon" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        subprocess.run(["kill", f"-{signal.SIGTERM.name[3:]}", (project / "pid").read_text().strip()], check=True)
        assert_gone(shell, within=60)
    finally:
        shell.end_family()
