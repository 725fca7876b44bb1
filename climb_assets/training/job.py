"""One job of a swarm: which model, which scores, and how a worker makes them.

What belongs here: what a job is made from, its two orders, and the work itself. Whose turn it is belongs to `swarm`,
what happens inside to `train` and `evaluation`.
"""

import functools
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from climb_assets.config import HarnessTask, Runtime, Training
from climb_assets.errors import ComputeError
from climb_assets.executor.local import require_parent
from climb_assets.graph.assets import EVALUATION_MODULES, TRAINING_MODULES
from climb_assets.graph.code_identity import code_hashes
from climb_assets.randomness import derived_seed
from climb_assets.simplex.mixtures import DECIMALS, mixture_key
from climb_assets.store.artifacts import Artifact, Draft, Order, canonical_json
from climb_assets.store.files import write_atomically
from climb_assets.store.store import Store
from climb_assets.tables import write_rows, write_table
from climb_assets.training.checkpoint import Checkpoint, load_snapshot
from climb_assets.training.evaluation import Scores, evaluate
from climb_assets.training.harness import evaluate_with_harness
from climb_assets.training.model import build_model, continue_model, count_parameters, load_model, save_model
from climb_assets.training.sequence_plan import plan_sequences, simulate_supply
from climb_assets.training.token_index import TrainingIndex, load_training_index
from climb_assets.training.train import computes_in_bfloat16, prefers_plain_attention, train, wants_compilation

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

MODELS, SCORES = "proxy_models", "proxy_scores"
CURVE_SCHEMA = pa.schema([("step", pa.int32()), ("tokens", pa.int64()), ("loss", pa.float64())])
REALISED_SCHEMA = pa.schema(
    [("domain", pa.int32()), ("weight", pa.float64()), ("tokens", pa.int64()), ("epochs", pa.float64())]
)
SCORES_SCHEMA = pa.schema(
    [
        ("tokens", pa.int64()),
        ("loss", pa.float64()),
        ("accuracy", pa.float64()),
        ("accuracy_norm", pa.float64()),
        ("items", pa.int64()),
        ("gold_probability", pa.float64()),
    ]
)


@dataclass(frozen=True)
class ProxyJob:
    """A mixture to train one model on; `repeat` tells several models of the same mixture apart."""

    weights: tuple[float, ...]
    repeat: int = 0

    @property
    def key(self) -> str:
        """The mixture's hash."""
        return mixture_key(self.weights)


@dataclass(frozen=True)
class TrainingData:
    """Where the training index is: the folder of `training_tokens`, its data version, each shard's token file."""

    version: str
    folder: Path
    tokens: Mapping[str, Path]


@dataclass(frozen=True)
class Conditions:
    """What all jobs of a swarm share.

    Parameters
    ----------
    vocabulary, tokenizer
        Entries and file of the tokenizer.
    search_seed
        The seed that every training seed is derived from.
    target_tokens
        Token budget whose repetition is simulated where the training asks for it.
    start
        Version of the folder that models are continued from, if any.
    train_code, evaluate_code
        Module hashes that the two stores answer for.
    runtime
        How fast: device, compilation, workers, time between checkpoints.
    """

    vocabulary: int
    tokenizer: Path
    search_seed: int
    target_tokens: int
    start: str | None
    train_code: Mapping[str, str]
    evaluate_code: Mapping[str, str]
    runtime: Runtime


@dataclass(frozen=True)
class PreparedTask:
    """A task as a worker needs it: its folder, and for a task of lm-evaluation-harness what the harness is asked."""

    artifact: Artifact
    harness: HarnessTask | None = None


