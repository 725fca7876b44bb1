"""Units of work for the tests of the executor: importable, so that a worker finds them."""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from climb_assets.errors import ClimbError
from climb_assets.executor.capacity import thread_count
from climb_assets.executor.worker import PR_SET_PDEATHSIG
from climb_assets.store.artifacts import Draft, Order
from climb_assets.store.files import write_atomically
from climb_assets.store.local import LocalStore


@dataclass(frozen=True)
class Echo:
    """Return a value after some seconds, with the process that did it."""

    value: Any
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"echo {self.value}"

    def run(self) -> tuple[Any, int]:
        time.sleep(self.seconds)
        return self.value, os.getpid()


@dataclass(frozen=True)
class Threads:
    """Return how many threads this process and its libraries are to compute with."""

    name: str = "threads"

    def run(self) -> tuple[int, int]:
        import torch

        return thread_count(), torch.get_num_threads()


@dataclass(frozen=True)
class Fail:
    """Raise an error."""

    error: BaseException
    seconds: float = 0.0
    name: str = "failing"

    def run(self) -> None:
        time.sleep(self.seconds)
        raise self.error


@dataclass(frozen=True)
class Unpicklable:
    """Return what cannot be sent."""

    name: str = "unpicklable"

    def run(self) -> Any:
        return lambda: None


class _Interrupting:
    """A value that whoever reads it is interrupted by, as by Ctrl-C at that moment."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _interrupt, ()


def _interrupt() -> None:
    raise KeyboardInterrupt


@dataclass(frozen=True)
class Interrupt:
    """Interrupt who waits for the answer while it is read; leave the process in a file."""

    folder: Path
    name: str = "interrupting"

    def run(self) -> Any:
        write_atomically(self.folder / "process", str(os.getpid()).encode())
        return _Interrupting()


@dataclass(frozen=True)
class Stumble:
    """Die, or raise an error, the first `times` times; leave a mark in `folder` each time."""

    folder: Path
    times: int
    error: ClimbError | None = None
    name: str = "stumbling"

    def run(self) -> int:
        tries = len(list(self.folder.iterdir()))
        (self.folder / str(tries)).touch()
        if tries < self.times:
            if self.error is None:
                os.kill(os.getpid(), signal.SIGKILL)
            raise self.error or AssertionError
        return tries


@dataclass(frozen=True)
class Mark:
    """Leave a file when it is begun, with the process that does it, and one when it is done.

    Without `by_kernel` the process gives up the signal that Linux sends when its parent dies, as if it were elsewhere.
    """

    folder: Path
    number: int
    seconds: float = 0.0
    by_kernel: bool = True

    @property
    def name(self) -> str:
        return f"mark {self.number}"

    def run(self) -> int:
        if not self.by_kernel:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0)
        write_atomically(self.folder / f"begun-{self.number}", str(os.getpid()).encode())
        time.sleep(self.seconds)
        (self.folder / f"done-{self.number}").touch()
        return self.number


@dataclass(frozen=True)
class Variables:
    """Return variables of the process, and the number of threads that it is to compute with."""

    names: tuple[str, ...]
    seconds: float = 0.0
    name: str = "variables"

    def run(self) -> tuple[dict[str, str | None], int]:
        time.sleep(self.seconds)
        return {name: os.environ.get(name) for name in self.names}, thread_count()


class LeaselessStore(LocalStore):
    """A store on a file system without locks: nobody waits for another writer."""

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[bool]:
        yield False


@dataclass(frozen=True)
class Commit:
    """Make the one artefact of a store, and return who wrote it and whether this unit did.

    Parameters
    ----------
    seconds
        How long it takes before its commit.
    fatal
        Whether the process dies after its first commit, before it answers.
    """

    store: LocalStore
    writer: int
    seconds: float = 0.0
    fatal: bool = False

    @property
    def name(self) -> str:
        return f"commit {self.writer}"

    def run(self) -> tuple[str, bool]:
        def write(draft: Draft) -> None:
            (draft.path / "writer").write_text(str(self.writer))
            time.sleep(self.seconds)

        artifact, made = self.store.put(Order("corpus_shards", "shard", {}, {}, {}), write)
        if made and self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return artifact.file("writer").read_text(), made
