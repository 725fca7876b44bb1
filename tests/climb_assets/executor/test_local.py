"""Workers of this machine: their share of it, and what becomes of them when their parent ends."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from climb_assets.executor.capacity import Capacity
from climb_assets.executor.executor import Resources
from climb_assets.executor.local import LocalExecutor
from tests.climb_assets.executor.backends import gone, wait_until
from tests.climb_assets.executor.units import Threads


def test_a_worker_computes_with_its_share_of_the_cores() -> None:
    roomy, tight = Capacity(2, 2 * 2**30), Capacity(2, 2**30)
    for capacity, threads in ((roomy, 1), (tight, 2)):
        executor = LocalExecutor(1, capacity)
        assert [found for _, found in executor.map([Threads()], Resources(2**30))] == [(threads, threads)]


PARENT = """
    import signal
    import sys
    from pathlib import Path
    from climb_assets.executor.capacity import Capacity
    from climb_assets.executor.executor import Resources
    from climb_assets.executor.local import LocalExecutor
    from tests.climb_assets.executor.units import Mark

    for number in (signal.SIGTERM, signal.SIGINT):  # whoever runs the tests may ignore them, and children inherit that
        signal.signal(number, signal.SIG_DFL)
    units = [Mark(Path(sys.argv[1]), number, 600, by_kernel=sys.argv[2] == "True") for number in range(4)]
    list(LocalExecutor(2, Capacity(2, 2**34)).map(units, Resources(2**20, threads=1)))
"""


@pytest.mark.parametrize("by_kernel", [True, False])
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent_however_it_ends(tmp_path: Path, blow: signal.Signals, by_kernel: bool) -> None:
    """The parent is a program on standard input, which has no `if __name__ == "__main__"`."""
    command = [sys.executable, "-", str(tmp_path), str(by_kernel)]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert parent.stdin is not None
    parent.stdin.write(textwrap.dedent(PARENT).encode())
    parent.stdin.close()
    try:
        wait_until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
        workers = [int(path.read_text()) for path in tmp_path.glob("begun-*")]
        assert not any(gone(worker) for worker in workers)
    finally:
        parent.send_signal(blow)
        parent.wait(60)
    wait_until(lambda: all(gone(worker) for worker in workers))
    assert len(list(tmp_path.glob("begun-*"))) == 2
