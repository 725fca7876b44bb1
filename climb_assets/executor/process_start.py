"""The start of a process: when it began to load the package, and what makes loading quicker.

Nothing of the package is loaded before this.
"""

import gc
import time

BEGUN_NS = time.time_ns()


def expect_libraries() -> None:
    """Look for garbage seldom: what libraries make when they are imported are a million objects that stay.

    With Python's own thresholds that takes a tenth of the seconds in which torch and transformers are imported.
    """
    gc.set_threshold(100_000, 50, 1000)