@dataclass(frozen=True)
class Work:
    """Everything a worker needs for one job."""

    store: Store
    data: TrainingData
    conditions: Conditions
    training: Training
    tasks: Mapping[str, PreparedTask]
    job: ProxyJob
    threads: int

    def model_order(self) -> Order:
        """The seed comes from the mixture and its repeat, never from a position: equal mixtures are equal work."""
        conditions = self.conditions
        config = {
            "weights": [round(weight, DECIMALS) for weight in self.job.weights],
            "training": self.training.model_dump(mode="json", exclude={"start", "size"}) | self._widths(),
            "seed": derived_seed(conditions.search_seed, "train", self.job.key, self.job.repeat),
            "vocabulary": conditions.vocabulary,
        }
        if self.training.simulate_epochs:
            # Mixtures of one repeat draw from the same part of each domain, other repeats from other parts.
            seed = derived_seed(conditions.search_seed, "supply", self.job.repeat)
            config["supply"] = {"target_tokens": conditions.target_tokens, "seed": seed}
        inputs = {"training_tokens": self.data.version}
        if conditions.start is not None:
            inputs["start"] = conditions.start
        return Order(MODELS, None, inputs, config, conditions.train_code)

    def _widths(self) -> dict[str, int]:
        """Return the widths of the model, so that a named size and its numbers are the same work."""
        return {} if self.training.start is not None else self.training.shape._asdict()

    def score_order(self, model: Artifact, name: str) -> Order:
        inputs = {"proxy_model": model.data_version, f"task:{name}": self.tasks[name].artifact.data_version}
        return Order(SCORES, None, inputs, {"sequence": self.training.sequence}, self.conditions.evaluate_code)


def pick_device(name: str) -> "torch.device":
    """Return the device of a name; ``auto`` takes a GPU where there is one."""
    import torch

    return torch.device("cuda" if name == "auto" and torch.cuda.is_available() else "cpu" if name == "auto" else name)


def snapshots_of(model: Artifact) -> list[int]:
    """Return the token counts at which a model's weights were kept before its end."""
    counts: list[int] = model.summary["snapshots"]
    return counts


def find_kept(store: Store, order: Order) -> Artifact | None:
    """Return the artefact of one of the two stores, unless it is absent or has lost a file."""
    found = store.find(order.asset, order.partition, order.fingerprint)
    return found if found is not None and found.is_complete() else None


def carry_out(work: Work) -> None:
    """Do one job in a worker: train unless the model is there, score what has no scores, commit each."""
    store, parent = work.store, os.getppid()
    order = work.model_order()
    for imported, asked in ((_TRAIN_CODE, work.conditions.train_code), (_EVALUATE_CODE, work.conditions.evaluate_code)):
        if any(asked.get(module, found) != found for module, found in imported.items()):
            raise ComputeError("the source code of the proxies was changed while a swarm is at work; start again")
    write = lambda draft: _write_model(draft, work, order, store.working_folder(order), parent)  # noqa: E731
    model, _ = store.put(order, write, resumable=True)
    store.remove_working_folder(order)  # only now: what kills the sealing does not cost the training
    orders = {name: work.score_order(model, name) for name in work.tasks}
    missing = [name for name, order in orders.items() if find_kept(store, order) is None]
    if not missing:
        return
    model.verify()
    device = pick_device(work.conditions.runtime.device)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in missing}
    loaded = load_model(model.path).to(device)  # type: ignore[arg-type]
    for tokens in [int(model.summary["tokens"]), *snapshots_of(model)]:
        if tokens in snapshots_of(model):
            load_snapshot(loaded, model.path, tokens)
        for name in missing:
            found[name].append({"tokens": tokens, **asdict(_score(loaded, work, work.tasks[name]))})
    for name, rows in found.items():
        store.put(orders[name], functools.partial(_write_scores, rows=rows))


