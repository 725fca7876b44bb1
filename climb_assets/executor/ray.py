"""The executor of a Ray cluster: actors that run units, kept for the next ones as local workers are.

What belongs here: which actors there are, and the way to and from one. Whose turn it is belongs to
`climb_assets.executor.dispatch`, the cluster to `climb_assets.executor.ray_cluster`.

An actor is a process that holds its cores, memory and GPU for as long as it lives, so that the encoder, the token index
and a compiled step are loaded once in its life. Ray restarts none: what is tried again, and how often, is decided in
one place. A unit is handed to an actor that is up; one that waits for room in the cluster keeps no unit from others.
"""

import os
import sys
import threading
from collections.abc import Collection, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from climb_assets.config_ray import Ray
from climb_assets.errors import ConfigError, TransientError
from climb_assets.executor.capacity import Capacity
from climb_assets.executor.dispatch import Workers, hand_out
from climb_assets.executor.executor import AnyUnit, Executor, Layout, Progress, Resources, Unit, UnitError
from climb_assets.executor.layout import choose_layout
from climb_assets.executor.ray_cluster import Machine, connect, own_address, require_life
from climb_assets.executor.worker import (
    WorkerDied,
    prepare_process,
    read_answer,
    run_message,
    thread_variables,
    write_message,
)

MOST_LOST = 3  # workers in a row that do not come up, before that is an error
LOOK_SECONDS = 10.0  # without an answer, after which the cluster is looked at
STEP = 2**28  # bytes that memory is asked for in, so that units which need nearly the same share actors


@dataclass(frozen=True)
class Kind:
    """What an actor holds of its machine, and how its process is set up.

    Parameters
    ----------
    cluster
        Where its cluster is: one that was started anew has none of the actors of the one before.
    threads
        Its cores, and the threads that it computes with.
    shared
        Whether its cluster is one that others use too, and its machine's Python finds its modules where it does.
    private
        Whether what it writes is for its account alone.
    """

    cluster: str
    threads: int
    gpus: float
    memory_bytes: int
    shared: bool
    private: bool


class RayExecutor(Executor):
    """Runs units in actors of a Ray cluster, which this process keeps and shares among its executors.

    Parameters
    ----------
    workers
        Actors at once; None: as many as the cluster has room for.
    settings
        Which cluster, and what an actor takes of it.
    private
        See `runtime.private`.
    capacity
        What a cluster that is started here may use of this machine; None: what this process may use.
    """

    def __init__(
        self, workers: int | None, settings: Ray, *, private: bool = False, capacity: Capacity | None = None
    ) -> None:
        self._workers, self._settings, self._private, self._capacity = workers, settings, private, capacity

    def layout(self, resources: Resources) -> Layout:
        """Return how many units run at once in the whole cluster, and on how many threads.

        Each machine is shared out as it would be by itself. The threads are those of the machine that has the fewest
        for each of its units, so that a unit computes alike everywhere.

        Raises
        ------
        ConfigError
            No machine has a core, or a GPU where one is needed, and none is waited for.
        """
        asked = replace(resources, threads=resources.threads or self._settings.cpus)
        share = self._settings.gpus
        layouts = [
            choose_layout(asked, None, machine.capacity, int(machine.gpus / share))
            for machine in self._machines()
            if machine.gpus >= share or not resources.gpu
        ]
        if not layouts and self._workers is None:
            raise ConfigError(
                f"the Ray cluster has no machine with a {'GPU' if resources.gpu else 'core'} to work on; add one, or "
                "say by runtime.workers how many workers to wait for"
            )
        threads = min((layout.threads for layout in layouts), default=asked.threads or 1)
        return Layout(self._workers or sum(layout.workers for layout in layouts), threads)

    def map(
        self, units: Iterable[AnyUnit], resources: Resources, progress: Progress | None = None
    ) -> Generator[tuple[AnyUnit, Any], None, None]:
        """Yield each unit with what it returned, in the order in which they end; see `Executor.map`."""
        asked = list(units)
        if not asked:
            return
        layout = self.layout(resources)
        with closing(_RayWorkers(self._kind(resources, layout.threads))) as workers:
            yield from hand_out(asked, workers, layout.workers, 1 + self._settings.max_retries, progress)

    def _machines(self) -> list[Machine]:
        return connect(self._settings.address, self._capacity)

    def _kind(self, resources: Resources, threads: int) -> Kind:
        """Return the kind of actor that runs a unit: on a machine with too little memory it has all of it."""
        room = [machine.capacity.memory_bytes for machine in self._machines()]
        return Kind(
            own_address(),
            threads,
            self._settings.gpus if resources.gpu else 0.0,
            min([resources.memory_bytes, *room]) // STEP * STEP,
            self._settings.address is not None,
            self._private,
        )


