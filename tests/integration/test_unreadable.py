"""A raw folder that an ordinary user may not read in part: nothing counts as removed, and the last good state stays."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from climb_assets.store.local import LocalStore
from climb_assets.tables import read_table
from tests.integration.commands import Answer
from tests.integration.processes import ROOT

Climb = Callable[..., Answer]


@pytest.fixture
def climb(project: Path) -> Iterator[Climb]:
    """Return what runs `climb` on the project without root's rights over other modes."""
    started = [sys.executable, "-m", "tests.integration.commands", "ordinary"]
    with subprocess.Popen(started, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None

        def run(*arguments: str) -> Answer:
            command = ["--config", str(project / "climb.yaml"), *arguments]
            print(json.dumps(command), file=process.stdin, flush=True)
            return Answer(*json.loads(process.stdout.readline()))

        yield run


@pytest.mark.slow
def test_what_may_not_be_read_is_not_gone(project: Path, climb: Climb) -> None:
    raw, lake = project / "data_lake" / "raw", LocalStore(project / "data_lake")
    (raw / "folder" / "deep").mkdir(parents=True)
    (raw / "third.jsonl").rename(raw / "folder" / "deep" / "third.jsonl")
    first = climb("up", "--to", "corpus_shards")
    assert first.code == 0, first.stderr
    before = {key: lake.get("corpus_shards", key).data_version for key in lake.partitions("corpus_shards")}
    assert "folder" in before
    for hidden in ("folder", "folder/deep", "folder/deep/third.jsonl", "second.jsonl"):
        mode = (raw / hidden).stat().st_mode
        (raw / hidden).chmod(0)
        for command in (["up", "--to", "corpus_shards"], ["plan"]):
            outcome = climb(*command)
            assert outcome.code == 2, outcome.stdout
            assert "Traceback" not in outcome.stderr and "gone" not in outcome.stdout
            said = [line for line in outcome.stderr.splitlines() if line.startswith("climb: ")][-1]
            assert f"{raw / hidden} cannot be read (Permission denied)" in said
        (raw / hidden).chmod(mode)
        assert before == {key: lake.get("corpus_shards", key).data_version for key in lake.partitions("corpus_shards")}
    again = climb("plan", "--to", "corpus_shards", "--json")
    assert json.loads(again.stdout)["stale"] == []
    documents = read_table(lake.get("corpus_shards", "folder").file("documents.parquet"))
    assert documents.num_rows > 0
