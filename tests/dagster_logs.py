"""What steps print, without the four processes by which Dagster follows it at each run.

What belongs here: what a process that runs tests saves at each of its hundreds of runs. The log files are written all
the same; processes that a test starts (`climb up`, servers) do as users' do.
"""

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def _follow_nothing(path: str, stream: Any) -> Iterator[tuple[None, None]]:
    yield None, None


def follow_none() -> None:
    """Show nothing of what steps print while they run, where pytest keeps it to itself anyhow."""
    from dagster._core.execution import compute_logs

    compute_logs.tail_to_stream = _follow_nothing
