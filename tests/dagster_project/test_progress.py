"""What a person sees while long work goes on: in a terminal, in a file, in the log of a run."""

import errno
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.errors import ConfigError
from climb_assets.graph.estimates import Cost
from climb_assets.graph.materializer import Materializer
from dagster_project import progress
from dagster_project.instance import open_instance
from dagster_project.progress import Outlook, Pace, Reporter, telling
from tests.conftest import write_project
from tests.integration.processes import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what lets seconds pass, of a clock that else stands still."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def pass_by(seconds: float) -> None:
        nonlocal now
        now += seconds

    return pass_by


def test_the_pace_counts_only_what_was_made_since(wait: Callable[[float], None]) -> None:
    pace = Pace("proxies", 10, 28)
    assert pace.in_words() == "proxies: 10 of 28"
    wait(60)
    assert pace.in_words() == "proxies: 10 of 28" and pace.left is None
    pace.update(13, 28)
    assert pace.in_words() == "proxies: 13 of 28, 3.0 a minute, 05:00 left"
    wait(10)  # until the next is done the clock goes on
    assert pace.in_words() == "proxies: 13 of 28, 3.0 a minute, 04:50 left"
    wait(1000)  # one that takes ten times as long as the others is still one
    assert pace.in_words() == "proxies: 13 of 28, 3.0 a minute, 04:40 left"
    pace.update(28, 28)
    assert pace.in_words() == "proxies: 28 of 28, 1.0 a minute"


def test_what_is_left_of_all_gets_known_and_never_promises_what_is_not(wait: Callable[[float], None]) -> None:
    costs = iter([Cost(0, ("proxy_results",), 0), Cost(600, ("domains",), 0), Cost(300, (), 0)])
    outlook = Outlook(None, lambda: next(costs))
    assert outlook.in_words(None) == ""
    outlook.look()
    pace = Pace("proxies", 0, 4)
    wait(60)
    pace.update(2, 4)
    assert outlook.in_words(pace) == "all: not known yet"  # what comes may take hours
    outlook.look()
    assert outlook.in_words(pace) == "all: about 11 minutes or more left"
    outlook.look()
    assert outlook.in_words(pace) == "all: about 6 minutes left"
    assert outlook.in_words(None) == "all: about 5 minutes or more left"


def test_the_plans_estimate_holds_for_pieces_whose_pace_is_not_known(wait: Callable[[float], None]) -> None:
    outlook = Outlook(1200.0, lambda: Cost(0, (), 0))
    outlook.look()
    assert outlook.in_words(None) == "all: about 20 minutes left"
    pace = Pace("confirmation", 0, 2)
    wait(60)
    pace.update(1, 2)  # by it there is a minute left; the targets of the same run come after
    assert outlook.in_words(pace) == "all: about 19 minutes left"
    wait(3000)
    pace.update(2, 2)
    assert outlook.in_words(pace) == ""


@pytest.mark.parametrize("error", [ConfigError("a file was moved"), OSError(errno.EIO, "Input/output error")])
def test_what_cannot_be_looked_at_ends_no_progress(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    looked: list[Exception] = []

    def look() -> Cost:
        looked.append(error)
        raise error

    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "TICK", 0.01)
    monkeypatch.setattr(progress, "SILENCE", 0.05)
    for constant in ("PATIENCE", "LOOK_AHEAD"):
        monkeypatch.setattr(progress, constant, 0.05)
    with Reporter() as reporter:
        reporter.line("cluster_model")
        reporter.show_outlook(None, look)
        wait_until(lambda: len(looked) > 1, 60, "another look")
        reporter.progress("proxies", 1, 4)
        wait_until(lambda: "proxies: 1 of 4" in stream.getvalue(), 60, "a line of what it said")


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "TICK", 0.01)
    monkeypatch.setattr(progress, "SILENCE", 0.05)
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    with Reporter() as reporter:
        reporter.line("cluster_model")
        reporter.show_outlook(None, lambda: Cost(600, (), 0))
        silent = re.compile(r" cluster_model; all: about 10 minutes or more left$", re.MULTILINE)
        wait_until(lambda: bool(silent.search(stream.getvalue())), 60, "a line of work that tells nothing")
        reporter.progress("proxies", 0, 4)
        reporter.progress("proxies", 3, 4)
        telling_all = re.compile(r"proxies: 3 of 4, .*left; all: about 10 minutes left$", re.MULTILINE)
        wait_until(lambda: bool(telling_all.search(stream.getvalue())), 60, "a line of work and of all")
    assert len(stream.getvalue().splitlines()) < 20


def test_a_stream_that_is_not_its_own_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()  # no file of the operating system, so there is no copy of it
    monkeypatch.setattr(sys, "stderr", stream)
    with Reporter():
        monkeypatch.setattr(sys, "stderr", io.StringIO())  # as a caller does that takes what is printed
    assert not stream.closed


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
    assert re.search(rb"embeddings\[\w+\.jsonl\]: +\d+%\|.*?\d+/80 \[", seen)  # not each of fast steps is drawn
    with open_instance(project / "data_lake") as instance:
        runs = instance.get_run_ids()
        messages = [entry.message for run in runs for entry in instance.all_logs(run)]
        assert instance.get_run_by_id(runs[0]).status == dg.DagsterRunStatus.SUCCESS
    assert any("embeddings[second.jsonl]: 80 of 80" in message for message in messages)
