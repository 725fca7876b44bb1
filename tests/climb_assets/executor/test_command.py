"""A command of the user's: what becomes of it, and that nothing of it is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from climb_assets.executor.command import Command, run_command

LONG = 600.0


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Command]:
    """Return a maker of commands that run Python code in the test's folder."""
    return lambda code, *arguments, **environment: Command(
        [sys.executable, "-c", code, *arguments],
        tmp_path,
        {"PATH": os.environ["PATH"]} | environment,
        tmp_path / "stdout.txt",
        tmp_path / "stderr.txt",
    )


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + 60
    while alive(pid):
        assert time.monotonic() < end, "it is left running"
        time.sleep(0.05)


def read_pid(path: Path) -> int:
    end = time.monotonic() + 60
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < end, "it does not begin"
        time.sleep(0.02)
    return int(path.read_text())


def test_it_runs_in_its_folder_with_its_variables_and_its_prints_are_kept(command, tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd(), sorted(os.environ)[:1], sys.argv[1:]); print('odd', file=sys.stderr)"
    given = command(code, "$HOME; *", A="1")
    assert run_command(given, LONG) is None
    assert run_command(given, LONG) is None
    line = f"{tmp_path} ['A'] ['$HOME; *']\n"  # no shell has read it
    assert (tmp_path / "stdout.txt").read_text() == 2 * line
    assert (tmp_path / "stderr.txt").read_text() == "odd\nodd\n"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise SystemExit(3)", "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9 (Killed)"),
    ],
)
def test_a_failure_is_told(command, code: str, told: str) -> None:
    assert run_command(command(code), LONG) == told


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    nowhere = Command(["./nowhere"], tmp_path, {}, tmp_path / "out", tmp_path / "err")
    assert run_command(nowhere, LONG) == "could not be started (./nowhere: No such file or directory)"


LEAVING = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, file=open("child", "w"))
"""
WAITING = LEAVING + "time.sleep(600)\n"


def test_what_takes_too_long_is_ended_with_all_that_it_has_started(command, tmp_path: Path) -> None:
    assert run_command(command(WAITING), 10.0) == "took longer than 10 s"
    wait_until_gone(read_pid(tmp_path / "child"))


def test_what_it_leaves_running_is_ended(command, tmp_path: Path) -> None:
    assert run_command(command(LEAVING), LONG) is None
    wait_until_gone(read_pid(tmp_path / "child"))


def test_it_ends_when_whoever_runs_it_is_killed(command, tmp_path: Path) -> None:
    running = "from climb_assets.executor.command import *; from pathlib import *; import sys; run_command({!r}, 600)"
    given = running.format(command(WAITING)).replace("PosixPath", "Path")
    parent = subprocess.Popen([sys.executable, "-c", given], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    child = read_pid(tmp_path / "child")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until_gone(child)
