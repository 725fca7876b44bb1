"""A trainer of somebody else's making is handed plain files, its numbers are checked, and it counts by its content."""

import itertools
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForCausalLM

from climb_assets.config import Runtime
from climb_assets.config_tasks import TextTask
from climb_assets.config_trainer import Trainer
from climb_assets.config_training import Training
from climb_assets.corpus.raw_files import digest_files
from climb_assets.errors import ComputeError
from climb_assets.executor.local import LocalExecutor
from climb_assets.graph.code_identity import code_of
from climb_assets.store.artifacts import Order
from climb_assets.store.local import LocalStore
from climb_assets.tables import read_table
from climb_assets.training.command_training import train_by_command
from climb_assets.training.domain_tokens import DOMAIN_TOKENS
from climb_assets.training.proxy_orders import (
    Conditions,
    PreparedTask,
    Proxy,
    ProxyOrders,
    TrainingData,
    scoring_code,
    training_code,
)
from climb_assets.training.proxy_unit import ProxyUnit
from climb_assets.training.sequence_plan import simulate_supply
from climb_assets.training.swarm import Swarm
from climb_assets.training.tasks import prepare_text_task
from climb_assets.training.token_index import TrainingIndex

ROOT = Path(__file__).parents[3]
COUNTING = ROOT / "tests" / "trainers" / "counting.py"
FLAT = ROOT / "docs" / "examples" / "flat_trainer.py"
ONE, TWO = Proxy((0.5, 0.3, 0.2)), Proxy((0.1, 0.1, 0.8))

MakeTraining = Callable[..., Training]


