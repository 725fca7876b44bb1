"""What goes wrong: each kind of fault, injected into a scene at a moment at which it hits something.

What belongs here: finding such a moment, and doing it. Who is hit is looked for in `fault_scene`.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
from fault_scene import Launch, Scene, Work

from climb_assets.embeddings.shared_parts import PARTS
from climb_assets.store.artifacts import MANIFEST, RUN_FACTS
from climb_assets.store.expiring_leases import SECONDS
from climb_assets.store.object_keys import lease_key
from climb_assets.training.proxy_orders import MODELS
from tests.object_server import Fault

LATE = SECONDS + 15.0  # seconds that a worker is stopped whose lease is to expire meanwhile
PATIENCE = 8.0  # seconds in which a commit is waited for
COMMITTING = tuple(f"{dot}{name}" for dot in ("", ".") for name in (RUN_FACTS, MANIFEST))
PLACES = ("/artifacts/", "/refs/", "/leases/", "")
METHODS: dict[Fault, tuple[str, ...]] = {  # of the requests that go wrong in this way
    "500": ("PUT", "GET"),
    "409": ("PUT",),
    "slow": ("PUT", "GET"),
    "cut upload": ("PUT",),
    "cut answer": ("GET",),
    "lost answer": ("PUT",),
}


@dataclass
class Injector:
    """Injects faults into a scene, and keeps count of those that hit something."""

    scene: Scene
    random: np.random.Generator
    injected: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[tuple[float, Work]] = field(default_factory=list)  # when each is to be woken

    def attempt(self, kind: str) -> bool:
        """Inject a fault if there is something to hit at this moment, and return whether there was."""
        if kind in METHODS:
            return self._let_requests_fail(kind)  # type: ignore[arg-type]
        return WAYS[kind](self)

    def count(self) -> list[dict[str, Any]]:
        """Return the faults that hit something so far: processes, leases, and each request that went wrong."""
        server = self.scene.server
        requests = [] if server is None else [fault for _, _, fault in list(server.requests) if fault is not None]
        return [*self.injected, *({"kind": f"store: {fault}", "lost": 0.0} for fault in requests)]

    def wake(self) -> None:
        """Let those go on that were stopped for long enough; only who was stopped all the time is counted."""
        for due in [one for one in self.stopped if one[0] <= time.monotonic()]:
            self.stopped.remove(due)
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                if psutil.Process(due[1].pid).status() == psutil.STATUS_STOPPED:
                    os.kill(due[1].pid, signal.SIGCONT)
                    self._note("worker stopped, woken late", [])

    def kill_in_training(self) -> bool:
        """SIGKILL a worker that trains a model."""
        return self._kill_worker("worker killed, mid-proxy", (MODELS,))

    def kill_in_embedding(self) -> bool:
        """SIGKILL a worker that embeds a shard."""
        return self._kill_worker("worker killed, mid-embed", ("embeddings", PARTS))

    def kill_in_commit(self) -> bool:
        """SIGKILL a worker between the sealing of its draft and the end of its commit."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            works, again = self._works_of_workers(), time.monotonic() + 0.2
            while time.monotonic() < again:
                for work in works:
                    if _is_sealing(work):
                        if self.scene.server is not None:  # uploads take longer than a rename
                            time.sleep(self.random.uniform(0, 0.3))
                        return self._kill_committing(work)
                time.sleep(0.002)
        return False

    def _kill_committing(self, work: Work) -> bool:
        works = [one for one in self.scene.works() if one.pid == work.pid]
        if not works or not _kill(work.pid):
            return False
        committed = self._is_committed(work)
        # What is sealed keeps its checkpoint until it is committed, so at most what it was kept after is lost.
        self._note(
            "worker killed, commit done" if committed else "worker killed, mid-commit", [] if committed else works
        )
        return True

    def _is_committed(self, work: Work) -> bool:
        if self.scene.server is None:
            return (work.draft.parent / work.key[2] / MANIFEST).exists()
        self.scene.count_puts()
        return work.key in self.scene.commits

    def _kill_worker(self, kind: str, assets: tuple[str, ...]) -> bool:
        works = [work for work in self._works_of_workers() if work.key[0] in assets]
        if not works:
            return False
        work = works[self.random.integers(len(works))]
        if not _kill(work.pid):
            return False
        self._note(kind, [work])
        return True

    def kill_climb(self) -> bool:
        """SIGKILL a `climb up` while something is being made; its workers end with it."""
        scene, works = self.scene, self.scene.works()
        running = [one for one in (scene.first, scene.second) if one is not None and one.process.poll() is None]
        if not works or not running:
            return False
        killed: Launch = running[self.random.integers(len(running))]
        family = set(killed.family)
        lost = [work for work in works if work.pid in family]
        if not lost:
            return False
        killed.process.kill()
        self._note("climb up killed", lost)
        return True

    def stop_worker(self) -> bool:
        """SIGSTOP a worker; where a second `climb up` can take its work over, for so long that it does."""
        works = [work for work in self._works_of_workers() if work.pid not in {one.pid for _, one in self.stopped}]
        if not works or self.stopped:
            return False
        work = works[self.random.integers(len(works))]
        two = self._are_two()
        with contextlib.suppress(ProcessLookupError):
            os.kill(work.pid, signal.SIGSTOP)
            if two and self.scene.server is None:
                self._take_right(work)  # a lock of a disk ends with its process: this one as if the disk had none
            seconds = LATE if two and self.scene.server is not None else self.random.uniform(10, 20)
            self.stopped.append((time.monotonic() + seconds, work))
        return True

    def lose_lease(self) -> bool:
        """Take the lease of a living worker away while a second `climb up` may want it."""
        works = self._works_of_workers() if self._are_two() else []
        if not works:
            return False
        work = works[self.random.integers(len(works))]
        if not self._take_right(work) or not psutil.pid_exists(work.pid):
            return False
        self._note("lease lost, owner alive", [])
        return True

    def _take_right(self, work: Work) -> bool:
        """Remove the lock or the object that a lease is; return whether there was one."""
        if self.scene.server is None:
            from climb_assets.store.local import LocalStore

            with contextlib.suppress(FileNotFoundError):
                LocalStore(work.lake).lock(work.right).unlink()
                return True
            return False
        bucket = self.scene.store.bucket  # type: ignore[attr-defined]
        if bucket.read_now(lease_key(work.right)) is None:
            return False
        bucket.delete([lease_key(work.right)])
        return True

    def begin_second(self) -> bool:
        """Start a second `climb up` on the same artefacts while the first one works."""
        if self._are_two() or not self.scene.works():
            return False
        if self.scene.second is not None:
            self.scene.note_ending(self.scene.second)
        self.scene.begin_second()
        self._note("two climb up at once", [])
        return True

    def kill_raylet(self) -> bool:
        """SIGKILL the raylet while its actors work; they end with it."""
        raylets, works = self.scene.raylets(), self._works_of_workers()
        if not raylets or not works:
            return False
        family = set(self.scene.first.family if self.scene.first else ())
        if not _kill(raylets[0].pid):
            return False
        self._note("raylet killed", [work for work in works if work.pid in family])
        return True

    def _let_requests_fail(self, fault: Fault) -> bool:
        """Let one to three of the next requests go wrong; those that come are counted when they have."""
        if self.scene.server is None or not self.scene.works():
            return False
        method = METHODS[fault][self.random.integers(len(METHODS[fault]))]
        place = PLACES[self.random.integers(len(PLACES))]
        self.scene.server.fail(fault, method, place, int(self.random.integers(1, 4)))
        return True

    def _are_two(self) -> bool:
        second = self.scene.second
        return second is not None and second.process.poll() is None

    def _works_of_workers(self) -> list[Work]:
        return [work for work in self.scene.look() if _is_worker(work.pid)]

    def _note(self, kind: str, works: list[Work]) -> None:
        self.injected.append({"kind": kind, "lost": round(self.scene.training_lost(works), 1)})


