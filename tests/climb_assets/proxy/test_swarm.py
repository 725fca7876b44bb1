import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from climb_assets.artifacts import Artifact, Order
from climb_assets.config import TextTask, Training
from climb_assets.errors import ComputeError, TransientError
from climb_assets.lake import Lake
from climb_assets.proxy.spans import TrainingIndex
from climb_assets.proxy.swarm import ProxyJob, Recipe, Swarm, TrainingData
from climb_assets.proxy.tasks import prepare_text_task
from climb_assets.proxy.workers import discard_workers
from climb_assets.tables import read_table

MakeTraining = Callable[..., Training]
ONE, TWO = ProxyJob((0.5, 0.3, 0.2)), ProxyJob((0.1, 0.1, 0.8))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def data(index_folder: tuple[Path, dict[str, Path]]) -> TrainingData:
    return TrainingData("version", *index_folder)


@pytest.fixture
def recipe(tokenizer: Path) -> Recipe:
    return Recipe(300, tokenizer, 7, {"train": "1"}, {"evaluation": "1"}, "cpu")


@pytest.fixture
def swarm(lake: Lake, data: TrainingData, recipe: Recipe) -> Iterator[Swarm]:
    yield Swarm(lake, data, recipe, workers=2)
    discard_workers(2)


@pytest.fixture
def tasks(lake: Lake, index: TrainingIndex) -> dict[str, Artifact]:
    def prepare(name: str) -> Artifact:
        task = TextTask(kind="text", sources=(name,))
        order = Order("proxy_tasks", name, {}, {}, {})
        return lake.put(order, lambda draft: draft.summary.update(prepare_text_task(task, name, index, draft.path)))[0]

    return {name: prepare(name) for name in ("source0", "source1")}


def test_each_piece_of_work_is_done_once(
    swarm: Swarm,
    lake: Lake,
    data: TrainingData,
    recipe: Recipe,
    tasks: dict[str, Artifact],
    make_training: MakeTraining,
) -> None:
    told: list[tuple[int, int]] = []
    first_task = {"source0": tasks["source0"]}
    one, two, again = swarm.run([ONE, TWO, ONE], make_training(), first_task, lambda *done: told.append(done))
    assert one == again  # equal jobs are one
    assert told == [(1, 2), (2, 2)]
    assert one.trained
    assert one.model.data_version != two.model.data_version
    assert not one.diverged
    assert one.scores["source0"].loss < two.scores["source0"].loss  # more of the domain, better at it
    curve = read_table(one.model.file("curve.parquet")).to_pylist()
    assert curve[-1]["tokens"] == 2560
    assert curve[-1]["loss"] < curve[0]["loss"]
    realised = read_table(one.model.file("realised.parquet"))
    assert realised["tokens"].to_pylist() == [1280, 768, 512]
    assert realised["weight"].to_pylist() == pytest.approx([0.5, 0.3, 0.2])

    more, repeat = swarm.run([ONE, ProxyJob(ONE.weights, repeat=1)], make_training(), tasks)
    assert (more.trained, more.evaluated) == (False, 1)  # a new task trains nothing
    assert (repeat.trained, repeat.evaluated) == (True, 2)
    assert repeat.model.data_version != one.model.data_version  # another seed

    workers = {process.pid for process in multiprocessing.active_children()}
    (found,) = Swarm(lake, data, recipe, workers=1).run([ONE], make_training(), tasks)
    assert {process.pid for process in multiprocessing.active_children()} == workers  # none started for nothing
    assert (found.trained, found.evaluated) == (False, 0)
    assert found.scores == more.scores

    shutil.rmtree(one.model.path)
    (made_again,) = swarm.run([ONE], make_training(), tasks)
    assert made_again.trained
    assert made_again.model.data_version == one.model.data_version  # bit for bit


def test_an_error_in_a_worker_is_the_callers(swarm: Swarm, make_training: MakeTraining) -> None:
    with pytest.raises(ComputeError, match="needs 3 weights"):
        swarm.run([ProxyJob((1.0,))], make_training(), {})


def test_a_worker_that_keeps_dying_is_reported(
    lake: Lake, data: TrainingData, tokenizer: Path, make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # no interpreter starts
    recipe = Recipe(300, tokenizer, 7, {"train": "1"}, {"evaluation": "1"}, "cpu")
    with pytest.raises(TransientError, match="died 2 times"):
        Swarm(lake, data, recipe, workers=1).run([ONE], make_training(), {})


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_die_with_a_killed_parent_and_finished_work_stays(
    lake: Lake, data: TrainingData, recipe: Recipe, make_training: MakeTraining, tmp_path: Path
) -> None:
    training = make_training(tokens=6400)
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
        from pathlib import Path, PosixPath
        from climb_assets.config import Training
        from climb_assets.lake import Lake
        from climb_assets.proxy.swarm import ProxyJob, Recipe, Swarm, TrainingData

        if __name__ == "__main__":
            jobs = [ProxyJob((0.5, 0.3, 0.2), repeat) for repeat in range(500)]
            swarm = Swarm(Lake(Path({str(lake.root)!r})), {data!r}, {recipe!r}, workers=1)
            swarm.run(jobs, Training(**{training.model_dump()!r}), {{}})
        """)
    )
    parent = subprocess.Popen([sys.executable, str(script)], env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    store = lake.root / "artifacts" / "proxy_models" / "_"
    try:
        _wait(lambda: len(_finished(store)) >= 2, 60)
        workers = _children(parent.pid)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert workers
    _wait(lambda: not any(_alive(worker) for worker in workers), 10)
    kept = {path.name: path.stat().st_mtime_ns for path in _finished(store)}

    jobs = [ProxyJob((0.5, 0.3, 0.2), repeat) for repeat in range(len(kept) + 1)]
    outcomes = Swarm(lake, data, recipe, workers=1).run(jobs, training, {})
    discard_workers(1)
    assert sum(outcome.trained for outcome in outcomes) == 1
    assert all((store / name).stat().st_mtime_ns == time for name, time in kept.items())


def _finished(store: Path) -> list[Path]:
    return [path for path in store.glob("[!.]*") if (path / "manifest.json").exists()] if store.is_dir() else []


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
