"""A raw folder that an ordinary user may not read in part: nothing counts as removed, and the last good state stays."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from climb_assets.store.local import LocalStore
from climb_assets.tables import read_table
from tests.climb_assets.corpus.ordinary_user import drop_capabilities

ROOT = Path(__file__).parents[2]


def climb(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `climb` on a project without root's rights over other modes."""
    command = [sys.executable, "-m", "dagster_project.cli", "--config", str(project / "climb.yaml"), *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False, preexec_fn=drop_capabilities
    )


@pytest.mark.slow
def test_what_may_not_be_read_is_not_gone(project: Path) -> None:
    raw, lake = project / "data_lake" / "raw", LocalStore(project / "data_lake")
    (raw / "folder" / "deep").mkdir(parents=True)
    (raw / "third.jsonl").rename(raw / "folder" / "deep" / "third.jsonl")
    first = climb(project, "up", "--to", "corpus_shards")
    assert first.returncode == 0, first.stderr
    before = {key: lake.get("corpus_shards", key).data_version for key in lake.partitions("corpus_shards")}
    assert "folder" in before
    for hidden in ("folder", "folder/deep", "folder/deep/third.jsonl", "second.jsonl"):
        mode = (raw / hidden).stat().st_mode
        (raw / hidden).chmod(0)
        for command in (["up", "--to", "corpus_shards"], ["plan"]):
            outcome = climb(project, *command)
            assert outcome.returncode == 2, outcome.stdout
            assert "Traceback" not in outcome.stderr and "gone" not in outcome.stdout
            said = [line for line in outcome.stderr.splitlines() if line.startswith("climb: ")][-1]
            assert f"{raw / hidden} cannot be read (Permission denied)" in said
        (raw / hidden).chmod(mode)
        assert before == {key: lake.get("corpus_shards", key).data_version for key in lake.partitions("corpus_shards")}
    again = climb(project, "plan", "--to", "corpus_shards", "--json")
    assert json.loads(again.stdout)["stale"] == []
    documents = read_table(lake.get("corpus_shards", "folder").file("documents.parquet"))
    assert documents.num_rows > 0
