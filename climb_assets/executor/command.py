"""A command of the user's: run without a shell, bounded in time, and never left behind.

What belongs here: one process and what becomes of it. What is run, and what it has to give back, is the caller's.

Between a worker and a command stands a supervisor, a small process of this module. The command leads a process group of
its own, which the supervisor ends when its standard input does: when the worker asks for it by closing the pipe, and
when the worker dies, however it does.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

GRACE = 10.0  # seconds between asking a group to end and ending it
LOOK = 0.05  # seconds between looks whether it has


@dataclass(frozen=True)
class Command:
    """What is run.

    Parameters
    ----------
    arguments
        The program and its arguments.
    folder
        Where.
    environment
        All its variables.
    stdout, stderr
        Files that what it prints is added to.
    """

    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    stdout: Path
    stderr: Path


def run_command(command: Command, seconds: float) -> str | None:
    """Run a command to its end; return None if that was exit code 0, else what became of it, in words.

    Parameters
    ----------
    seconds
        After these it is ended, with all that it has started in its process group.
    """
    described = asdict(command) | {name: str(getattr(command, name)) for name in ("folder", "stdout", "stderr")}
    with subprocess.Popen(
        [sys.executable, "-P", "-c", "from climb_assets.executor.command import supervise; supervise()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,  # no signal of a terminal reaches it
    ) as supervisor:
        assert supervisor.stdin is not None and supervisor.stdout is not None
        print(json.dumps(described), file=supervisor.stdin, flush=True)
        try:
            supervisor.wait(seconds)
        except subprocess.TimeoutExpired:
            supervisor.stdin.close()
            supervisor.wait()
            return f"took longer than {seconds:g} s"
        finally:
            supervisor.stdin.close()
        return _in_words(json.loads(supervisor.stdout.read() or "{}"))


def _in_words(outcome: Mapping[str, Any]) -> str | None:
    code = outcome.get("code")
    if "error" in outcome:
        return f"could not be started ({outcome['error']})"
    if code is None:
        return "lost its supervisor"
    if code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code) or 'unknown'})"
    return f"ended with exit code {code}" if code else None


def supervise() -> None:
    """Be a supervisor: start the command that a line of standard input describes, and end it when the input ends."""
    described = json.loads(sys.stdin.buffer.readline())
    try:
        with Path(described["stdout"]).open("ab") as stdout, Path(described["stderr"]).open("ab") as stderr:
            child = subprocess.Popen(
                described["arguments"],
                cwd=described["folder"],
                env=described["environment"],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
    except OSError as error:
        print(json.dumps({"error": f"{error.filename}: {error.strerror}"}), flush=True)
        return
    threading.Thread(target=_end_with_input, args=(child,), daemon=True).start()
    code = child.wait()
    _signal_group(child.pid, signal.SIGKILL)  # what it has left running
    print(json.dumps({"code": code}), flush=True)
    os._exit(0)  # or the interpreter would wait for the thread that reads


def _end_with_input(child: subprocess.Popen[bytes]) -> None:
    """Wait for the end of standard input, then end the group of a child: asked first, soon after for certain."""
    os.read(sys.stdin.fileno(), 1)
    _signal_group(child.pid, signal.SIGTERM)
    end = time.monotonic() + GRACE
    while time.monotonic() < end and _signal_group(child.pid, 0):
        time.sleep(LOOK)
    _signal_group(child.pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether there is one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False
