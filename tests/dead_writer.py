"""A writer that is killed while it makes an artefact."""

import multiprocessing
import os
import signal
from collections.abc import Callable

from climb_assets.store.artifacts import Draft, Order
from climb_assets.store.local import LocalStore

FORK = multiprocessing.get_context("fork")


def die_while_writing(store: LocalStore, order: Order, write: Callable[[Draft], None]) -> None:
    """Let a process begin an artefact, do this much of it, and be killed."""

    def begin(draft: Draft) -> None:
        write(draft)
        os.kill(os.getpid(), signal.SIGKILL)

    process = FORK.Process(target=store.put, args=(order, begin), kwargs={"resumable": True})
    process.start()
    process.join(60)
    process.kill()  # of one that waits for ever
    process.join()
    assert process.exitcode == -signal.SIGKILL, "the writer did not come to its end"
