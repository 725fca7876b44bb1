"""Handing units to workers, whatever the workers are: the promises of `Executor.map` are kept here.

What belongs here: whose turn it is, what is tried again, and what a failure ends. What a worker is and how one is had
belongs to `climb_assets.executor.local` and `climb_assets.executor.ray`.
"""

from collections import Counter, deque
from collections.abc import Collection, Generator, Iterable
from typing import Any, Protocol, TypeVar

from climb_assets.errors import TransientError
from climb_assets.executor.executor import AnyUnit, Progress, Unit
from climb_assets.executor.worker import WorkerDied


class Worker(Protocol):
    """A process that runs one unit after another, seen from here."""

    def hand_over(self, unit: Unit) -> None:
        """Send a unit, and do not wait for its answer."""

    def answer(self) -> Any:
        """Return what the unit that was handed over returned; waits.

        Raises
        ------
        WorkerDied
            The process is gone.
        ClimbError, UnitError
            What the unit raised.
        """

    def end(self) -> None:
        """End the process, whatever it does."""


AnyWorker = TypeVar("AnyWorker", bound=Worker)


class Workers(Protocol[AnyWorker]):
    """Those to whom units may be handed."""

    def take(self, wanted: int) -> AnyWorker | None:
        """Return a worker that is free, or None as long as there is none.

        Parameters
        ----------
        wanted
            How many units wait that may begin, this one included.
        """

    def give_back(self, worker: AnyWorker) -> None:
        """Take a worker back that has answered or died."""

    def wait(self, busy: Collection[AnyWorker]) -> Collection[AnyWorker]:
        """Wait until some workers have answered or died, and return them, or until one is free that was not."""


def hand_out(
    units: Iterable[AnyUnit], workers: Workers[AnyWorker], most: int, attempts: int, progress: Progress | None
) -> Generator[tuple[AnyUnit, Any], None, None]:
    """Yield each unit with what it returned, in the order in which they end; see `Executor.map`.

    A free worker is given its next unit when the caller asks for the next result, so a caller who takes long over each
    keeps workers waiting, and no more units are on their way than there are workers.

    Parameters
    ----------
    most
        Units that run at once.
    attempts
        How often a unit is tried whose worker dies, or that raises a `TransientError`.
    """
    waiting = deque(enumerate(units))
    busy: dict[AnyWorker, tuple[int, AnyUnit]] = {}
    ended: deque[tuple[AnyUnit, Any]] = deque()
    tries, total, done = Counter[int](), len(waiting), 0
    failure: Exception | None = None
    try:
        while waiting or busy or ended:
            while (places := min(len(waiting), most - len(busy))) > 0:
                free = workers.take(places)
                if free is None:
                    break
                number, unit = waiting.popleft()
                busy[free] = number, unit
                free.hand_over(unit)
            while ended:
                done += 1
                if progress is not None:
                    progress(done, total)
                yield ended.popleft()
            for worker in workers.wait(busy) if busy or waiting else ():
                number, unit = busy[worker]
                tries[number] += 1
                try:
                    ended.append((unit, worker.answer()))
                except Exception as error:
                    if failure is None and _may_pass(error) and tries[number] < attempts:
                        waiting.appendleft((number, unit))
                    elif failure is None:
                        failure = _explain(error, unit.name, tries[number])
                        waiting.clear()
                del busy[worker]  # only now: whatever else is raised on the way, such as by Ctrl-C, ends it below
                workers.give_back(worker)
    finally:
        for worker in busy:
            worker.end()
    if failure is not None:
        raise failure


def _may_pass(error: Exception) -> bool:
    return isinstance(error, WorkerDied | TransientError)


def _explain(error: Exception, name: str, tries: int) -> Exception:
    """Return the error that the caller is to see."""
    if not isinstance(error, WorkerDied):
        return error
    cause = f" ({error})" if str(error) else ""
    return TransientError(
        f"the worker of {name} died at try {tries}, perhaps for want of memory{cause}; lower runtime.workers"
    )
