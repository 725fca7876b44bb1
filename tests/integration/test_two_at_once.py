"""Two `climb up` at once that see no process of each other, as on two hosts: both end well, with the same bytes."""

import sys
from pathlib import Path

import pytest

from climb_assets.store.local import LocalStore
from tests.integration.processes import contents, launch
from tests.other_host import ON_OTHER_HOST, needs_other_host


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs_other_host
def test_each_takes_what_the_other_has_made(project: Path, finished_once: Path) -> None:
    command = [sys.executable, "-m", "dagster_project.cli", "--config", project / "climb.yaml", "up"]
    both = [launch([*ON_OTHER_HOST, *command], project / f"up-{number}.log") for number in range(2)]
    try:
        assert [one.finish(800) for one in both] == [0, 0], [one.log.read_text() for one in both]
    finally:
        for one in both:
            one.end_family()
    assert contents(LocalStore(project / "data_lake")) == contents(LocalStore(finished_once / "data_lake"))
