"""The start of a process: when it began to load the package, and what makes loading quicker.

Nothing of the package is loaded before this.
"""

import gc
import os
import time

BEGUN_NS = time.time_ns()

# Arrow's own allocator keeps tens of MiB of what it has freed, which nothing else can use; the system's is as quick.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # read when pyarrow is loaded


def collect_garbage_seldom() -> None:
    """Let Python look for reference cycles seldom, from before libraries are imported to the end of the process.

    The million objects that torch and transformers make when they are imported stay, and to look through them takes a
    tenth of the seconds of that. Cycles that nobody needs any more stay longer for it: models must be in none.
    """
    gc.set_threshold(100_000, 50, 1000)
