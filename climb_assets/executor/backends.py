"""Backends: the executor that a configuration asks for.

What belongs here: the choice. A backend is one module of this room.
"""

from climb_assets.config import Runtime
from climb_assets.environment import is_installed
from climb_assets.errors import ConfigError
from climb_assets.executor.executor import Executor
from climb_assets.executor.local import LocalExecutor


def make_executor(runtime: Runtime) -> Executor:
    """Return the executor of `runtime.backend`; nothing is started before it is asked for something.

    Raises
    ------
    ConfigError
        What it needs is not installed.
    """
    if runtime.backend == "local":
        return LocalExecutor(runtime.workers)
    if not is_installed("ray"):
        raise ConfigError("runtime.backend: ray is not installed; pip install 'climb[ray]', or use local")
    from climb_assets.executor.ray import RayExecutor

    return RayExecutor(runtime.workers, runtime.ray, private=runtime.private)
