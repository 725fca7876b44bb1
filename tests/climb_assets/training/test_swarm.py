import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from transformers import AutoModelForCausalLM

from climb_assets.config import Runtime
from climb_assets.config_tasks import TextTask
from climb_assets.config_training import Training
from climb_assets.errors import ComputeError, TransientError
from climb_assets.executor.local import end_idle_workers
from climb_assets.graph.code_identity import code_of
from climb_assets.store.artifacts import Artifact, Order
from climb_assets.store.local import LocalStore
from climb_assets.tables import read_table
from climb_assets.training.checkpoint import STATE
from climb_assets.training.proxy_orders import (
    EVALUATE,
    TRAIN,
    Conditions,
    PreparedTask,
    Proxy,
    ProxyOrders,
    TrainingData,
)
from climb_assets.training.proxy_training import train_proxy
from climb_assets.training.swarm import Swarm
from climb_assets.training.tasks import prepare_text_task
from climb_assets.training.token_index import TrainingIndex

MakeTraining = Callable[..., Training]
COMPILER = os.environ.get("CXX", "g++")  # as the product asks for it
ONE, TWO = Proxy((0.5, 0.3, 0.2)), Proxy((0.1, 0.1, 0.8))


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


@pytest.fixture
def data(index_folder: tuple[Path, dict[str, Path]]) -> TrainingData:
    return TrainingData("version", *index_folder)


@pytest.fixture
def conditions(tokenizer: Path) -> Conditions:
    return Conditions(
        vocabulary=300,
        tokenizer=tokenizer,
        search_seed=7,
        target_tokens=2560,
        start=None,
        train_code=code_of(TRAIN),
        evaluate_code=code_of(EVALUATE),
        environment={},
        counted=frozenset(),
        runtime=Runtime(workers=2, device="cpu"),
    )


def one_worker(conditions: Conditions, **runtime: float | str) -> Conditions:
    return replace(conditions, runtime=conditions.runtime.model_copy(update={"workers": 1, **runtime}))


@pytest.fixture
def swarm(lake: LocalStore, data: TrainingData, conditions: Conditions) -> Swarm:
    return Swarm(lake, data, conditions)


@pytest.fixture(scope="module", autouse=True)
def workers() -> Iterator[None]:
    """Share the workers, each of which takes seconds to import torch, and end them after the last test."""
    yield
    end_idle_workers()


@pytest.fixture
def tasks(lake: LocalStore, index: TrainingIndex) -> dict[str, PreparedTask]:
    def prepare(name: str) -> PreparedTask:
        task = TextTask(kind="text", sources=(name,))
        order = Order("proxy_tasks", name, {}, {}, {})
        write = lambda draft: draft.summary.update(prepare_text_task(task, name, index, "search", draft.path))  # noqa: E731
        return PreparedTask(lake.put(order, write)[0], "search")

    return {name: prepare(name) for name in ("source0", "source1")}


def test_each_piece_of_work_is_done_once(
    swarm: Swarm,
    lake: LocalStore,
    data: TrainingData,
    conditions: Conditions,
    tasks: dict[str, PreparedTask],
    make_training: MakeTraining,
) -> None:
    told: list[tuple[int, int]] = []
    first_task = {"source0": tasks["source0"]}
    one, two, again = swarm.run([ONE, TWO, ONE], make_training(), first_task, lambda *done: told.append(done))
    assert one == again  # equal proxies are one
    assert told == [(0, 2), (1, 2), (2, 2)]
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

    # A kept model is a plain Hugging Face folder, which gives the same bits per byte without any code of ours.
    plain = AutoModelForCausalLM.from_pretrained(one.model.path)
    items = read_table(tasks["source0"].artifact.file("items.parquet")).to_pylist()
    ids = np.load(tasks["source0"].artifact.file("tokens.npy"))
    nats = 0.0
    for item in items:
        for start in range(item["start"], item["start"] + item["length"] - 1, 16):  # windows as long as its training's
            window = torch.from_numpy(ids[start : min(start + 17, item["start"] + item["length"])]).long()[None]
            logits = plain(input_ids=window[:, :-1]).logits[0]
            nats += torch.nn.functional.cross_entropy(logits, window[0, 1:], reduction="sum").item()
    bits_per_byte = nats / math.log(2) / sum(item["bytes"] for item in items)
    assert one.scores["source0"].loss == pytest.approx(bits_per_byte, rel=1e-5)
    assert one.items["source0"].bits.sum() / one.items["source0"].sizes.sum() == one.scores["source0"].loss

    more, repeat = swarm.run([ONE, Proxy(ONE.weights, repeat=1)], make_training(), tasks)
    assert (more.trained, more.evaluated) == (False, 1)  # a new task trains nothing
    assert (repeat.trained, repeat.evaluated) == (True, 2)
    assert repeat.model.data_version != one.model.data_version  # another seed

    workers = _workers(os.getpid())
    (found,) = Swarm(lake, data, one_worker(conditions)).run([ONE], make_training(), tasks)
    assert _workers(os.getpid()) == workers  # none started for nothing
    assert (found.trained, found.evaluated) == (False, 0)
    assert found.scores == more.scores

    one.model.file("model.safetensors").unlink()
    (made_again,) = swarm.run([ONE], make_training(), tasks)
    assert made_again.trained
    assert made_again.model.data_version == one.model.data_version  # bit for bit


