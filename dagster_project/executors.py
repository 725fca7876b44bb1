"""Executors: how the steps of a run are executed.

What belongs here: finding the executor that the configuration names. Dagster keeps it in the definitions; where runs
are launched and queued stands in the instance's dagster.yaml.
"""

import pkgutil

import dagster as dg

from climb_assets.errors import ConfigError

KNOWN = {"in_process": dg.in_process_executor, "multiprocess": dg.multiprocess_executor}


def find_executor(name: str) -> dg.ExecutorDefinition:
    """Return the executor of a name, or the one that ``module:name`` is.

    In one process by default: a step of its own costs a process that imports everything again, and the steps that
    compute fan out by themselves.

    Raises
    ------
    ConfigError
        If there is no such executor.
    """
    if name in KNOWN:
        return KNOWN[name]
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"dagster.executor: {name!r} cannot be found ({error}); use {', '.join(KNOWN)} or module:name"
        ) from None
    if not isinstance(found, dg.ExecutorDefinition):
        raise ConfigError(f"dagster.executor: {name!r} is no Dagster executor; use {', '.join(KNOWN)} or module:name")
    return found
