"""Ctrl-C and SIGTERM: one line, the exit code that shells expect, and at once; the next command goes on."""

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import Up
from tests.integration.processes import ROOT, Launch, assert_gone, climb, launch, wait_until

AT_WORK = 2.0  # seconds of its processor; a start takes half of them
AT_ONCE = 60.0  # seconds; alone it takes one, beside other work more than fifteen were seen


def working(project: Path) -> Launch:
    """Start `climb up` and wait until workers work on shards."""
    with (project / "climb.yaml").open("a", encoding="utf-8") as stream:
        stream.write("runtime: {workers: 2}\n")
    started = climb(project, "up", "--to", "embeddings")
    lake = project / "data_lake"
    wait_until(lambda: any((lake / "artifacts").rglob(".*.partial")), 60, "something is being made")
    return started


@pytest.mark.slow
@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_up_ends_at_once_and_says_how_to_go_on(project: Path, up: Up, number: signal.Signals, word: str) -> None:
    started = working(project)
    try:
        begun = time.monotonic()
        started.process.send_signal(number)
        assert started.finish(AT_ONCE) == 128 + number
        assert time.monotonic() - begun < AT_ONCE
        assert_gone(started)
        log = started.log.read_text(encoding="utf-8")
        assert "Traceback" not in log
        assert log.splitlines()[-1].startswith(f"climb: {word}; what is finished is kept; give the same command again")
    finally:
        started.end_family()
    assert up(to="embeddings").made > 0


@pytest.mark.slow
def test_ctrl_c_at_a_terminal_reaches_every_process_and_one_of_them_speaks(project: Path) -> None:
    command = [sys.executable, "-m", "dagster_project.cli", "--config", project / "climb.yaml", "up", "--to", "domains"]
    leader, follower = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a script's background ignores it

    process = subprocess.Popen(
        command,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(follower)
    try:
        wait_until(lambda: any((project / "data_lake").glob("artifacts/*/*/.*.partial")), 60, "something is being made")
        os.write(leader, b"\x03")
        assert process.wait(AT_ONCE) == 130
        shown = read_all(leader)
    finally:
        process.kill()
        os.close(leader)
    assert "Traceback" not in shown and "KeyboardInterrupt" not in shown
    assert "climb: interrupted; what is finished is kept; give the same command again" in shown.splitlines()[-1]


def has_computed(started: Launch) -> bool:
    """Return whether a command is beyond its start, as its processor time tells."""
    times = psutil.Process(started.process.pid).cpu_times()
    return times.user + times.system > AT_WORK


def read_all(terminal: int) -> str:
    """Return what was printed on a terminal that no process has open any longer."""
    shown = b""
    with contextlib.suppress(OSError):  # EIO is the end
        while piece := os.read(terminal, 65536):
            shown += piece
    return shown.decode()


@pytest.mark.slow
def test_a_query_that_heeds_no_request_is_ended_when_its_time_is_up(project: Path) -> None:
    with (project / "climb.yaml").open("a", encoding="utf-8") as stream:
        stream.write("sql: {seconds: 1}\n")
    started = climb(project, "sql", "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))")
    try:
        assert started.finish(60) == 2
        log = started.log.read_text(encoding="utf-8")
        assert log.startswith("climb: the query took longer than 1 s and heeds no request") and log.count("\n") == 1
    finally:
        started.end_family()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_query_ends_at_once(project: Path, number: signal.Signals) -> None:
    query = "SELECT count(*) FROM range(2000000000) a, range(1000) b"
    started = climb(project, "sql", query)
    try:
        wait_until(lambda: has_computed(started), 60, "the query is at work")
        begun = time.monotonic()
        started.process.send_signal(number)
        assert started.finish(AT_ONCE) == 128 + number
        assert time.monotonic() - begun < AT_ONCE
        assert len(started.log.read_text(encoding="utf-8").splitlines()) == 1
    finally:
        started.end_family()


@pytest.mark.slow
def test_in_the_background_of_a_script_sigint_stays_ignored_and_sigterm_ends_it(project: Path) -> None:
    command = [sys.executable, "-m", "dagster_project.cli", "--config", project / "climb.yaml", "sql"]
    query = "SELECT count(*) FROM range(2000000000) a, range(1000) b"
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *map(str, command), query]
    started = launch(ignoring, project / "sql.log")
    try:
        wait_until(lambda: has_computed(started), 60, "the query is at work")
        os.kill(started.process.pid, signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            started.finish(1)
        os.kill(started.process.pid, signal.SIGTERM)
        assert started.finish(10) == 143
    finally:
        started.end_family()
    assert ROOT.is_dir()
