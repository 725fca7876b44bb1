"""A real object server for tests: moto's S3 in a process of its own, and a proxy before it that does what stores do.

What belongs here: starting both on loopback, and the faults. moto keeps If-None-Match and If-Match as S3 does; not
every server does, so exclusivity is proved on no other.
"""

import contextlib
import http.client
import http.server
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

Fault = Literal["500", "409", "lost answer", "cut upload", "cut answer", "slow", "403"]

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "name", "AWS_SECRET_ACCESS_KEY": "very-secret-key", "AWS_REGION": "us-east-1"}
BUCKET = "climb"
OWNER = (
    "AWS4-HMAC-SHA256 Credential=name/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"  # trusted
)


def require_packages() -> None:
    """Skip a test where what it needs is not installed."""
    for package in ("obstore", "moto", "flask_cors"):
        pytest.importorskip(package, reason="no object store is installed: pip install 'climb[objects,dev]'")


@contextlib.contextmanager
def run_object_server() -> Iterator[str]:
    """Hand out the URL of an S3 server that holds one empty bucket and ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(urllib.request.Request(f"{url}/{BUCKET}", method="PUT"), timeout=30)
                break
            except urllib.error.URLError:
                assert time.monotonic() < end and process.poll() is None, "the object server does not start"
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait(60)


def environment_of(url: str) -> dict[str, str]:
    """Return the environment in which a process finds an object server."""
    return ENVIRONMENT | {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true"}


class Uploads:
    """Puts objects below an address and removes them, as somebody does who knows nothing of climb.

    Parameters
    ----------
    url
        The server.
    address
        ``s3://climb/prefix``.
    """

    def __init__(self, url: str, address: str) -> None:
        self.address = address
        self._host, self._folder = url.removeprefix("http://"), address.removeprefix("s3:/")
        self._connection: http.client.HTTPConnection | None = None

    def put(self, key: str, data: bytes) -> None:
        """Put one object, under whatever key."""
        self._ask("PUT", key, data)

    def put_folder(self, folder: Path) -> None:
        """Put every file of a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(path.relative_to(folder).as_posix(), path.read_bytes())

    def remove(self, key: str) -> None:
        """Remove one object."""
        self._ask("DELETE", key, b"")

    def _ask(self, method: str, key: str, data: bytes) -> None:
        connection = self._connection = self._connection or http.client.HTTPConnection(self._host, timeout=60)
        connection.request(method, urllib.parse.quote(f"{self._folder}/{key}"), data, {"Authorization": OWNER})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (200, 204), (answer.status, key)


class FaultyProxy(http.server.ThreadingHTTPServer):
    """Passes requests on to an object server, apart from those that a test wants to go wrong.

    Parameters
    ----------
    url
        The server behind it.
    drop
        Headers that are not passed on, as by servers that know no conditions.
    pause
        Seconds that a slow answer takes longer.
    """

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, url: str, drop: tuple[str, ...] = (), pause: float = 0.3) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = url.removeprefix("http://")
        self.drop, self.pause = drop, pause
        self.requests: list[tuple[str, str, Fault | None]] = []  # method, path, and what went wrong with it
        self.answers: list[tuple[str, str, int]] = []  # method, path, and the status that the server behind gave
        self._faults: list[tuple[Fault, str, str]] = []
        self._mutex = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fail(self, fault: Fault, method: str, part: str = "", times: int = 1) -> None:
        """Let the next requests of a method go wrong whose path holds a part."""
        with self._mutex:
            self._faults += [(fault, method, part)] * times

    def heal(self) -> None:
        """Let nothing go wrong from now on."""
        with self._mutex:
            self._faults.clear()

    def fault_of(self, method: str, path: str) -> Fault | None:
        """Return what is to go wrong with a request, and note it."""
        with self._mutex:
            found = next((one for one in self._faults if one[1] == method and one[2] in path), None)
            if found is not None:
                self._faults.remove(found)
            fault = None if found is None else found[0]
            self.requests.append((method, path, fault))
            return fault

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that are cut: that is what they are for."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def _answer(self) -> None:
        fault = self.server.fault_of(self.command, self.path)
        size = int(self.headers.get("Content-Length") or 0)
        if fault == "cut upload":
            self.rfile.read(size // 2)
            self._cut()
            return
        body = self.rfile.read(size)
        if fault in ("500", "409", "403"):
            self._say(int(fault), b"<Error><Code>Fault</Code></Error>")
            return
        if fault == "slow":
            time.sleep(self.server.pause)
        connection = http.client.HTTPConnection(self.server.behind, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in self.server.drop}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        self.server.answers.append((self.command, self.path, answer.status))
        data = answer.read()
        connection.close()
        if fault == "lost answer":  # it was done, and nobody is told
            self._cut()
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if fault == "cut answer":
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self._cut()
            return
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815

    def _say(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *arguments: object) -> None:
        """Write nothing."""


@contextlib.contextmanager
def run_faulty_proxy(url: str, drop: tuple[str, ...] = (), pause: float = 0.3) -> Iterator[FaultyProxy]:
    """Hand out a proxy before a server that ends with the block."""
    with FaultyProxy(url, drop, pause) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
