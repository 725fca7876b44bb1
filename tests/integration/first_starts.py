"""First starts of a lake in processes that die or that begin at one instant; a process of its own, so that it may fork.

Run as ``python -m tests.integration.first_starts LAKE SEED KILLS TOGETHER``: it kills so many first starts of lakes of
their own at random moments, then lets so many begin together on each, and prints how each of those ended.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from dagster_project.instance import open_instance

LONGEST = 0.7  # seconds; making the databases takes about this long


def start(lake: Path, begin: float) -> int:
    """Fork a process that opens the instance of a lake at a moment; return its id."""
    child = os.fork()
    if child:
        return child
    try:
        time.sleep(max(0.0, begin - time.time()))
        with open_instance(lake) as instance:
            instance.add_dynamic_partitions("shard", [str(os.getpid())])
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(1)
    os._exit(0)


def kill_first_start(lake: Path, seconds: float) -> None:
    """Kill a first start after so long."""
    child = start(lake, 0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def start_together(lake: Path, number: int) -> list[int]:
    """Let processes begin at one instant; return their exit codes."""
    begin = time.time() + 0.1
    children = [start(lake, begin) for _ in range(number)]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    root, seed, kills, together = Path(sys.argv[1]), *map(int, sys.argv[2:])
    for number, wait in enumerate(np.random.default_rng(seed).uniform(0, LONGEST, kills)):
        kill_first_start(root / str(number), float(wait))
        print(start_together(root / str(number), together), flush=True)