WAYS: dict[str, Callable[[Injector], bool]] = {
    "worker killed, mid-proxy": Injector.kill_in_training,
    "worker killed, mid-embed": Injector.kill_in_embedding,
    "worker killed, mid-commit": Injector.kill_in_commit,
    "climb up killed": Injector.kill_climb,
    "worker stopped, woken late": Injector.stop_worker,
    "lease lost, owner alive": Injector.lose_lease,
    "two climb up at once": Injector.begin_second,
    "raylet killed": Injector.kill_raylet,
}


def kinds_of(backend: str, store: str) -> list[str]:
    """Return the kinds of faults that a backend and a store can have."""
    kinds = [kind for kind in WAYS if kind != "raylet killed" or backend == "ray"]
    return [*kinds, *METHODS] if store == "bucket" else kinds


def _is_worker(pid: int) -> bool:
    """Return whether a process is none that people started."""
    try:
        return "dagster_project.cli" not in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def _is_sealing(work: Work) -> bool:
    try:
        return any(name.startswith(COMMITTING) for name in os.listdir(work.draft))  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return False


def _kill(pid: int) -> bool:
    """SIGKILL a process and wait until it is gone; False: it was before."""
    try:
        process = psutil.Process(pid)
        process.kill()
        with contextlib.suppress(psutil.TimeoutExpired):
            psutil.wait_procs([process], timeout=5)
    except psutil.NoSuchProcess:
        return False
    return True
