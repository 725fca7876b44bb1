"""The Ray cluster that this process belongs to: one that it joins, or one of this machine that it starts and ends.

What belongs here: the life of that cluster, and what its machines have. Who works on it is `climb_assets.executor.ray`.

Whoever reaches the ports of a Ray cluster can run code on it. One that is started here listens on loopback alone, for
bearers of a token that nobody else knows, without dashboard and without reports to Ray's makers. One that is joined is
as its owner has set it up. A process belongs to one cluster as long as it lives.
"""

import atexit
import contextlib
import ctypes
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from climb_assets.errors import ConfigError, TransientError
from climb_assets.executor import cluster_end
from climb_assets.executor.capacity import Capacity, measure_capacity
from climb_assets.executor.cluster_end import end_processes
from climb_assets.store.locks import hold, is_held, remove_unheld

OBJECT_BYTES = 80 * 2**20  # of memory for objects, Ray's least is 75 MiB; units and what they return are small
FOLDERS = Path("/tmp")  # and not where TMPDIR leads: the path of a Unix socket has at most 107 bytes
LOCK = ".lock"  # a file beside a folder, held while that is used
LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # 0: as Ray does on these, where more would ask a firewall
END_PROGRAM = Path(cluster_end.__file__)
START_SECONDS = 180.0  # after which a cluster that is being started is given up
QUIET: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}

_CHANGING = threading.Lock()
_STARTED = contextlib.ExitStack()  # what is left to undo of a cluster that was started here


@dataclass(frozen=True)
class Machine:
    """What a cluster may use of a machine."""

    capacity: Capacity
    gpus: float


def connect(address: str | None, capacity: Capacity | None = None) -> list[Machine]:
    """Belong to a cluster, unless this process does already, and return its machines that have cores.

    One that was started here and has died is started anew.

    Parameters
    ----------
    address
        See `runtime.ray.address`.
    capacity
        What a cluster that is started here may use; None: what this process may use.

    Raises
    ------
    ConfigError
        There is no cluster at the address, or Ray was imported too early to start one.
    TransientError
        None could be started.
    """
    with _CHANGING:
        if address is None:
            _choose_protection()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        if ray.is_initialized() and address is None and not _is_alive():
            ray.shutdown()
            _STARTED.close()
        if not ray.is_initialized():
            with _keeping_handler():
                _join(address) if address is not None else _start(capacity or measure_capacity())
                atexit.register(disconnect)  # after all that Ray has registered, so it comes before that
    found = [_read_machine(node["Resources"]) for node in ray.nodes() if node["Alive"]]
    return [machine for machine in found if machine.capacity.cores]


