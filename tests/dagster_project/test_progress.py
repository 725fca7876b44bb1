"""What a person sees while long work goes on: in a terminal, in a file, in the log of a run."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.graph.materializer import Materializer
from dagster_project import progress
from dagster_project.instance import open_instance
from dagster_project.progress import Pace, Reporter, telling
from tests.conftest import write_project

ROOT = Path(__file__).parents[2]


def test_the_pace_counts_only_what_was_made_since(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = Pace("proxies", 10)
    assert pace.in_words(10, 28) == "proxies: 10 of 28"
    now += 60
    assert pace.in_words(13, 28) == "proxies: 13 of 28, 3.0 a minute, 05:00 left"
    assert pace.in_words(28, 28) == "proxies: 28 of 28, 18.0 a minute"


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "TICK", 0.01)
    monkeypatch.setattr(progress, "SILENCE", 0.05)
    with Reporter() as reporter:
        reporter.line("cluster_model")
        time.sleep(0.3)  # work that tells nothing
        reporter.progress("proxies", 0, 4)
        reporter.progress("proxies", 3, 4)
        time.sleep(0.3)
    lines = stream.getvalue().splitlines()
    assert any(line.endswith(" cluster_model") for line in lines)
    assert any("proxies: 3 of 4, " in line and line.endswith(" left") for line in lines)
    assert len(lines) < 20


def test_a_run_is_told_beside_whoever_was_told_before(materializer: Materializer) -> None:
    heard: list[tuple[str, int, int]] = []
    told: list[str] = []
    materializer.progress = lambda *how_far: heard.append(how_far)
    before = materializer.progress
    with telling(materializer, told.append):
        materializer.progress("a", 0, 2)
        materializer.progress("a", 1, 2)
        materializer.progress("b", 1, 1)
    assert [text.partition(",")[0] for text in told] == ["a: 0 of 2", "a: 1 of 2", "b: 1 of 1"]
    assert heard == [("a", 0, 2), ("a", 1, 2), ("b", 1, 1)]
    assert materializer.progress is before


@pytest.mark.slow
def test_a_real_terminal_shows_a_bar_while_dagster_runs_and_the_run_logs_the_same(
    tmp_path: Path, encoder_folder: Path
) -> None:
    project = write_project(tmp_path, encoder_folder)
    command = [
        sys.executable,
        "-m",
        "dagster_project.cli",
        "--config",
        project / "climb.yaml",
        "up",
        "--to",
        "embeddings",
    ]
    ours, theirs = os.openpty()
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert process.wait(60) == 0, seen
    assert b"embeddings[second.jsonl]:  80%|" in seen and b"64/80 [" in seen  # what comes within .1 s is not drawn
    with open_instance(project / "data_lake") as instance:
        runs = instance.get_run_ids()
        messages = [entry.message for run in runs for entry in instance.all_logs(run)]
        assert instance.get_run_by_id(runs[0]).status == dg.DagsterRunStatus.SUCCESS
    assert any("embeddings[second.jsonl]: 80 of 80" in message for message in messages)
