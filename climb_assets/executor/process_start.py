"""When this process began to load the package; nothing of it is loaded before this."""

import time

BEGUN_NS = time.time_ns()