@pytest.fixture
def lake(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lake")


@pytest.fixture
def tasks(lake: LocalStore, index: TrainingIndex) -> dict[str, PreparedTask]:
    def prepare(name: str) -> PreparedTask:
        task = TextTask(kind="text", sources=(name,))
        write = lambda draft: draft.summary.update(prepare_text_task(task, name, index, "search", draft.path))  # noqa: E731
        return PreparedTask(lake.put(Order("proxy_tasks", name, {}, {}, {}), write)[0], "search")

    return {name: prepare(name) for name in ("source0", "source1")}


@pytest.fixture
def make_orders(
    index_folder: tuple[Path, dict[str, Path]],
    tokenizer: Path,
    tasks: dict[str, PreparedTask],
    make_training: MakeTraining,
    tmp_path: Path,
) -> Callable[..., ProxyOrders]:
    """Return a maker of orders for the counting trainer, in a mood and with other settings."""

    def make(proxy: Proxy = ONE, **settings: object) -> ProxyOrders:
        command = [sys.executable, str(COUNTING)]
        trainer = Trainer(**({"command": command, "folder": tmp_path, "attempts": 1} | settings))
        training = make_training(trainer=trainer)
        conditions = Conditions(
            vocabulary=300,
            tokenizer=tokenizer,
            search_seed=7,
            target_tokens=2560,
            start=None,
            train_code=code_of(training_code(training)),
            evaluate_code=code_of(scoring_code(training)),
            runtime=Runtime(workers=1, device="cpu"),
        )
        return ProxyOrders(TrainingData("version", *index_folder), conditions, training, tasks, proxy)

    return make


def job_of(lake: LocalStore, orders: ProxyOrders) -> dict:
    return json.loads((lake.working_folder(orders.of_model()) / "job.json").read_text())


def test_a_model_is_trained_and_measured_by_the_command(lake, make_orders) -> None:
    for proxy in (ONE, TWO):
        ProxyUnit(lake, make_orders(proxy)).run()
    one, two = (train_by_command(lake, make_orders(proxy)) for proxy in (ONE, TWO))
    assert one.run["printed"] == "counted 2560 tokens" and one.run["attempts"] == 1
    realised = read_table(one.file("realised.parquet"))
    assert realised["tokens"].to_pylist() == [1280, 768, 512]
    losses = [model.json("reported.json")["losses"]["source0"] for model in (one, two)]
    assert losses[0] < losses[1]  # more of the domain, better at it
    assert not list((lake.root / "unfinished").iterdir())

    orders = make_orders(ONE)
    (outcome,) = Swarm(lake, orders.data, orders.conditions, LocalExecutor(1)).run([ONE], orders.training, orders.tasks)
    assert (outcome.trained, outcome.evaluated, outcome.diverged) == (False, 0, False)
    assert outcome.scores["source0"].loss == losses[0]
    assert len(outcome.items["source0"].bits) == 0


def test_what_it_is_handed_is_what_climb_trains_on(lake, make_orders, index) -> None:
    orders = make_orders(environment={"MOOD": "dies"})
    with pytest.raises(ComputeError):
        train_by_command(lake, orders)
    job = job_of(lake, orders)
    assert [(one["name"], one["weight"], one["tokens"]) for one in job["domains"]] == [
        ("letters", 0.5, 1280),
        ("numbers", 0.3, 768),
        ("signs", 0.2, 512),
    ]
    page = (ROOT / "docs" / "trainer.md").read_text(encoding="utf-8")
    assert [key for key in job if f"`{key}`" not in page] == []
    supply = simulate_supply(index, orders.training, **orders.of_model().config["supply"])
    for domain, documents in zip(job["domains"], supply, strict=True):
        tokens, starts = (np.load(domain[name]["path"]) for name in ("text", "documents"))
        raw = np.fromfile(domain["text"]["path"], domain["text"]["type"], offset=domain["text"]["skip_bytes"])
        assert np.array_equal(raw, tokens)
        texts = sorted(tokens[first:last].tolist() for first, last in itertools.pairwise(starts))
        assert texts == sorted(index.tokens[s][f : f + n].tolist() for _, s, f, n in documents.tolist())
    other = make_orders(TWO, environment={"MOOD": "dies"})
    with pytest.raises(ComputeError):
        train_by_command(lake, other)
    assert len(lake.all_of(DOMAIN_TOKENS)) == 1  # of all mixtures of a repeat
    assert job_of(lake, other)["seed"] == job["seed"]


def test_a_failure_names_what_the_command_said_and_the_folder(lake, make_orders) -> None:
    orders = make_orders(environment={"MOOD": "dies"}, attempts=2)
    with pytest.raises(ComputeError) as raised:
        train_by_command(lake, orders)
    assert "ended with exit code 1, the last of 2 attempts; it ended with: " in str(raised.value)
    assert "RuntimeError: it is all too much" in str(raised.value)
    assert str(lake.working_folder(orders.of_model())) in str(raised.value)


def test_it_is_run_again_and_finds_what_it_left(lake, make_orders) -> None:
    model = train_by_command(lake, make_orders(environment={"MOOD": "dies once"}, attempts=2))
    assert model.run["attempts"] == 2


def test_it_may_not_take_longer_than_it_is_given(lake, make_orders) -> None:
    with pytest.raises(ComputeError, match="it took longer than 2 s; it printed nothing"):
        train_by_command(lake, make_orders(environment={"MOOD": "sleeps"}, seconds=2))


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        ({"losses": {"source0": 1.0}}, "no loss of 'source1'; measure every task"),
        ({"losses": {"source0": 1.0, "source1": 1.0, "source2": 1}}, "a loss of 'source2', which was not asked for"),
        ({"losses": {"source0": float("nan"), "source1": 1.0}}, "not JSON .NaN is no number"),
        ({"losses": {"source0": "1", "source1": 1.0}}, "'1' for 'source0', which is no loss"),
        ({"losses": {"source0": True, "source1": 1.0}}, "True for 'source0', which is no loss"),
        ({"losses": {"source0": -1.0, "source1": 1.0}}, "-1.0 for 'source0', which is no loss"),
        ({"accuracy": 1}, "an unknown key 'accuracy'; known are curve, diverged, losses"),
        ({"tokens": [1280, 768]}, "no list tokens of 3 whole numbers"),
        ({"tokens": [1280, 768, 512.5]}, "no list tokens of 3 whole numbers"),
        ({"tokens": [640, 384, 256]}, "trained on 1280 tokens where 2560 were asked for"),
        ({"tokens": [1024, 1024, 512]}, "domain 1 has a share of the tokens that is off by 0.1;"),
        ({"diverged": "no"}, "'no' for diverged; write true or false"),
        ({"parameters": 1.5}, "1.5 for parameters"),
        ({"curve": [{"step": 1, "loss": 2.0}]}, "a curve that is not a list of objects of step, tokens and loss"),
    ],
)
def test_what_it_reports_is_checked(lake, make_orders, says: dict, fault: str) -> None:
    orders = make_orders(environment={"SAYS": json.dumps(says)})
    with pytest.raises(ComputeError, match=fault):
        train_by_command(lake, orders)
    assert not lake.all_of("proxy_models")


def test_nothing_reported_is_said(lake, make_orders) -> None:
    with pytest.raises(ComputeError, match=r"it wrote no metrics\.json; write one to the path"):
        train_by_command(lake, make_orders(command=["true"]))


def test_one_that_diverged_is_a_row_with_a_flag(lake, make_orders) -> None:
    orders = make_orders(environment={"SAYS": json.dumps({"diverged": True, "losses": {}, "tokens": [10, 0, 0]})})
    ProxyUnit(lake, orders).run()
    (outcome,) = Swarm(lake, orders.data, orders.conditions, LocalExecutor(1)).run([ONE], orders.training, orders.tasks)
    assert outcome.diverged and np.isnan(outcome.scores["source1"].loss)


def test_a_script_that_changes_meanwhile_gives_no_model(lake, make_orders, tmp_path: Path) -> None:
    orders = make_orders()
    versions = {place: digest_files(path) for place, path in orders.training.trainer.named_files.items()}
    named = replace(orders, conditions=replace(orders.conditions, trainer_files=versions))
    assert train_by_command(lake, named).summary["diverged"] is False
    older = replace(orders, conditions=replace(orders.conditions, trainer_files=dict.fromkeys(versions, "older")))
    with pytest.raises(ComputeError, match=r"counting\.py was changed while models were trained"):
        train_by_command(lake, older)
    assert len(lake.all_of("proxy_models")) == 1


