"""How a machine is shared out among units of work.

What belongs here: how many run at once, and on how many threads. What there is to share out is `capacity`.
"""

from climb_assets.executor.capacity import Capacity
from climb_assets.executor.executor import Layout, Resources


def choose_layout(resources: Resources, wanted: int | None, capacity: Capacity, gpu_places: int = 1) -> Layout:
    """Return how many units run at once, and on how many threads.

    Processes of one thread train more tokens in a second than one process of many (benchmarks/proxy_training.py), so
    there is one a core as long as memory lasts; what memory forbids in processes goes into threads. The number of
    threads depends neither on how much work is left nor on what the user wants: another one could change the last bits
    of a loss.

    Parameters
    ----------
    wanted
        Number of workers that the user asks for.
    gpu_places
        Units that need a GPU and find room on those of the machine.
    """
    room = min(capacity.cores // (resources.threads or 1), capacity.memory_bytes // resources.memory_bytes)
    most = max(1, min(room, gpu_places) if resources.gpu else room)
    return Layout(wanted or most, resources.threads or max(1, capacity.cores // most))
