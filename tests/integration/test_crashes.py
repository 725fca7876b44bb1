"""SIGKILL at any moment: no process stays, nothing that was finished is redone, the end is the same byte for byte."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import yaml

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from climb_assets.store.artifacts import Draft, Order
from climb_assets.store.local import LocalStore
from dagster_project.dead_runs import UNFINISHED
from dagster_project.instance import open_instance
from dagster_project.update import bring_up_to_date
from tests.dead_writer import die_while_writing
from tests.integration.processes import (
    EVERY_MOMENT,
    ROOT,
    Launch,
    assert_gone,
    climb,
    contents,
    launch,
    trained,
    wait_until,
)


def embedding(lake: Path, started: Launch) -> bool:
    """Some parts of a shard are embedded, others not."""
    return any((lake / "artifacts" / "embeddings").glob("*/.*.partial/part-*.npy"))


def workers_starting(lake: Path, started: Launch) -> bool:
    """The workers are being started; they do not work yet."""
    return any((lake / "refs" / "mixture_candidates").glob("*")) and len(started.family) > 1


def proxies_training(lake: Path, started: Launch) -> bool:
    """Some proxies of an iteration are finished, others are being trained."""
    return len(trained(lake)) >= 2


def confirming(lake: Path, started: Launch) -> bool:
    """The search is finished, and a mixture is trained again with a fresh seed."""
    return (lake / "refs" / "predictor_state" / "iteration-02").exists() and models_of_width(lake, 16) > 8


def targets_training(lake: Path, started: Launch) -> bool:
    """An answer is there, and a target model."""
    return (lake / "refs" / "optimal_mixture" / "general").exists() and models_of_width(lake, 32) > 0


def models_of_width(lake: Path, hidden: int) -> int:
    """Count the finished models of one hidden size: 16 are proxies, 32 are target models."""
    store = lake / "artifacts" / "proxy_models" / "_"
    manifests = [json.loads((store / fingerprint / "manifest.json").read_text()) for fingerprint in trained(lake)]
    return sum(manifest["config"]["training"]["hidden"] == hidden for manifest in manifests)


# As the Makefile asks: BusyBox has another setpriv.
SETPRIV = subprocess.run("setpriv --pdeathsig KILL true", shell=True, capture_output=True, check=False).returncode == 0
MOMENTS: list[Callable[[Path, Launch], bool]] = [embedding, proxies_training, targets_training]
if EVERY_MOMENT:
    MOMENTS = [embedding, workers_starting, proxies_training, confirming, targets_training]


@pytest.fixture
def slow_project(project: Path) -> Path:
    """Return a project in which embedding and training take long enough to be caught at it, and little comes twice."""
    settings = yaml.safe_load((project / "climb.yaml").read_text())
    settings |= {
        "corpus": {"part_documents": 8},
        "proxy": {"tokens": 8192},
        "mixture": {"tokens": 20_000},
        "search": {"iterations": [3, 1]},
        "objectives": {"general": {"first_text": 1, "second_text": 1}},
        "fidelity": {"mixtures": 0},
        "runtime": {"workers": 2},
    }
    (project / "climb.yaml").write_text(yaml.safe_dump(settings))
    return project


@pytest.fixture
def undisturbed(slow_project: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """Return the lake of another folder with the same project, which was brought up in one go, by one worker."""
    other = Path(shutil.copytree(slow_project, tmp_path_factory.mktemp("undisturbed") / "project"))
    config = load_config(other / "climb.yaml")
    alone = config.model_copy(update={"runtime": config.runtime.model_copy(update={"workers": 1})})
    with open_instance(config.lake) as instance:
        bring_up_to_date(instance, Materializer(alone), None, lambda line: None)
    return LocalStore(config.lake)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_runs_leave_nothing_and_end_the_same(slow_project: Path, undisturbed: LocalStore) -> None:
    lake = slow_project / "data_lake"
    finished = _kill_at_each_moment(slow_project)
    last = climb(slow_project, "up")
    try:
        assert last.finish() == 0, last.log.read_text()
    finally:
        last.end_family()
    assert finished, "no proxy was finished before a kill: the test proves nothing"
    now = trained(lake)
    assert {key: now[key] for key in finished} == finished
    assert contents(LocalStore(lake)) == contents(undisturbed)
    assert make_plan(Materializer(load_config(slow_project / "climb.yaml"))).stale == ()
    _assert_no_open_run(lake)


def _kill_at_each_moment(project: Path) -> dict[str, int]:
    """Start `climb up` and kill it, once for each moment; return the proxies that were finished by then."""
    lake = project / "data_lake"
    finished: dict[str, int] = {}
    for moment in MOMENTS:
        started = climb(project, "up")
        try:
            wait_until(
                lambda started=started, moment=moment: moment(lake, started) or started.process.poll() is not None,
                300,
                moment.__name__,
            )
            assert started.process.poll() is None, f"it ended before {moment.__name__}: {started.log.read_text()}"
            started.kill()
            assert_gone(started)
        finally:
            started.end_family()
        finished |= trained(lake)
    return finished


def _assert_no_open_run(lake: Path) -> None:
    with open_instance(lake) as instance:
        assert instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)) == []


@pytest.fixture
def makefile(slow_project: Path) -> Path:
    """Return a makefile with the shell of the project's own, whose one recipe is `climb up`."""
    shell = re.search(r"^ifneq.*?^endif$", (ROOT / "Makefile").read_text(), re.DOTALL | re.MULTILINE)
    assert shell is not None
    command = f"{sys.executable} -m dagster_project.cli --config {slow_project / 'climb.yaml'} up"
    path = slow_project / "Makefile"
    path.write_text(f"{shell.group()}\nup:\n\t@exec {command}\n")
    return path


@pytest.mark.slow
@pytest.mark.skipif(not SETPRIV, reason="the Makefile promises this where util-linux's setpriv is")
def test_killing_make_ends_what_it_started(slow_project: Path, makefile: Path) -> None:
    started = launch(["make", "-f", makefile, "up"], slow_project / "make.log")
    try:
        wait_until(
            lambda: any((slow_project / "data_lake" / "refs").glob("corpus_shards/*")), 120, "a shard under make"
        )
        assert len(started.family) >= 2  # make and climb
        started.kill()
        assert_gone(started)
    finally:
        started.end_family()


@pytest.fixture
def half_written(tmp_path: Path) -> tuple[LocalStore, Order]:
    """Return a lake in which a writer died while it was putting down the second file of an artefact."""
    lake, order = LocalStore(tmp_path / "lake"), Order("embeddings", "shard", {}, {}, {})

    def begin(draft: Draft) -> None:
        (draft.path / "one").write_bytes(b"1")
        (draft.path / f".two.{os.getpid()}.tmp").write_bytes(b"2")  # as `write_atomically` does

    die_while_writing(lake, order, begin)
    return lake, order


def test_what_a_dead_writer_left_half_written_enters_no_artefact(half_written: tuple[LocalStore, Order]) -> None:
    lake, order = half_written

    def write(draft: Draft) -> None:
        assert (draft.path / "one").exists(), "the finished file was not handed on"
        (draft.path / "two").write_bytes(b"2")

    artifact, fresh = lake.put(order, write, resumable=True)
    assert fresh
    assert sorted(artifact.manifest["files"]) == ["one", "two"]
    assert sorted(path.name for path in artifact.path.iterdir()) == ["manifest.json", "one", "run.json", "two"]
