"""What a person sees while long work goes on: in a terminal, in a file, in the log of a run."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.graph.estimates import Cost
from climb_assets.graph.materializer import Materializer
from dagster_project import progress
from dagster_project.instance import open_instance
from dagster_project.progress import Ahead, Pace, Reporter, telling
from tests.conftest import write_project

ROOT = Path(__file__).parents[2]


def test_the_pace_counts_only_what_was_made_since(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = Pace("proxies", 10, 28)
    assert pace.in_words() == "proxies: 10 of 28"
    now += 60
    assert pace.in_words() == "proxies: 10 of 28" and pace.left is None
    pace.update(13, 28)
    assert pace.in_words() == "proxies: 13 of 28, 3.0 a minute, 05:00 left"
    now += 30  # until the next is done the clock goes on
    assert pace.in_words() == "proxies: 13 of 28, 3.0 a minute, 04:30 left"
    now += 1000
    assert pace.in_words() == "proxies: 13 of 28, 3.0 a minute, 00:00 left"
    pace.update(28, 28)
    assert pace.in_words() == "proxies: 28 of 28, 1.0 a minute"


def test_what_is_left_of_all_is_looked_at_again_while_it_gets_known(monkeypatch: pytest.MonkeyPatch) -> None:
    now, costs = 100.0, iter([Cost(0, ("proxy_results",), 0), Cost(600, ("domains",), 0), Cost(300, (), 0)])
    monkeypatch.setattr(time, "monotonic", lambda: now)
    ahead = Ahead(lambda: next(costs))
    assert ahead.in_words(None) == ""
    ahead.refresh()
    assert ahead.in_words(None) == "all: not known yet"
    ahead.refresh()  # at once: nothing is looked at
    assert ahead.in_words(60.0) == "all: about 60 s or more left"
    now += 31
    ahead.refresh()
    assert ahead.in_words(60.0) == "all: about 11 minutes or more left"
    now += 31
    ahead.refresh()
    assert ahead.in_words(60.0) == "all: about 6 minutes left"
    assert ahead.in_words(None) == "all: about 5 minutes or more left"


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "TICK", 0.01)
    monkeypatch.setattr(progress, "SILENCE", 0.05)
    with Reporter() as reporter:
        reporter.line("cluster_model")
        reporter.look_ahead(lambda: Cost(600, (), 0))
        time.sleep(0.3)  # work that tells nothing
        reporter.progress("proxies", 0, 4)
        reporter.progress("proxies", 3, 4)
        time.sleep(0.3)
    lines = stream.getvalue().splitlines()
    assert any(" cluster_model; all: about 10 minutes or more left" in line for line in lines)
    assert any("proxies: 3 of 4, " in line and line.endswith("left; all: about 10 minutes left") for line in lines)
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
