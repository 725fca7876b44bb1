"""The executor of this machine: worker processes, started when first needed and kept for the next units.

What belongs here: which processes there are. Whose turn it is belongs to `climb_assets.executor.dispatch`, the life of
one worker to `climb_assets.executor.worker`.
"""

import atexit
from collections.abc import Collection, Generator, Iterable
from multiprocessing.connection import wait
from typing import Any

from climb_assets.executor.capacity import Capacity, measure_capacity
from climb_assets.executor.dispatch import Workers, hand_out
from climb_assets.executor.executor import AnyUnit, Executor, Layout, Progress, Resources
from climb_assets.executor.layout import choose_layout
from climb_assets.executor.worker import LocalWorker

ATTEMPTS = 2  # a worker that died may have been the victim of a full memory, once


class LocalExecutor(Executor):
    """Runs units in processes of this machine, which this process keeps and shares among its executors.

    Parameters
    ----------
    workers
        Processes at once; None: as many as cores and memory allow.
    capacity
        What there is to share out; None: what this process may use.
    """

    def __init__(self, workers: int | None = None, capacity: Capacity | None = None) -> None:
        self._workers = workers
        self._capacity = capacity or measure_capacity()

    def layout(self, resources: Resources) -> Layout:
        """Return how many units run at once, and on how many threads; see `choose_layout`."""
        return choose_layout(resources, self._workers, self._capacity)

    def map(
        self, units: Iterable[AnyUnit], resources: Resources, progress: Progress | None = None
    ) -> Generator[tuple[AnyUnit, Any], None, None]:
        """Yield each unit with what it returned, in the order in which they end; see `Executor.map`."""
        layout = self.layout(resources)
        yield from hand_out(units, _LocalWorkers(layout.threads), layout.workers, ATTEMPTS, progress)


_IDLE: list[LocalWorker] = []  # of this process: importing torch takes a worker seconds


class _LocalWorkers(Workers[LocalWorker]):
    """Workers of so many threads: idle ones, or new ones in place of those that have another number."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def take(self, wanted: int) -> LocalWorker:
        """Return a worker; there is always one."""
        while True:
            try:
                worker = _IDLE.pop()
            except IndexError:  # asked for by its error, as other threads take workers too
                return LocalWorker(self._threads)
            if worker.threads == self._threads and worker.is_alive():
                return worker
            worker.end()

    def give_back(self, worker: LocalWorker) -> None:
        """Keep a worker that has nothing to do, if it is alive."""
        if worker.is_alive():
            _IDLE.append(worker)
        else:
            worker.end()

    def wait(self, busy: Collection[LocalWorker]) -> Collection[LocalWorker]:
        """Wait until workers have answered or died, and return them."""
        ready = wait([worker.line for worker in busy])
        return [worker for worker in busy if worker.line in ready]


@atexit.register
def end_idle_workers() -> None:
    """End the workers that this process keeps; those that the next units need start anew."""
    while _IDLE:
        _IDLE.pop().end()
