"""The executor of this machine: worker processes, started when first needed and kept for the next units.

What belongs here: how a machine is shared out, and whose turn it is. The life of one worker belongs to
`climb_assets.executor.worker`.
"""

import atexit
from collections import Counter, deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from climb_assets.errors import TransientError
from climb_assets.executor.capacity import Capacity, measure_capacity
from climb_assets.executor.executor import AnyUnit, Executor, Progress, Resources
from climb_assets.executor.worker import Worker, WorkerDied

ATTEMPTS = 2  # a worker that died may have been the victim of a full memory, once


@dataclass(frozen=True)
class Layout:
    """How a machine is shared out: so many workers, and threads of each."""

    workers: int
    threads: int


def choose_layout(resources: Resources, wanted: int | None, capacity: Capacity) -> Layout:
    """Return how many units run at once, and on how many threads.

    Processes of one thread train more tokens in a second than one process of many (benchmarks/proxy_training.py), so
    there is one a core as long as memory lasts; what memory forbids in processes goes into threads. The number of
    threads depends neither on how much work is left nor on what the user wants: another one could change the last bits
    of a loss.

    Parameters
    ----------
    wanted
        Number of workers that the user asks for.
    """
    room = capacity.memory_bytes // resources.memory_bytes
    most = 1 if resources.gpu else max(1, min(capacity.cores // (resources.threads or 1), room))
    return Layout(wanted or most, resources.threads or max(1, capacity.cores // most))


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

    def map(
        self, units: Iterable[AnyUnit], resources: Resources, progress: Progress | None = None
    ) -> Generator[tuple[AnyUnit, Any], None, None]:
        """Yield each unit with what it returned, in the order in which they end; see `Executor.map`.

        A free worker is given its next unit when the caller asks for the next result, so a caller who takes long over
        each keeps workers waiting.
        """
        layout = choose_layout(resources, self._workers, self._capacity)
        waiting = deque(enumerate(units))
        busy: dict[Connection, tuple[Worker, int, AnyUnit]] = {}
        ended: deque[tuple[AnyUnit, Any]] = deque()
        tries, total, done = Counter[int](), len(waiting), 0
        failure: Exception | None = None
        try:
            while waiting or busy or ended:
                while waiting and len(busy) < layout.workers:
                    number, unit = waiting.popleft()
                    worker = _take_worker(layout.threads)
                    busy[worker.line] = worker, number, unit
                    worker.hand_over(unit)
                while ended:
                    done += 1
                    if progress is not None:
                        progress(done, total)
                    yield ended.popleft()
                for line in _ready(busy):
                    worker, number, unit = busy.pop(line)
                    tries[number] += 1
                    try:
                        ended.append((unit, worker.answer()))
                    except Exception as error:
                        if failure is None and _may_pass(error) and tries[number] < ATTEMPTS:
                            waiting.appendleft((number, unit))
                        elif failure is None:
                            failure = _explain(error, unit.name)
                            waiting.clear()
                    _give_back(worker)
        finally:
            for worker, _, _ in busy.values():
                worker.end()
        if failure is not None:
            raise failure


def _ready(busy: Iterable[Connection]) -> list[Any]:
    """Wait until workers have answered or died, and return their lines; none where none is busy."""
    lines = list(busy)
    return wait(lines) if lines else []


def _may_pass(error: Exception) -> bool:
    return isinstance(error, WorkerDied | TransientError)


def _explain(error: Exception, name: str) -> Exception:
    """Return the error that the caller is to see."""
    if not isinstance(error, WorkerDied):
        return error
    return TransientError(
        f"the worker of {name} died {ATTEMPTS} times, perhaps for want of memory; lower runtime.workers"
    )


_IDLE: list[Worker] = []  # of this process: importing torch takes a worker seconds


def _take_worker(threads: int) -> Worker:
    """Return a worker of so many threads: an idle one, or a new one in place of those that have another number."""
    while True:
        try:
            worker = _IDLE.pop()
        except IndexError:  # asked for by its error, as other threads take workers too
            return Worker(threads)
        if worker.threads == threads and worker.is_alive():
            return worker
        worker.end()


def _give_back(worker: Worker) -> None:
    """Keep a worker that has nothing to do, if it is alive."""
    if worker.is_alive():
        _IDLE.append(worker)
    else:
        worker.end()


@atexit.register
def end_idle_workers() -> None:
    """End the workers that this process keeps; those that the next units need start anew."""
    while _IDLE:
        _IDLE.pop().end()
