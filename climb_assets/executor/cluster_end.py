"""The end of a Ray cluster whose starter has gone: kills what Ray would leave of it for up to a minute.

What belongs here: a program, started by `climb_assets.executor.ray_cluster`, without a package that it would wait for.
It is told the folder of the cluster, the folder of Ray's programs and handles of Ray's agents, and waits until its
standard input ends, which the starter holds open. Agents have another name than their command, so they are told by a
handle. What has both folders in its command is a machine of the cluster or a worker that is just starting.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

PAUSE_SECONDS = 0.02  # the machine may start one more worker until it is gone itself


def kill_all(folder: str, package: str) -> bool:
    """Kill every process with both folders in its command; return whether there was one."""
    found = False
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another account's
            process = os.pidfd_open(int(place.name))  # before its command is read: no other gets its number
            try:
                command = (place / "cmdline").read_bytes()
                if folder.encode() in command and package.encode() in command and int(place.name) != os.getpid():
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                    found = True
            finally:
                os.close(process)
    return found


def main(folder: str, package: str, *agents: str) -> None:
    """Wait for the end of the starter, and end what it leaves."""
    os.read(sys.stdin.fileno(), 1)
    for agent in agents:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(int(agent), signal.SIGKILL)
    while kill_all(folder, package):
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
