"""The end of a Ray cluster: kills what Ray would leave of it for up to a minute.

What belongs here: telling which processes are a cluster's and killing them, also as a program that
`climb_assets.executor.ray_cluster` starts beside a cluster of its own. It waits until its standard input ends, which
the process that started the cluster holds open as long as it lives or until it ends the cluster.
"""

import contextlib
import os
import signal
import sys
import time

import psutil

PAUSE_SECONDS = 0.02
LAST_LOOKS = 3  # that find nothing: a process has no command for a moment while it becomes another program
LONGEST_SECONDS = 60.0  # what the kernel does not let go of is left


def end_processes(folder: str, package: str) -> None:
    """Kill every process with both folders in its command, until there is none; this one is spared.

    Those that this process has started are waited for, so that nothing is left of them either.

    Parameters
    ----------
    folder
        The cluster's own; with `package` it is in the command of its raylet, its GCS and workers that are starting.
    package
        The folder of Ray's programs.
    """
    last, looks = time.monotonic() + LONGEST_SECONDS, 0
    children: set[psutil.Process] = set()
    while looks < LAST_LOOKS and time.monotonic() < last:  # the raylet may start a worker until it has ended itself
        killed = _kill_all(folder, package)
        children |= {process for process, parent in killed.items() if parent == os.getpid()}
        looks = 0 if killed else looks + 1
        time.sleep(PAUSE_SECONDS)
    psutil.wait_procs(children, max(last - time.monotonic(), 0))


def _kill_all(folder: str, package: str) -> dict[psutil.Process, int]:
    """Kill every such process; return them and the numbers of their parents."""
    killed = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it has ended, or is another account's
            command = " ".join(process.cmdline())
            if folder in command and package in command and process.pid != os.getpid():
                parent = process.ppid()
                process.kill()
                killed[process] = parent
    return killed


def main(folder: str, package: str, *agents: str) -> None:
    """Wait for the end of standard input, then kill what is left of a cluster.

    Parameters
    ----------
    folder, package
        See `end_processes`.
    agents
        File descriptors of Ray's agents, which have another command than they were started with.
    """
    os.read(sys.stdin.fileno(), 1)
    for agent in agents:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(int(agent), signal.SIGKILL)
    end_processes(folder, package)


if __name__ == "__main__":
    main(*sys.argv[1:])
