"""CLIMB as a library: what is computed. Folders are stages; nothing in it knows Dagster."""

import time

BEGUN_NS = time.time_ns()  # when this process began to load this package: nothing of it is loaded before this
