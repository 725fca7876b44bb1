"""Trying in another process what may end the one it is done in.

What belongs here: running one unit for the sake of seeing whether it can be run. Libraries in other languages answer a
file that is none of theirs with a signal, an abort, or a loop that takes ever more memory, which no Python code can
catch.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from climb_assets.executor.executor import Unit
from climb_assets.executor.worker import LocalWorker, WorkerDied

PATIENCE = 60.0  # seconds; loading a small file takes a few
SLOWEST = 10 * 2**20  # bytes that a disk behind a network gives in a second; classifiers have gigabytes
ROOM, FACTOR = 2**30, 20  # bytes of memory, and for each byte of the file; a JSON file costs some ten times its size


def try_in_child(unit: Unit, file: Path) -> None:
    """Run a unit in a process of its own, which is ended afterwards.

    Parameters
    ----------
    file
        What it loads; its size bounds the time and (on Linux) the memory that the unit may take.

    Raises
    ------
    WorkerDied
        The process ended, or was ended because it took too long, before it answered.
    ClimbError
        What the unit raised.
    UnitError
        The unit raised anything else, such as for want of memory.
    """
    size = file.stat().st_size if file.is_file() else 0
    worker = LocalWorker(1)
    try:
        worker.hand_over(_Bounded(unit, ROOM + FACTOR * size))
        if not worker.line.poll(PATIENCE + size / SLOWEST):
            raise WorkerDied
        worker.answer()
    finally:
        worker.end()


@dataclass(frozen=True)
class _Bounded:
    """A unit that may take so many bytes of memory more than its process has."""

    unit: Unit
    most: int

    @property
    def name(self) -> str:
        return self.unit.name

    def run(self) -> Any:
        if sys.platform == "linux":
            import resource

            import psutil

            most = psutil.Process().memory_info().data + self.most
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        return self.unit.run()
