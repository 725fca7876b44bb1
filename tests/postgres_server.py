"""A real PostgreSQL server for tests: a cluster of its own in a temporary folder, reached by a Unix socket alone.

What belongs here: starting, stopping and asking it. The server is what the system's packages brought; it refuses to run
as root, so root's tests run it as the account that the packages made.
"""

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

ACCOUNT = "postgres"  # which Debian's package makes; also the name of the cluster's owner
PR_SET_PDEATHSIG = 1
# No test outlives a power cut, and one that ends must find nobody waiting.
SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=50")


def require_server() -> Path:
    """Return the folder of the server's programs; skip a test where there are none, or no client library."""
    pytest.importorskip("dagster_postgres", reason="dagster-postgres is not installed: pip install 'climb[postgres]'")
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    folder = Path(found).resolve().parent if found else folders[-1] if folders else None
    if folder is None or not (folder / "initdb").exists():
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    return folder


class PostgresServer:
    """A server that can be stopped and started again.

    Parameters
    ----------
    programs
        The folder of initdb and postgres.
    folder
        Where its data and its socket lie; it must be short, as the path of a socket has at most 107 bytes.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.process: subprocess.Popen[bytes] | None = None
        self.owner: dict[str, Any] = {}
        if os.getuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(folder, account.pw_uid, account.pw_gid)
            self.owner = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.password = secrets.token_hex(16)  # another account of this machine reaches the socket too
        (folder / "password").write_text(self.password)
        options = ["--no-sync", "--auth=scram-sha-256", "--no-locale", "--encoding=UTF8", f"--username={ACCOUNT}"]
        self._run("initdb", *options, f"--pwfile={folder / 'password'}", "--pgdata", str(folder / "data"))
        (folder / "password").unlink()
        folder.chmod(0o711)  # a user of another namespace is no owner

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [*SETTINGS, f"unix_socket_directories={self.folder}"]
        options = [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=_end_with(os.getpid()),
                **self.owner,
            )
        end = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < end and self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends all sessions and tidies up, SIGQUIT leaves that to the next start, as a crash does."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(60)

    def create(self, database: str) -> str:
        """Make an empty database; return its URL."""
        self.ask(ACCOUNT, f"CREATE DATABASE {database}")
        return self.url(database)

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql+psycopg2://{ACCOUNT}:{self.password}@/{database}?host={quote(str(self.folder), safe='')}"

    def ask(self, database: str, query: str) -> list[str]:
        """Return the rows of a query, their columns parted by ``|``."""
        words = ["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--host", str(self.folder)]
        answer = self._run("psql", *words, "--username", ACCOUNT, "--dbname", database, "--command", query)
        return answer.splitlines()

    def _answers(self) -> bool:
        command = [self.programs / "pg_isready", "--quiet", "--host", self.folder]
        return subprocess.run(command, cwd=self.folder).returncode == 0

    def _run(self, program: str, *arguments: str) -> str:
        command = [self.programs / program, *arguments]
        environment = {**os.environ, "PGPASSWORD": self.password}
        ended = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, **self.owner)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


def _end_with(parent: int) -> Callable[[], None] | None:
    """Return what lets a child end with its parent; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)

    def begin() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
        if os.getppid() != parent:
            os._exit(1)

    return begin


@contextlib.contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """Hand out a running server that holds nothing and ends with the block."""
    programs = require_server()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        server = PostgresServer(programs, folder)
        server.start()
        try:
            yield server
        finally:
            if server.process is not None and server.process.poll() is None:
                server.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
