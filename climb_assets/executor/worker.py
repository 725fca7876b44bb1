"""A worker of this machine: a process of its own that runs units, and dies with the process that started it.

What belongs here: both ends of the line between the two, and what holds in every process that runs units, in one of
Ray's too. Who is given which unit belongs to `climb_assets.executor.dispatch`.

It is a fresh interpreter, not a fork, which would inherit threads and locks that torch cannot live with; and unlike a
process of `multiprocessing` it does not import the program that started it.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from climb_assets.device_faults import device_fault
from climb_assets.errors import ClimbError, DeviceFault
from climb_assets.executor.capacity import THREADS
from climb_assets.executor.executor import Unit, UnitError
from climb_assets.executor.process_start import collect_garbage_seldom

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>: the signal a process gets when its parent dies
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
KEPT_BYTES = 2**30
LIBRARIES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")  # read when one loads

# PR_SET_PDEATHSIG means the thread that started the process, so that is one that lives as long as this process does.
_STARTER = ThreadPoolExecutor(1, thread_name_prefix="start workers")


class WorkerDied(Exception):
    """The process is gone before it answered."""


class LocalWorker:
    """The end that hands out work.

    Parameters
    ----------
    threads
        Threads that its libraries compute with.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.line, theirs = multiprocessing.Pipe()
        heard, self._lifeline = os.pipe()
        serving = f"from climb_assets.executor.worker import serve; serve({theirs.fileno()}, {heard}, {os.getpid()})"
        try:
            self._process = _STARTER.submit(
                subprocess.Popen,
                [sys.executable, "-P", "-c", serving],
                stdin=subprocess.DEVNULL,
                env=os.environ | thread_variables(threads) | {"PYTHONPATH": os.pathsep.join(sys.path)},
                pass_fds=(theirs.fileno(), heard),
            ).result()
        except BaseException:
            self.line.close()
            os.close(self._lifeline)
            raise
        finally:
            theirs.close()
            os.close(heard)

    def is_alive(self) -> bool:
        """Return whether the process is there."""
        return self._process.poll() is None

    def hand_over(self, unit: Unit) -> None:
        """Send a unit; its answer will come over `line`, also where the process is gone."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.line.send_bytes(write_message(unit))

    def answer(self) -> Any:
        """Return what the unit that was handed over returned; see `climb_assets.executor.dispatch.Worker`."""
        try:
            message = self.line.recv_bytes()
        except (EOFError, OSError):  # the latter where it was killed within its answer
            self.end()
            raise WorkerDied from None
        return read_answer(message)

    def end(self) -> None:
        """Kill the process, whatever it does, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        if not self.line.closed:
            self.line.close()
            os.close(self._lifeline)


def thread_variables(threads: int) -> dict[str, str]:
    """Return the variables that a process starts with which computes with so many threads, its libraries too."""
    return dict.fromkeys((*LIBRARIES, THREADS), str(threads))


def serve(line: int, lifeline: int, parent: int) -> None:
    """Be a worker: run the units that come over a line until it is closed.

    Parameters
    ----------
    line, lifeline
        File descriptors: of the line, and of a pipe that nobody writes to and that ends with the parent.
    parent
        Process that hands out the units.
    """
    prepare_process()
    for descriptor in (line, lifeline):
        os.set_inheritable(descriptor, False)
    _die_with(parent, lifeline)
    with Connection(line) as connection:
        while True:
            try:
                message = connection.recv_bytes()
            except EOFError:
                return
            connection.send_bytes(run_message(message))


def prepare_process() -> None:
    """Make this process one that runs units; before libraries are imported."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who hands out the units
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # of each file that is read or written
    # Compiled code is the user's own and lies neither in a lake that others may hand on nor in a folder for all.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path.home() / ".cache" / "climb" / "compiled"))
    collect_garbage_seldom()
    _keep_memory()


def write_message(content: Any) -> bytes:
    """Return something as it is sent between processes: a unit, or a pair of its value and its error.

    It is pickled and is read by the processes of this one's own account alone.
    """
    return bytes(ForkingPickler.dumps(content))


def read_message(message: bytes) -> Any:
    """Return what `write_message` wrote."""
    return ForkingPickler.loads(message)


def read_answer(message: bytes) -> Any:
    """Return the value of a unit out of the message that `run_message` returned, or raise its error."""
    value, error = read_message(message)
    if error is not None:
        raise error
    return value


def run_message(message: bytes) -> bytes:
    """Run the unit of a message, and return the message of its value or of its error."""
    try:
        unit = read_message(message)
    except Exception as error:  # its module is not to be found here
        return write_message((None, _describe(error)))
    answer = _run(unit)
    try:
        return write_message(answer)
    except Exception as error:  # its value cannot be sent
        return write_message((None, _describe(error)))


def _run(unit: Unit) -> tuple[Any, Exception | None]:
    """Return the value of a unit, or the error that the caller is to see."""
    try:
        return unit.run(), None
    except ClimbError as error:
        return None, error
    except BaseException as error:
        fault = device_fault(error)
        return None, _describe(error) if fault is None else DeviceFault(fault)


def _describe(error: BaseException) -> UnitError:
    return UnitError(f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}")


def _die_with(parent: int, lifeline: int) -> None:
    """End this process when its parent ends, however it does: by the kernel on Linux, by the pipe everywhere."""

    def wait() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=wait, name="wait for the parent's end", daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it may have died before
        os._exit(1)


def _keep_memory() -> None:
    """Keep freed memory: a training step frees megabytes that the next one asks for again."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
