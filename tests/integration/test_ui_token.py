"""`climb ui --token`: the real server lets in who has what it printed, and tells nobody else the token."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.processes import wait_until
from tests.integration.test_servers import Server


@pytest.fixture
def server(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("CLIMB_UI_TOKEN", raising=False)
    monkeypatch.setenv("DAGSTER_WEBSERVER_UVICORN_LOG_LEVEL", "info")  # which logs requests
    server = Server(project, "--token")
    try:
        wait_until(lambda: "token=" in server.launch.log.read_text(), 60, "the address is printed", 0.2)
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
