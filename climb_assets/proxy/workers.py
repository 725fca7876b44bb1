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

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>: the signal a process gets when its parent dies


@functools.cache
def start_workers(count: int) -> ProcessPoolExecutor:
    """Return this process's pool of `count` spawned workers, one torch thread each.

    Importing torch takes a worker seconds, so the pool is kept for the next swarm. A fork would inherit threads and
    locks that torch cannot live with. On Linux the workers die with the thread that first submits work.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(os.getpid(),))


def discard_workers(count: int) -> None:
    """Forget a broken pool; the next call of `start_workers` makes a new one."""
    start_workers(count).shutdown(wait=True, cancel_futures=True)
    start_workers.cache_clear()


def require_parent(parent: int) -> None:
    """End this process if its parent is gone."""
    if os.getppid() != parent:
        os._exit(1)


def _begin(parent: int) -> None:
    """Bind the worker's life to its parent's and give it one thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    require_parent(parent)  # the parent may have died before the call above
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle

    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.disable_progress_bar()  # one of each file a worker reads or writes