def own_address() -> str:
    """Return where the cluster is to which this process belongs."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


def require_life() -> None:
    """Raise TransientError if no machine of the cluster is there any more."""
    if not _is_alive():
        raise TransientError("the machines of the Ray cluster are gone; run again, and see Ray's logs if they go again")


def _is_alive() -> bool:
    import ray

    return any(node["Alive"] for node in ray.nodes())


def disconnect() -> None:
    """End the cluster that was started here, or leave the one that was joined; all actors of this process end."""
    with _CHANGING:
        if "ray" not in sys.modules:
            return
        import ray

        ray.shutdown()
        _STARTED.close()


def _read_machine(resources: dict[str, float]) -> Machine:
    capacity = Capacity(int(resources.get("CPU", 0)), int(resources.get("memory", 0)))
    return Machine(capacity, resources.get("GPU", 0))


def _choose_protection() -> None:
    """Set what keeps others from a cluster that is started here; Ray reads it when it is imported."""
    if "ray" in sys.modules and LOOPBACK_ONLY not in os.environ:
        raise ConfigError(
            "runtime.ray.address: this program has imported Ray before climb could say that its cluster is for this "
            "machine alone; import it later, or join a cluster by its address"
        )
    os.environ[LOOPBACK_ONLY] = "0"
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _join(address: str) -> None:
    import ray

    try:
        _call_in_lasting_thread(partial(ray.init, address=address, **QUIET))
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"runtime.ray.address: no Ray cluster answers at {address!r} from this machine ({error}); start climb on a "
            "machine of the cluster (`ray start`), or set it to null for one of this machine alone"
        ) from None


def _start(capacity: Capacity) -> None:
    import ray

    try:
        folder = _make_folder()
        options = {
            "num_cpus": capacity.cores,
            "object_store_memory": OBJECT_BYTES,
            "_memory": capacity.memory_bytes,
            "_temp_dir": str(folder / "ray"),
            # None before they are asked for, as they would have other variables than ours; as urgent as local workers.
            "_system_config": {"prestart_worker_first_driver": False, "worker_niceness": 0},
        }
        _call_in_lasting_thread(partial(ray.init, address="local", **options, **QUIET))
        _have_rest_killed(folder)
    except BaseException as error:
        ray.shutdown()
        _STARTED.close()
        if not isinstance(error, Exception):
            raise
        raise TransientError(f"no Ray cluster could be started on this machine ({error!r}); run again") from error


def _call_in_lasting_thread(function: Callable[[], Any]) -> Any:
    """Return what a function returns whose processes end with the thread that started them: it ends with this process.

    Ray asks the kernel for that (PR_SET_PDEATHSIG), so that none stays however this process ends. Nor does Ray put
    handlers of its own in place of Python's from a thread that is not the main one. Who is interrupted meanwhile waits
    until the function is done.
    """
    outcome: Future[Any] = Future()

    def do() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:
            outcome.set_exception(error)
        threading.Event().wait()

    threading.Thread(target=do, name="parent of Ray", daemon=True).start()
    try:
        return outcome.result(START_SECONDS)
    except BaseException:
        wait([outcome], START_SECONDS)
        raise


def _have_rest_killed(folder: Path) -> None:
    """Start a process that kills what Ray leaves of the cluster of a folder once this process is gone, however it ends.

    Its agents would wait a minute for their cluster, and workers that are just starting half a minute.
    """
    raylets = [process for process in psutil.Process().children() if process.name() == "raylet"]
    with contextlib.ExitStack() as ours:
        agents = [os.pidfd_open(agent.pid) for raylet in raylets for agent in raylet.children()]  # none gets its number
        heard, lifeline = os.pipe()
        for descriptor in (heard, *agents):
            ours.callback(os.close, descriptor)
        told = (str(folder), _package(), *map(str, agents))
        command = [sys.executable, "-P", str(END_PROGRAM), *told]  # -P: modules beside it have names of others
        program = subprocess.Popen(command, stdin=heard, pass_fds=agents, start_new_session=True)
    _STARTED.callback(_kill_rest, program, lifeline)


def _package() -> str:
    """Return the folder of Ray's programs."""
    import ray

    return str(Path(ray.__file__).parent)


def _kill_rest(program: subprocess.Popen[bytes], lifeline: int) -> None:
    """Let the program kill what Ray left, and wait until it has: its own command has the folder of the cluster too."""
    os.close(lifeline)
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(START_SECONDS)


@contextlib.contextmanager
def _keeping_handler() -> Iterator[None]:
    """Keep the handler of SIGTERM that there is: Ray puts one in its place that prints a trace first.

    By the C library, as Python sets handlers from its main thread only; the size of what it keeps is generous.
    """
    library, kept = ctypes.CDLL(None), ctypes.create_string_buffer(1024)
    library.sigaction(int(signal.SIGTERM), None, kept)
    try:
        yield
    finally:
        library.sigaction(int(signal.SIGTERM), kept, None)


def _make_folder() -> Path:
    """Return a new folder for sockets and logs, which goes with the cluster; what killed processes left goes now.

    It lies in one that is this account's alone, as Ray opens its own to everybody.
    """
    prefix = f"climb-ray-{os.getuid()}-"
    for lock in FOLDERS.glob(f"{prefix}*{LOCK}"):
        with contextlib.suppress(FileNotFoundError):  # another process was here first
            if lock.lstat().st_uid == os.getuid() and not is_held(lock):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                remove_unheld(lock)
    folder = FOLDERS / f"{prefix}{secrets.token_hex(4)}"
    lock = folder.with_suffix(LOCK)
    _STARTED.enter_context(hold(lock))
    _STARTED.callback(lock.unlink, missing_ok=True)
    _STARTED.callback(shutil.rmtree, folder, ignore_errors=True)
    # Of a cluster that does not come up in 30 s, Ray leaves what it has started.
    _STARTED.callback(end_processes, str(folder), _package())
    folder.mkdir(mode=0o700)
    return folder
