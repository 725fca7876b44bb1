"""`climb` as people run it: real processes that a test can start, watch and kill.

What belongs here: starting, finding and ending processes, and reading what they left in a lake.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from climb_assets.graph.assets import SPECS
from climb_assets.store.artifacts import RUN_FACTS, sha256_file
from climb_assets.store.local import LocalStore

ROOT = Path(__file__).parents[2]
MARK = "CLIMB_TEST_MARK"
EVERY_MOMENT = os.environ.get("CLIMB_TEST_MOMENTS") == "all"  # of those at which something is killed; else some


@dataclass
class Launch:
    """One started command; the mark in its environment is inherited by every process that it starts."""

    process: subprocess.Popen
    log: Path
    mark: str

    @property
    def family(self) -> list[int]:
        """The living processes that carry the mark."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:  # it ended meanwhile, or is somebody else's
                continue
        return found

    def finish(self, timeout: float = 300) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(timeout)

    def kill(self) -> None:
        """SIGKILL the started process, and only it."""
        self.process.kill()
        self.process.wait(60)

    def end_family(self) -> None:
        """Kill whatever is left, so that a failing test leaves nothing behind."""
        for pid in self.family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(60)


def launch(command: Sequence[str | Path], log: Path) -> Launch:
    """Start a command in a session of its own, its output in a file."""
    mark = uuid.uuid4().hex
    with log.open("ab") as stream:
        process = subprocess.Popen(
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a script's background ignores it
            args=[str(word) for word in command],
            cwd=ROOT,
            env={**os.environ, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Launch(process, log, mark)


def climb(project: Path, *arguments: str) -> Launch:
    """Start `climb` on a project; the log lies beside its climb.yaml."""
    command = [sys.executable, "-m", "dagster_project.cli", "--config", project / "climb.yaml", *arguments]
    return launch(command, project / f"{arguments[0]}.log")


def wait_until(happened: Callable[[], bool], timeout: float, what: str, pause: float = 0.05) -> None:
    """Poll until it happened; fail after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(pause)


def assert_gone(started: Launch, within: float = 15) -> None:
    """Assert that no process of a killed command lives on."""
    wait_until(lambda: not started.family, within, f"processes {started.family} end with their parent", 0.05)


def contents(lake: LocalStore) -> dict[str, str]:
    """Return the SHA-256 of every file of every current artefact, proxies included, by its path under artifacts/.

    What may differ between equal runs is left out.
    """
    artifacts = [lake.get(spec.asset, key) for spec in SPECS for key in lake.partitions(spec.asset) or [None]]
    for store in ("proxy_models", "proxy_scores", "proxy_tasks"):
        artifacts += lake.all_of(store)
    return {
        path.relative_to(lake.root / "artifacts").as_posix(): sha256_file(path)
        for artifact in artifacts
        for path in sorted(artifact.path.rglob("*"))
        if path.is_file() and path.name != RUN_FACTS
    }


def trained(lake: Path) -> dict[str, int]:
    """Return when each finished proxy was committed (ns), by its fingerprint."""
    folder = lake / "artifacts" / "proxy_models" / "_"
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("[0-9a-f]*/manifest.json")}
