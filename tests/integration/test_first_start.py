"""The first start of a lake: killed while Dagster's databases are made, or begun by several processes at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.instance import open_instance
from tests.integration.processes import EVERY_MOMENT, ROOT

KILLS, TOGETHER = 4 if EVERY_MOMENT else 2, 3


@pytest.mark.slow
def test_a_lake_whose_first_start_was_killed_is_opened_by_several_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.first_starts", tmp_path, "7", str(KILLS), str(TOGETHER)]
    ended = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.stdout.splitlines() == [str([0] * TOGETHER)] * KILLS, ended.stdout + ended.stderr
    for lake in tmp_path.iterdir():
        assert not list(lake.glob(".*")), "what a killed start left is removed"
        with open_instance(lake) as instance:
            assert len(instance.get_dynamic_partitions("shard")) >= TOGETHER
