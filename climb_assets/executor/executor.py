"""The seam behind which work is done: what everybody may ask of an executor, wherever its workers are.

What belongs here: the contract. How one keeps it belongs to `climb_assets.executor.dispatch`; which one a configuration
asks for is `climb_assets.executor.backends`.

Work is a list of units. A unit carries all it needs and commits its results by itself, by put-if-absent in a store, so
it may be run twice, late, or on another machine without harm; what it returns is small.
"""

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Progress = Callable[[int, int], None]  # units done, all units


class Unit(Protocol):
    """A piece of work: picklable, as is what `run` returns, and without harm when it is run more than once."""

    @property
    def name(self) -> str:
        """What people read of it."""

    def run(self) -> Any:
        """Do the work in this process."""


AnyUnit = TypeVar("AnyUnit", bound=Unit)


@dataclass(frozen=True)
class Resources:
    """What each of some units needs at most.

    Parameters
    ----------
    memory_bytes
        Main memory of the process that runs it, libraries included.
    threads
        Threads that compute; None: as many as are left over when memory lets fewer units run than there are cores.
    gpu
        Whether it needs a GPU for itself.
    """

    memory_bytes: int
    threads: int | None = None
    gpu: bool = False


@dataclass(frozen=True)
class Layout:
    """How many units run at once, and on how many threads each."""

    workers: int
    threads: int


class UnitError(Exception):
    """A unit raised something that nobody raises on purpose; its message ends with the worker's traceback."""


class Executor(Protocol):
    """Runs units of work."""

    @abstractmethod
    def layout(self, resources: Resources) -> Layout:
        """Return how many units that need this run at once, and on how many threads.

        Raises
        ------
        ConfigError
            There is no place for one, whatever ends.
        """

    @abstractmethod
    def map(
        self, units: Iterable[AnyUnit], resources: Resources, progress: Progress | None = None
    ) -> Generator[tuple[AnyUnit, Any], None, None]:
        """Yield each unit with what it returned, in the order in which they end; they begin in the order given.

        A worker that dies and a `TransientError` are no failure the first time: the unit is tried once more, by Ray's
        workers as often as `runtime.ray.max_retries` says. After the first failure nothing begins; what is being worked
        on is finished and yielded, then the failure is raised. Where the caller closes the iterator or is interrupted,
        nothing begins either and what is being worked on is ended at once; wrap it in `contextlib.closing`, so that
        this does not wait for the garbage collector.

        Parameters
        ----------
        resources
            What each of them needs; how many run at once follows from it.
        progress
            Is told how many units are done, and of how many, before each is yielded.

        Raises
        ------
        TransientError
            A unit's worker died, or the unit raised it, at its last try.
        ClimbError
            What a unit raised.
        UnitError
            A unit raised anything else.
        """