def _write_model(draft: Draft, work: Work, order: Order, unfinished: Path, parent: int) -> None:
    """Train a model and write it with its curve and what it has seen."""
    index = _open_index(work.data.folder, tuple(sorted(work.data.tokens.items())))
    seed, simulated = order.config["seed"], order.config.get("supply")
    supply = simulate_supply(index, work.training, **simulated) if simulated else None
    plan = plan_sequences(index, order.config["weights"], work.training, seed, supply)
    model = _place_model(work, seed)
    checkpoint = Checkpoint(unfinished, draft.path, work.conditions.runtime.checkpoint_seconds)
    began = time.perf_counter()
    result = train(model, plan, work.training, checkpoint, lambda step, loss: require_parent(parent))
    seconds = time.perf_counter() - began
    save_model(model, work.conditions.tokenizer, draft.path)
    size = work.training.batch * work.training.sequence
    curve = [{"step": step, "tokens": step * size, "loss": loss} for step, loss in enumerate(result.curve, 1)]
    write_rows(draft.path / "curve.parquet", curve, CURVE_SCHEMA)
    domains = pa.array(range(len(plan.weights)), pa.int32())
    trained = np.bincount(plan.slots[: len(result.curve) * plan.batch_size, 0], minlength=len(domains)) * plan.sequence
    realised = pa.table([domains, plan.weights, trained, plan.epochs], schema=REALISED_SCHEMA)
    write_table(draft.path / "realised.parquet", realised)
    facts = {
        "diverged": result.diverged,
        "tokens": result.tokens,
        "snapshots": result.snapshots,
        "parameters": count_parameters(model),
    }
    write_atomically(draft.path / "facts.json", canonical_json(facts).encode())
    draft.summary |= facts
    draft.run |= {
        "seconds": seconds,
        "tokens_per_second": (len(result.curve) - result.resumed) * size / seconds,
        "resumed_at_step": result.resumed,
        "sequences_in_one_pass": result.rows,
        "threads": work.threads,
        "device": str(model.device),
        "precision": "bfloat16" if computes_in_bfloat16(model.device) else "float32",
    }


def make_model(training: Training, vocabulary: int, tokenizer: Path, seed: int, device: str) -> "PreTrainedModel":
    """Return the model that a training starts from, on its device: a fresh one, or the one that is continued."""
    fresh = build_model(training, vocabulary, seed) if training.start is None else continue_model(training, tokenizer)
    placed: PreTrainedModel = fresh.to(pick_device(device))  # type: ignore[arg-type]
    if prefers_plain_attention(training.sequence, placed.device):
        placed.set_attn_implementation("eager")
    return placed


def _place_model(work: Work, seed: int) -> "PreTrainedModel":
    """Return the model of a job.

    Where the step is compiled, one model serves all jobs of a worker, or each would be compiled anew: the job's weights
    are copied into it.
    """
    import torch

    conditions = work.conditions
    fresh = make_model(work.training, conditions.vocabulary, conditions.tokenizer, seed, conditions.runtime.device)
    if not wants_compilation(conditions.runtime, fresh.device):
        return fresh
    resident = _RESIDENT.setdefault(canonical_json([fresh.config.to_dict(), str(fresh.device)]), fresh)
    if resident is fresh:
        unchanging = {"guard_filter_fn": torch.compiler.skip_guard_on_all_nn_modules_unsafe}  # only weights change
        resident.base_model.compile(dynamic=False, options=unchanging)
    else:
        resident.load_state_dict(fresh.state_dict())
    return resident


# What this worker has imported, in case the files change under it.
_TRAIN_CODE, _EVALUATE_CODE = code_hashes(TRAINING_MODULES), code_hashes(EVALUATION_MODULES)
_RESIDENT: dict[str, "PreTrainedModel"] = {}  # of this worker


def _score(model: "PreTrainedModel", work: Work, task: PreparedTask) -> Scores:
    """Score a model on one task."""
    if task.harness is not None:
        return evaluate_with_harness(
            model, work.conditions.tokenizer, task.harness, work.training.sequence, task.artifact.data_version
        )
    task.artifact.verify()
    return evaluate(model, task.artifact.path, work.training.sequence)


def _write_scores(draft: Draft, rows: list[dict[str, Any]]) -> None:
    """Write the scores of one model on one task, by tokens."""
    write_rows(draft.path / "scores.parquet", sorted(rows, key=lambda row: row["tokens"]), SCORES_SCHEMA)


@functools.lru_cache(maxsize=1)
def _open_index(folder: Path, tokens: tuple[tuple[str, Path], ...]) -> TrainingIndex:
    """Open the index once in a worker's life."""
    return load_training_index(folder, dict(tokens))