def test_it_may_call_tasks_by_names_of_its_own(lake, make_orders) -> None:
    model = train_by_command(lake, make_orders(metrics={"source0": "val/letters"}))
    assert set(model.json("reported.json")["losses"]) == {"source0", "source1"}


def test_what_decides_is_in_the_order_and_nothing_else(lake, make_orders, tmp_path: Path) -> None:
    plain = make_orders()
    assert make_orders(seconds=5, attempts=3, memory_gigabytes=1.0).of_model() == plain.of_model()
    for others in ({"environment": {"A": "1"}}, {"command": [sys.executable, str(COUNTING), "--fast"]}):
        assert make_orders(**others).of_model() != plain.of_model()
    named = plain.training.trainer.named_files
    assert named == {"argument-1": COUNTING}  # and not the interpreter
    edited = replace(plain, conditions=replace(plain.conditions, trainer_files={"argument-1": "another version"}))
    assert edited.of_model() != plain.of_model()
    moved = tmp_path / "moved.py"
    moved.write_bytes(COUNTING.read_bytes())
    assert make_orders(command=[sys.executable, "moved.py"]).of_model() == plain.of_model()
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\n")
    assert Trainer(command=["./script.sh"], folder=tmp_path).named_files == {"argument-0": script}


SAVING = """
import json, sys
from transformers import LlamaConfig, LlamaForCausalLM

job = json.load(open(sys.argv[1]))
known = job["tokenizer"]["vocabulary"] - int(sys.argv[2]) if len(sys.argv) > 3 else job["tokenizer"]["vocabulary"]
config = LlamaConfig(
    vocab_size=known, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    max_position_embeddings=64, tie_word_embeddings=True,
)
LlamaForCausalLM(config).save_pretrained(job["out"]["model"])
json.dump({"tokens": [domain["tokens"] for domain in job["domains"]]}, open(job["out"]["metrics"], "w"))
"""


@pytest.mark.slow
def test_a_folder_that_it_writes_is_measured_by_climb(lake, make_orders, tmp_path: Path) -> None:
    (tmp_path / "saving.py").write_text(SAVING)
    orders = make_orders(command=[sys.executable, "saving.py"], scored_by="climb")
    ProxyUnit(lake, orders).run()
    (outcome,) = Swarm(lake, orders.data, orders.conditions, LocalExecutor(1)).run([ONE], orders.training, orders.tasks)
    items = outcome.items["source0"]
    assert items.bits.sum() / items.sizes.sum() == outcome.scores["source0"].loss > 0
    assert AutoModelForCausalLM.from_pretrained(outcome.model.path).config.hidden_size == 16
    nothing = make_orders(command=[sys.executable, str(COUNTING)], scored_by="climb", environment={"SAYS": "{}"})
    with pytest.raises(ComputeError, match=r"'source0', which was not asked for"):
        train_by_command(lake, nothing)
    silent = json.dumps({"losses": {}})
    with pytest.raises(ComputeError, match=r"out.model: .* is not there; write what `save_pretrained`"):
        train_by_command(lake, make_orders(scored_by="climb", environment={"SAYS": silent}))


@pytest.mark.slow
def test_the_example_learns(lake, make_orders) -> None:
    """The trainer of docs/examples, which has torch and nothing of ours, is better at what it reads more of."""
    models = [train_by_command(lake, make_orders(proxy, command=[sys.executable, str(FLAT)])) for proxy in (ONE, TWO)]
    losses = [model.json("reported.json")["losses"]["source0"] for model in models]
    assert losses[0] < losses[1]
    curve = read_table(models[0].file("curve.parquet"))["loss"].to_pylist()
    assert curve[-1] < curve[0] - 0.5


@pytest.mark.slow
def test_the_example_says_so_when_it_diverges(lake, make_orders) -> None:
    orders = make_orders(command=[sys.executable, str(FLAT)])
    wild = orders.training.model_copy(update={"learning_rate": 1e30})
    assert train_by_command(lake, replace(orders, training=wild)).summary["diverged"] is True


@pytest.mark.slow
def test_the_example_trains_one_model_in_several_processes(lake, make_orders, tmp_path: Path) -> None:
    """Under torchrun the batches are shared out and the gradients averaged: the same model, but for rounding."""
    alone = train_by_command(lake, make_orders(command=[sys.executable, str(FLAT)]))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(FLAT)]
    together = train_by_command(lake, make_orders(command=torchrun))
    losses = [read_table(model.file("curve.parquet"))["loss"].to_numpy() for model in (alone, together)]
    assert np.allclose(*losses, atol=1e-4)
    one, two = (read_table(model.file("realised.parquet")) for model in (alone, together))
    assert one.equals(two)
