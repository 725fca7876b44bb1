"""The end of a Ray cluster: kills what Ray would leave of it for up to a minute.

What belongs here: a program that `climb_assets.executor.ray_cluster` starts beside a cluster of its own, without a
package that it would wait for. It waits until its standard input ends, which the process that started the cluster
holds open as long as it lives or until it ends the cluster.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

PAUSE_SECONDS = 0.02
LAST_LOOKS = 3  # that find nothing: a process has no command for a moment while it becomes another program
LONGEST_SECONDS = 60.0  # what the kernel does not let go of is left


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
    """Wait for the end of standard input, then kill what is left of a cluster.

    Parameters
    ----------
    folder
        The cluster's own; with `package` it is in the command of its raylet, its GCS and workers that are starting.
    package
        The folder of Ray's programs.
    agents
        File descriptors of Ray's agents, which have another command than they were started with.
    """
    os.read(sys.stdin.fileno(), 1)
    for agent in agents:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(int(agent), signal.SIGKILL)
    last, looks = time.monotonic() + LONGEST_SECONDS, 0
    while looks < LAST_LOOKS and time.monotonic() < last:  # the raylet may start a worker until it has ended itself
        looks = 0 if kill_all(folder, package) else looks + 1
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