class RayWorker:
    """An actor, seen from here.

    Parameters
    ----------
    kind
        What it is to be; it comes up as soon as there is room.
    """

    def __init__(self, kind: Kind) -> None:
        import ray

        self.kind = kind
        self.is_alive, self.was_up = True, False
        paths = {} if kind.shared else {"PYTHONPATH": os.pathsep.join(sys.path)}
        options = {
            "num_cpus": kind.threads,
            "num_gpus": kind.gpus,
            "memory": kind.memory_bytes,
            "max_restarts": 0,
            "runtime_env": {"env_vars": thread_variables(kind.threads) | paths},
        }
        self._actor = ray.remote(Actor).options(**options).remote(kind.private)
        self.call()

    def call(self) -> None:
        """Ask for an answer, which comes when it is up."""
        self.answering: Future[bytes] = self._actor.is_up.remote().future()

    def hand_over(self, unit: Unit) -> None:
        """Send a unit."""
        self.answering = self._actor.run.remote(write_message(unit)).future()

    def answer(self) -> Any:
        """Return what the unit that was handed over returned; waits.

        Raises
        ------
        WorkerDied
            The process is gone, or its machine is not to be reached; should it come back, it is ended.
        ClimbError, UnitError
            What the unit raised, or that it cannot be read there.
        """
        import ray

        try:
            message = self.answering.result()
        except ray.exceptions.RayTaskError as error:
            raise UnitError(str(error)) from None
        except ray.exceptions.RayError as error:
            self.end()
            raise WorkerDied(str(error)) from None
        self.was_up = True
        return read_answer(message)

    def end(self) -> None:
        """Kill the process, whatever it does."""
        import ray

        self.is_alive = False
        if ray.is_initialized() and own_address() == self.kind.cluster:  # else it is gone
            ray.kill(self._actor)


class Actor:
    """The other end: a process of Ray that runs units."""

    def __init__(self, private: bool) -> None:
        prepare_process()
        if private:
            os.umask(0o077)

    def is_up(self) -> bytes:
        """Answer."""
        return write_message((None, None))

    def run(self, message: bytes) -> bytes:
        """Run the unit of a message; see `run_message`."""
        return run_message(message)


_IDLE: list[RayWorker] = []  # of this process
_FINDING = threading.Lock()  # several threads may look for workers


class _RayWorkers(Workers[RayWorker]):
    """Workers of a kind: idle ones, or new ones in place of those of another kind."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._free: list[RayWorker] = []
        self._called: list[RayWorker] = []  # and not known to be up: new ones, and those that were idle
        self._lost: list[str] = []  # why new ones did not come up, since one did

    def take(self, wanted: int) -> RayWorker | None:
        """Return a worker that is up, or None while there is none; as many as are wanted are called."""
        if self._free:
            return self._free.pop()
        while len(self._called) < wanted and len(self._lost) < MOST_LOST:
            self._called.append(self._find())
        return None

    def give_back(self, worker: RayWorker) -> None:
        """Keep a worker that has nothing to do, if it is alive."""
        if worker.is_alive:
            self._free.append(worker)

    def wait(self, busy: Collection[RayWorker]) -> Collection[RayWorker]:
        """Wait for an answer or a death; return those who were busy, and know of others that they are up.

        The wait is Python's: within one of Ray's, whatever a signal raises is lost, but for Ctrl-C.

        Raises
        ------
        TransientError
            The cluster is gone, or nobody is at work and workers do not come up.
        """
        if not busy and len(self._lost) == MOST_LOST:
            raise TransientError(f"workers of Ray do not come up: {self._lost[-1]}")
        answered = wait([worker.answering for worker in [*busy, *self._called]], LOOK_SECONDS, FIRST_COMPLETED).done
        if not answered:
            require_life()
            self._make_room()
        for worker in [worker for worker in self._called if worker.answering in answered]:
            self._hear(worker)
        return [worker for worker in busy if worker.answering in answered]

    def close(self) -> None:
        """Keep the workers for the next units, also those that are not up yet.

        In a cluster of several users they are ended: whoever waits for room may hold what this process waits for.
        """
        workers = [worker for worker in (*self._called, *self._free) if worker.is_alive]
        if self._kind.shared:
            for worker in workers:
                worker.end()
        else:
            _IDLE.extend(workers)

    def _make_room(self) -> None:
        """Call the idle workers of this kind and end the others, if one that was called waits for room."""
        while self._called and _IDLE:
            self._called.append(self._find())

    def _hear(self, worker: RayWorker) -> None:
        """Take a worker that was called among the free ones, if it is up; whose answer is not heard stays called."""
        try:
            worker.answer()
        except WorkerDied as error:
            self._lost += [] if worker.was_up else [str(error)]
        else:
            self._free.append(worker)
            self._lost.clear()
        self._called.remove(worker)

    def _find(self) -> RayWorker:
        """Return an idle worker that was called, or a new one in place of those of another kind.

        One that is up comes before one that waits for room, as it may be what holds that room.
        """
        with _FINDING:
            ours = [worker for worker in _IDLE if worker.kind == self._kind]
            found = max(ours, key=lambda worker: worker.answering.done(), default=None)
            taken = _IDLE[:] if found is None else [found]
            _IDLE[:] = [worker for worker in _IDLE if worker not in taken]
        if found is None:
            for worker in taken:
                worker.end()
            return RayWorker(self._kind)
        if found.answering.done():
            found.call()
        return found


def end_idle_workers() -> None:
    """End the workers that this process keeps; those that the next units need start anew."""
    while _IDLE:
        _IDLE.pop().end()