def test_an_error_in_a_worker_is_the_callers(swarm: Swarm, make_training: MakeTraining) -> None:
    with pytest.raises(ComputeError, match="needs 3 weights"):
        swarm.run([Proxy((1.0,))], make_training(), {})


@pytest.mark.slow
def test_workers_die_with_a_killed_parent_and_finished_work_stays(
    lake: LocalStore, data: TrainingData, conditions: Conditions, make_training: MakeTraining, tmp_path: Path
) -> None:
    training = make_training(tokens=6400)
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
        from pathlib import Path, PosixPath
        from climb_assets.config import Runtime
        from climb_assets.config_training import Training
        from climb_assets.config_ray import Ray
        from climb_assets.store.local import LocalStore
        from climb_assets.training.proxy_orders import Conditions, Proxy, TrainingData
        from climb_assets.training.swarm import Swarm

        if __name__ == "__main__":
            proxies = [Proxy((0.5, 0.3, 0.2), repeat) for repeat in range(500)]
            swarm = Swarm(LocalStore(Path({str(lake.root)!r})), {data!r}, {one_worker(conditions)!r})
            swarm.run(proxies, Training(**{training.model_dump()!r}), {{}})
        """)
    )
    parent = subprocess.Popen([sys.executable, str(script)], env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    store = lake.root / "artifacts" / "proxy_models" / "_"
    try:
        _wait(lambda: len(_finished(store)) >= 2, 240)
        workers = _workers(parent.pid)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert workers
    _wait(lambda: not any(_alive(worker) for worker in workers), 60)
    kept = {path.name: path.stat().st_mtime_ns for path in _finished(store)}

    proxies = [Proxy((0.5, 0.3, 0.2), repeat) for repeat in range(len(kept) + 1)]
    outcomes = Swarm(lake, data, one_worker(conditions)).run(proxies, training, {})
    assert sum(outcome.trained for outcome in outcomes) == 1
    assert all((store / name).stat().st_mtime_ns == time for name, time in kept.items())


def test_the_bits_do_not_depend_on_the_workers(
    swarm: Swarm, data: TrainingData, conditions: Conditions, make_training: MakeTraining, tmp_path: Path
) -> None:
    two = swarm.run([ONE, TWO], make_training(), {})
    one = Swarm(LocalStore(tmp_path / "one worker"), data, one_worker(conditions)).run([TWO, ONE], make_training(), {})
    versions = [{outcome.proxy: outcome.model.data_version for outcome in outcomes} for outcomes in (one, two)]
    assert versions[0] == versions[1]


def test_snapshots_are_scored_too(swarm: Swarm, tasks: dict[str, PreparedTask], make_training: MakeTraining) -> None:
    training = make_training(snapshots=(0.25, 0.5))
    (outcome,) = swarm.run([ONE], training, tasks)
    assert list(outcome.points) == [640, 1280, 2560]
    losses = [scores["source0"].loss for scores in outcome.points.values()]
    assert losses == sorted(losses, reverse=True)
    assert outcome.points[2560] == outcome.scores
    (whole,) = swarm.run([ONE], make_training(), tasks)
    assert whole.scores == outcome.scores  # looking on the way changes nothing


def test_equal_shapes_are_equal_work(swarm: Swarm, make_training: MakeTraining) -> None:
    widths = dict.fromkeys(("hidden", "layers", "heads", "intermediate"))
    named = make_training(**widths, size="100k", tokens=64)
    spelled = make_training(hidden=64, layers=2, heads=2, intermediate=192, tokens=64)
    one, two = (swarm.run([ONE], training, {})[0] for training in (named, spelled))
    assert (one.trained, two.trained) == (True, False)


def test_a_model_is_continued_from_a_folder(
    lake: LocalStore, data: TrainingData, conditions: Conditions, swarm: Swarm, make_training: MakeTraining
) -> None:
    (first,) = swarm.run([ONE], make_training(), {})
    widths = dict.fromkeys(("hidden", "layers", "heads", "intermediate"))
    training = make_training(**widths, start=first.model.path, tokens=64)
    (second,) = Swarm(lake, data, replace(conditions, start="its version")).run([ONE], training, {})
    began, ended = (read_table(outcome.model.file("curve.parquet"))["loss"].to_pylist() for outcome in (second, first))
    assert began[0] == pytest.approx(ended[-1], abs=0.3)
    assert began[0] < ended[0] - 0.5


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"nothing is compiled without {COMPILER}")
def test_one_compiled_step_serves_every_proxy(
    lake: LocalStore, data: TrainingData, conditions: Conditions, make_training: MakeTraining, tmp_path: Path
) -> None:
    from torch._dynamo.utils import counters  # the only place that tells what was compiled

    def train(store: LocalStore, proxy: Proxy, runtime: Conditions) -> Artifact:
        return train_proxy(store, ProxyOrders(data, runtime, make_training(), {}, proxy))

    compiled, plain = one_worker(conditions, compile="always"), LocalStore(tmp_path / "plain")
    graphs = []
    for proxy in (ONE, TWO):
        ours, other = train(lake, proxy, compiled), train(plain, proxy, one_worker(conditions))
        graphs.append(counters["stats"]["unique_graphs"])
        exact = 2e-2 if ours.run["precision"] == "bfloat16" else 1e-3
        curves = [read_table(model.file("curve.parquet"))["loss"].to_pylist() for model in (ours, other)]
        assert curves[0] == pytest.approx(curves[1], rel=exact)
    assert graphs[0] > 0 and graphs[1] == graphs[0]  # the second one is not compiled again


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_training_goes_on(
    lake: LocalStore, data: TrainingData, conditions: Conditions, make_training: MakeTraining, tmp_path: Path
) -> None:
    """The job whose worker is killed is retried from its checkpoint, and ends with the bits of an undisturbed run."""
    training, conditions = make_training(tokens=32_000), one_worker(conditions, checkpoint_seconds=0.1)
    killed: list[int] = []

    def kill() -> None:
        _wait(lambda: any((lake.root / "unfinished").glob(f"*/{STATE}")), 240)
        killed.extend(_workers(os.getpid()))
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

    end_idle_workers()  # or the one that takes over may be killed too
    killer = threading.Thread(target=kill)
    killer.start()
    (outcome,) = Swarm(lake, data, conditions).run([ONE], training, {})
    killer.join()
    assert killed
    assert outcome.model.run["resumed_at_step"] > 0
    (undisturbed,) = Swarm(LocalStore(tmp_path / "other"), data, conditions).run([ONE], training, {})
    assert undisturbed.model.run["resumed_at_step"] == 0
    assert outcome.model.data_version == undisturbed.model.data_version


def test_a_worker_that_keeps_dying_is_reported(
    lake: LocalStore,
    data: TrainingData,
    conditions: Conditions,
    make_training: MakeTraining,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end_idle_workers()  # which is why this test is the last, and the one before it kills them: the others share them
    monkeypatch.setattr(sys, "executable", shutil.which("false"))  # no interpreter starts
    with pytest.raises(TransientError, match="died at try 2"):
        Swarm(lake, data, one_worker(conditions)).run([ONE], make_training(), {})


def _finished(store: Path) -> list[Path]:
    return [path for path in store.glob("[!.]*") if (path / "manifest.json").exists()] if store.is_dir() else []


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def _workers(process: int) -> set[int]:
    """Return the workers that a process has started; one that ran tests of Ray has a cluster too, and needs it."""
    found = set()
    for child in psutil.Process(process).children():
        with contextlib.suppress(psutil.Error):  # it has ended
            found |= {child.pid} if any("executor.worker" in word for word in child.cmdline()) else set()
    return found


def _alive(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
