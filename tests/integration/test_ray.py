"""`climb up` on a Ray cluster that it starts by itself: the bytes of a run without it, and nothing left behind."""

import signal
from pathlib import Path

import pytest

from climb_assets.store.local import LocalStore
from tests.climb_assets.executor.backends import needs_ray
from tests.integration.processes import EVERY_MOMENT, assert_gone, climb, contents, wait_until

pytestmark = [needs_ray, pytest.mark.slow]


@pytest.fixture
def on_ray(project: Path) -> Path:
    """Return a project whose workers are two of Ray's."""
    with (project / "climb.yaml").open("a", encoding="utf-8") as stream:
        stream.write("runtime: {backend: ray, workers: 2}\n")
    return project


def test_the_lake_holds_the_bytes_that_local_workers_make(on_ray: Path, finished_once: Path) -> None:
    started = climb(on_ray, "up")
    try:
        assert started.finish() == 0, started.log.read_text()
        assert_gone(started)
    finally:
        started.end_family()
    assert contents(LocalStore(on_ray / "data_lake")) == contents(LocalStore(finished_once / "data_lake"))


@pytest.mark.parametrize("number", [signal.SIGINT, *([signal.SIGKILL] if EVERY_MOMENT else [])])
def test_nothing_is_left_of_a_run_that_is_ended_meanwhile(on_ray: Path, number: signal.Signals) -> None:
    started = climb(on_ray, "up", "--to", "embeddings")
    try:
        making = lambda: any((on_ray / "data_lake" / "artifacts").rglob(".*.partial"))  # noqa: E731
        wait_until(making, 120, "something is being made")
        started.process.send_signal(number)
        assert started.finish(30) == (-number if number == signal.SIGKILL else 128 + number)
        assert_gone(started)
        log = started.log.read_text(encoding="utf-8")
        assert "Traceback" not in log
    finally:
        started.end_family()
