"""Trying in another process what may end the one it is done in.

What belongs here: running one unit for the sake of seeing whether it can be run. Libraries in other languages answer a
file that is none of theirs with a signal or an abort, which no Python code can catch.
"""

from climb_assets.executor.executor import Unit
from climb_assets.executor.worker import Worker, WorkerDied

PATIENCE = 60.0  # seconds; loading a file takes a few


def try_in_child(unit: Unit) -> None:
    """Run a unit in a process of its own, which is ended afterwards.

    Raises
    ------
    WorkerDied
        The process ended, or was ended after `PATIENCE`, before it answered.
    ClimbError
        What the unit raised.
    UnitError
        The unit raised anything else.
    """
    worker = Worker(1)
    try:
        worker.hand_over(unit)
        if not worker.line.poll(PATIENCE):
            raise WorkerDied
        worker.answer()
    finally:
        worker.end()
