"""`climb ui` as a person ends it: its server and its daemon end with it."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.processes import assert_gone, launch, wait_until
from tests.integration.test_servers import ASSETS, Server

WIPE = 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["domains"]}}]) { __typename } }'


@pytest.fixture
def server(project: Path) -> Iterator[Server]:
    server = Server(project)
    try:
        wait_until(server.ready, 180, "the assets are loaded", 0.5)
        yield server
    finally:
        server.launch.end_family()


@pytest.mark.slow
def test_its_processes_end_when_it_is_killed_and_strangers_are_refused(server: Server) -> None:
    assert len(server.launch.family) >= 3
    address = f"http://127.0.0.1:{server.port}/graphql"
    body = json.dumps({"query": ASSETS}).encode()
    for header in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        request = urllib.request.Request(address, body, {"Content-Type": "application/json", **header})
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=30)
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
