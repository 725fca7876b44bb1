"""The executors of each backend, for tests that all of them pass."""

import time
from collections.abc import Callable

import psutil
import pytest

from climb_assets.config_ray import Ray
from climb_assets.environment import is_installed
from climb_assets.executor.capacity import Capacity
from climb_assets.executor.executor import Executor, Resources
from climb_assets.executor.local import LocalExecutor, end_idle_workers

SMALL = Resources(memory_bytes=2**20, threads=1)
MACHINE = Capacity(cores=2, memory_bytes=2**34)
needs_ray = pytest.mark.skipif(not is_installed("ray"), reason="Ray is not installed: pip install 'climb[ray]'")
BACKENDS = ["local", pytest.param("ray", marks=needs_ray)]


def two_workers(backend: str, settings: Ray = Ray(), capacity: Capacity = MACHINE) -> Executor:  # noqa: B008, frozen
    """Return an executor of two workers; those of Ray are of the one cluster that this process has."""
    if backend == "local":
        return LocalExecutor(2, capacity)
    from climb_assets.executor.ray import RayExecutor

    return RayExecutor(2, settings, capacity=capacity)


def end_workers(backend: str) -> None:
    """End the workers that a test leaves."""
    if backend == "local":
        end_idle_workers()
    else:
        from climb_assets.executor.ray import end_idle_workers as end_idle_workers_of_ray

        end_idle_workers_of_ray()


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def gone(process: int) -> bool:
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
