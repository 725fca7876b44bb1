"""Workers of this machine: what they return, what happens when they or their parent die, and what stays."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from climb_assets.errors import ClimbError, ComputeError, ConfigError, CorruptArtifact, TransientError
from climb_assets.executor.capacity import Capacity
from climb_assets.executor.executor import Resources, UnitError
from climb_assets.executor.local import Layout, LocalExecutor, choose_layout, end_idle_workers
from tests.climb_assets.executor.units import Echo, Fail, Mark, Stumble, Threads, Unpicklable

SMALL = Resources(memory_bytes=2**20, threads=1)
MACHINE = Capacity(cores=2, memory_bytes=2**34)


@pytest.fixture(autouse=True)
def fresh_workers() -> Iterator[None]:
    """End the workers that a test leaves."""
    yield
    end_idle_workers()


@pytest.fixture
def executor() -> LocalExecutor:
    return LocalExecutor(workers=2, capacity=MACHINE)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def gone(process: int) -> bool:
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_each_unit_comes_back_with_its_value_and_progress(executor: LocalExecutor) -> None:
    told: list[tuple[int, int]] = []
    units = [Echo(number) for number in range(7)]
    found = list(executor.map(units, SMALL, lambda *done: told.append(done)))
    assert sorted(unit.value for unit, _ in found) == list(range(7))
    assert all(value == unit.value for unit, (value, _) in found)
    assert told == [(done, 7) for done in range(1, 8)]
    assert os.getpid() not in {process for _, (_, process) in found}


def test_results_come_as_units_end_and_a_long_one_holds_up_no_other(executor: LocalExecutor) -> None:
    units = [Echo("long", seconds=1.5), *(Echo(number, seconds=0.02) for number in range(8))]
    values = [value for _, (value, _) in executor.map(units, SMALL)]
    assert values[:-1] == list(range(8))
    assert values[-1] == "long"


def test_workers_are_kept_for_the_next_units_and_none_starts_for_nothing(executor: LocalExecutor) -> None:
    assert list(executor.map([], SMALL)) == []
    first = {process for _, (_, process) in executor.map([Echo(1, 0.3), Echo(2, 0.3)], SMALL)}
    again = {process for _, (_, process) in LocalExecutor(2, MACHINE).map([Echo(3), Echo(4)], SMALL)}
    assert len(first) == 2 and again <= first


def test_a_worker_computes_with_its_share_of_the_cores() -> None:
    roomy, tight = Capacity(2, 2 * 2**30), Capacity(2, 2**30)
    for capacity, threads in ((roomy, 1), (tight, 2)):
        executor = LocalExecutor(1, capacity)
        assert [found for _, found in executor.map([Threads()], Resources(2**30))] == [(threads, threads)]


@pytest.mark.parametrize("error", [ConfigError("corpus.raw: no"), CorruptArtifact("a is gone"), ComputeError("none")])
def test_an_error_of_ours_crosses_as_it_is(executor: LocalExecutor, error: ClimbError) -> None:
    with pytest.raises(type(error)) as caught:
        list(executor.map([Fail(error)], SMALL))
    assert type(caught.value) is type(error) and caught.value.args == error.args


@pytest.mark.parametrize("error", [ZeroDivisionError("deep down"), SystemExit("deep down")])
def test_any_other_error_tells_where_it_was_raised(executor: LocalExecutor, error: BaseException) -> None:
    with pytest.raises(UnitError, match=r"deep down(.|\n)*units\.py(.|\n)*raise self\.error"):
        list(executor.map([Fail(error)], SMALL))


def test_a_value_that_cannot_be_sent_is_an_error_and_the_worker_goes_on(executor: LocalExecutor) -> None:
    with pytest.raises(UnitError, match=r"(?i)pickle"):
        list(executor.map([Unpicklable()], SMALL))
    assert [value for _, (value, _) in executor.map([Echo(1)], SMALL)] == [1]


def test_the_first_failure_begins_nothing_more_and_loses_nothing(executor: LocalExecutor, tmp_path: Path) -> None:
    units = [Fail(ComputeError("first"), seconds=0.3), Mark(tmp_path, 0), Mark(tmp_path, 1, seconds=1)]
    units += [Mark(tmp_path, number) for number in range(2, 6)]
    found = []
    with pytest.raises(ComputeError, match="first"):
        for unit, _ in executor.map(units, SMALL):
            found.append(unit)
    assert found == units[1:3]  # what was at work when it failed is finished
    assert not (tmp_path / "begun-2").exists()


@pytest.mark.parametrize("error", [None, TransientError("the disk is full; make room")])
def test_what_may_pass_is_tried_once_more(executor: LocalExecutor, tmp_path: Path, error: ClimbError | None) -> None:
    found = dict(executor.map([Stumble(tmp_path, 1, error), Echo("other")], SMALL))
    assert found[Stumble(tmp_path, 1, error)] == 1
    assert found[Echo("other")][0] == "other"


def test_a_worker_that_dies_twice_is_an_error_that_says_what_to_do(executor: LocalExecutor, tmp_path: Path) -> None:
    units = [Stumble(tmp_path, 9), Echo(1), Echo(2, 1.0), Echo(3)]
    found = []
    with pytest.raises(TransientError, match=r"stumbling died 2 times.*lower runtime\.workers"):
        found += [value for _, (value, _) in executor.map(units, SMALL)]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_transient_error_that_stays_is_the_callers(executor: LocalExecutor, tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="make room"):
        list(executor.map([Stumble(tmp_path, 9, TransientError("make room"))], SMALL))
    assert len(list(tmp_path.iterdir())) == 2


def test_killing_one_worker_leaves_the_other_at_work(executor: LocalExecutor, tmp_path: Path) -> None:
    results = executor.map([Mark(tmp_path, 0, 1.0), Mark(tmp_path, 1, 1.0), Echo("quick")], SMALL)
    runs = executor.map([Echo("start", 0), Echo("start", 0.2)], SMALL)
    list(runs)  # both workers are up
    processes: dict[int, int] = {}

    def kill_first() -> None:
        wait_until(lambda: (tmp_path / "begun-1").exists() and (tmp_path / "begun-0").exists())
        processes.update({number: int((tmp_path / f"begun-{number}").read_text()) for number in range(2)})
        os.kill(processes[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_first)
    killer.start()
    found = {unit.name for unit, _ in results}
    killer.join()
    assert found == {"mark 0", "mark 1", "echo quick"}
    assert int((tmp_path / "begun-0").read_text()) != processes[0]  # another worker did it
    assert int((tmp_path / "begun-1").read_text()) == processes[1]  # this one was not disturbed


def test_closing_ends_what_is_at_work_and_begins_nothing(executor: LocalExecutor, tmp_path: Path) -> None:
    units = [Echo(0), Mark(tmp_path, 0, 600), *(Mark(tmp_path, number) for number in range(1, 4))]
    with contextlib.closing(LocalExecutor(2, MACHINE).map(units, SMALL)) as results:
        next(results)
        wait_until((tmp_path / "begun-0").exists)
        process = int((tmp_path / "begun-0").read_text())
    assert gone(process)
    begun = len(list(tmp_path.iterdir()))
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) == begun
    assert [value for _, (value, _) in executor.map([Echo(1)], SMALL)] == [1]


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
        wait_until(lambda: len(list(tmp_path.glob("begun-*"))) == 2, 60)
        workers = [int(path.read_text()) for path in tmp_path.glob("begun-*")]
        assert not any(gone(worker) for worker in workers)
    finally:
        parent.send_signal(blow)
        parent.wait(20)
    wait_until(lambda: all(gone(worker) for worker in workers), 10)
    assert len(list(tmp_path.glob("begun-*"))) == 2


def test_the_layout_fills_cores_until_memory_ends() -> None:
    gib = 2**30
    machine = Capacity(8, 32 * gib)
    assert choose_layout(Resources(gib), None, machine) == Layout(8, 1)
    assert choose_layout(Resources(8 * gib), None, machine) == Layout(4, 2)
    assert choose_layout(Resources(100 * gib), None, machine) == Layout(1, 8)
    assert choose_layout(Resources(gib, gpu=True), None, machine) == Layout(1, 8)
    assert choose_layout(Resources(gib, threads=3), None, machine) == Layout(2, 3)
    assert choose_layout(Resources(gib), 5, machine) == Layout(5, 1)  # the threads, and so the bits, stay the same
