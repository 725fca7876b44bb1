"""What every executor promises, wherever its workers are: what comes back, what is tried again, what a failure ends."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from climb_assets.errors import ClimbError, ComputeError, ConfigError, CorruptArtifact, TransientError
from climb_assets.executor.executor import Executor, UnitError
from climb_assets.store.local import LocalStore
from tests.climb_assets.executor.backends import BACKENDS, SMALL, end_workers, gone, two_workers, wait_until
from tests.climb_assets.executor.units import Commit, Echo, Fail, Interrupt, LeaselessStore, Mark, Stumble, Unpicklable


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param
    end_workers(request.param)


@pytest.fixture
def executor(backend: str) -> Executor:
    """Return an executor whose two workers are up."""
    executor = two_workers(backend)
    wait_until(lambda: len({process for _, (_, process) in executor.map([Echo(1, 0.1), Echo(2, 0.1)], SMALL)}) == 2)
    return executor


def test_each_unit_comes_back_with_its_value_and_progress(executor: Executor) -> None:
    told: list[tuple[int, int]] = []
    units = [Echo(number) for number in range(7)]
    found = list(executor.map(units, SMALL, lambda *done: told.append(done)))
    assert sorted(unit.value for unit, _ in found) == list(range(7))
    assert all(value == unit.value for unit, (value, _) in found)
    assert told == [(done, 7) for done in range(1, 8)]
    assert os.getpid() not in {process for _, (_, process) in found}


def test_results_come_as_units_end_and_a_long_one_holds_up_no_other(executor: Executor) -> None:
    units = [Echo("long", seconds=1.5), *(Echo(number, seconds=0.02) for number in range(8))]
    values = [value for _, (value, _) in executor.map(units, SMALL)]
    assert values[:-1] == list(range(8))
    assert values[-1] == "long"


def test_workers_are_kept_for_the_next_units_and_none_starts_for_nothing(executor: Executor, backend: str) -> None:
    assert list(executor.map([], SMALL)) == []
    first = {process for _, (_, process) in executor.map([Echo(1, 0.3), Echo(2, 0.3)], SMALL)}
    again = {process for _, (_, process) in two_workers(backend).map([Echo(3), Echo(4)], SMALL)}
    assert len(first) == 2 and again <= first


@pytest.mark.parametrize("error", [ConfigError("corpus.raw: no"), CorruptArtifact("a is gone"), ComputeError("none")])
def test_an_error_of_ours_crosses_as_it_is(executor: Executor, error: ClimbError) -> None:
    with pytest.raises(type(error)) as caught:
        list(executor.map([Fail(error)], SMALL))
    assert type(caught.value) is type(error) and caught.value.args == error.args


@pytest.mark.parametrize("error", [ZeroDivisionError("deep down"), SystemExit("deep down")])
def test_any_other_error_tells_where_it_was_raised(executor: Executor, error: BaseException) -> None:
    with pytest.raises(UnitError, match=r"deep down(.|\n)*units\.py(.|\n)*raise self\.error"):
        list(executor.map([Fail(error)], SMALL))


def test_a_value_that_cannot_be_sent_is_an_error_and_the_worker_goes_on(executor: Executor) -> None:
    with pytest.raises(UnitError, match=r"(?i)pickle"):
        list(executor.map([Unpicklable()], SMALL))
    assert [value for _, (value, _) in executor.map([Echo(1)], SMALL)] == [1]


def test_the_first_failure_begins_nothing_more_and_loses_nothing(executor: Executor, tmp_path: Path) -> None:
    units = [Fail(ComputeError("first"), seconds=0.3), Mark(tmp_path, 0), Mark(tmp_path, 1, seconds=1)]
    units += [Mark(tmp_path, number) for number in range(2, 6)]
    found = []
    with pytest.raises(ComputeError, match="first"):
        for unit, _ in executor.map(units, SMALL):
            found.append(unit)
    assert found == units[1:3]  # what was at work when it failed is finished
    assert not (tmp_path / "begun-2").exists()


@pytest.mark.parametrize("error", [None, TransientError("the disk is full; make room")])
def test_what_may_pass_is_tried_once_more(executor: Executor, tmp_path: Path, error: ClimbError | None) -> None:
    found = dict(executor.map([Stumble(tmp_path, 1, error), Echo("other")], SMALL))
    assert found[Stumble(tmp_path, 1, error)] == 1
    assert found[Echo("other")][0] == "other"


def test_a_worker_that_dies_twice_is_an_error_that_says_what_to_do(executor: Executor, tmp_path: Path) -> None:
    units = [Stumble(tmp_path, 9), Echo(1), Echo(2, 1.0), Echo(3)]
    found = []
    with pytest.raises(TransientError, match=r"stumbling died at try 2.*lower runtime\.workers"):
        found += [value for _, (value, _) in executor.map(units, SMALL)]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_transient_error_that_stays_is_the_callers(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="make room"):
        list(executor.map([Stumble(tmp_path, 9, TransientError("make room"))], SMALL))
    assert len(list(tmp_path.iterdir())) == 2


def test_killing_one_worker_leaves_the_other_at_work(executor: Executor, tmp_path: Path) -> None:
    results = executor.map([Mark(tmp_path, 0, 1.0), Mark(tmp_path, 1, 1.0), Echo("quick")], SMALL)
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


def test_closing_ends_what_is_at_work_and_begins_nothing(executor: Executor, backend: str, tmp_path: Path) -> None:
    units = [Echo(0), Mark(tmp_path, 0, 600), *(Mark(tmp_path, number) for number in range(1, 4))]
    with contextlib.closing(two_workers(backend).map(units, SMALL)) as results:
        next(results)
        wait_until((tmp_path / "begun-0").exists)
        process = int((tmp_path / "begun-0").read_text())
    wait_until(lambda: gone(process))
    begun = len(list(tmp_path.iterdir()))
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) == begun
    assert [value for _, (value, _) in executor.map([Echo(1)], SMALL)] == [1]


def test_whose_answer_is_interrupted_is_ended_and_not_lost(executor: Executor, tmp_path: Path) -> None:
    """What it would say next belongs to no unit, and a worker that nobody knows of keeps its memory or its GPU."""
    with pytest.raises(KeyboardInterrupt) as caught:
        list(executor.map([Interrupt(tmp_path)], SMALL))
    wait_until(lambda: gone(int((tmp_path / "process").read_text())))
    del caught  # whoever keeps the error, such as a log or a debugger, keeps what its frames hold until here
    assert [value for _, (value, _) in executor.map([Echo(1)], SMALL)] == [1]


def test_a_unit_that_is_done_twice_is_committed_once(executor: Executor, tmp_path: Path) -> None:
    """Its first worker dies between commit and answer, so a second one does it again and finds it done."""
    assert [found for _, found in executor.map([Commit(LocalStore(tmp_path), 1, fatal=True)], SMALL)] == [("1", False)]


def test_a_worker_that_comes_late_finds_what_another_has_committed(executor: Executor, tmp_path: Path) -> None:
    store = LeaselessStore(tmp_path)
    late, quick = Commit(store, 1, seconds=1.0), Commit(store, 2)
    assert dict(executor.map([late, quick], SMALL)) == {quick: ("2", True), late: ("2", False)}
    assert len(store.fingerprints("corpus_shards", "shard")) == 1
