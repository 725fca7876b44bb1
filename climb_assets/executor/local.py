"""The worker processes of this process: started when first needed, reused, dead when it dies.

What belongs here: the life of workers. What they do is `swarm`.
"""

import ctypes
import functools
import multiprocessing
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>: the signal a process gets when its parent dies
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
KEPT_BYTES = 2**30
BYTES_PER_PARAMETER = 20  # float32 weight, gradient, two moments of AdamW, and a copy while it is saved
WORKER_BYTES = 2 * 2**30  # torch and transformers, the activations of a step


@dataclass(frozen=True)
class Layout:
    """How a machine is shared out: so many workers, and threads of each."""

    workers: int
    threads: int


def choose_layout(parameters: int, wanted: int | None, *, gpu: bool) -> Layout:
    """Return the layout for training models of a size.

    Processes of one thread train more tokens in a second than one process of many (benchmarks/proxy_training.py), so
    there is one a core as long as memory lasts; what memory forbids in processes goes into threads. The answer does not
    depend on how much work is left: another number of threads could change the last bits of a loss.

    Parameters
    ----------
    parameters
        Parameters of one model.
    wanted
        Number of workers that the user asks for.
    gpu
        Whether a GPU trains them, which one process can keep busy.
    """
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    room = int(memory // (WORKER_BYTES + BYTES_PER_PARAMETER * parameters))
    most = 1 if gpu else max(1, min(cores, room))
    return Layout(wanted or most, max(1, cores // most))


@functools.cache
def start_workers(layout: Layout) -> ProcessPoolExecutor:
    """Return this process's pool of spawned workers.

    Importing torch takes a worker seconds, so the pool is kept for the next swarm. A fork would inherit threads and
    locks that torch cannot live with. On Linux the workers die with the thread that first submits work.
    """
    context = multiprocessing.get_context("spawn")
    arguments = (os.getpid(), layout.threads)
    return ProcessPoolExecutor(layout.workers, mp_context=context, initializer=_begin, initargs=arguments)


def discard_workers(layout: Layout) -> None:
    """Forget a broken pool; the next call of `start_workers` makes a new one."""
    start_workers(layout).shutdown(wait=True, cancel_futures=True)
    start_workers.cache_clear()


def require_parent(parent: int) -> None:
    """End this process if its parent is gone."""
    if os.getppid() != parent:
        os._exit(1)


def _begin(parent: int, threads: int) -> None:
    """Bind the worker's life to its parent's, keep its memory, and give it its threads."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # A step frees megabytes that the next one asks for again; by default they go back to the kernel in between.
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    require_parent(parent)  # the parent may have died before the call above
    # Compiled code is the user's own and lies neither in a lake that others may hand on nor in a folder for all.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path.home() / ".cache" / "climb" / "compiled"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle

    import torch
    from transformers.utils import logging

    torch.set_num_threads(threads)
    logging.disable_progress_bar()  # one of each file a worker reads or writes
