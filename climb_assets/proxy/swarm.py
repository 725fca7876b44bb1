"""The swarm: many small models trained and scored at once, each job done once.

What belongs here: the two content-addressed stores and the pool of workers. Models live in one store (weights,
training data, training configuration, seed, code), their scores in the other (model, task, code): a new task is scored
on kept models and trains nothing. What happens inside a job is `train` and `evaluation`.

Each worker commits what it has finished by itself, so a kill loses only what was running.
"""

import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from climb_assets.artifacts import Artifact, Draft, Order, canonical_json, write_atomically
from climb_assets.config import Training
from climb_assets.errors import TransientError
from climb_assets.lake import Lake
from climb_assets.proxy.batches import plan_sequences
from climb_assets.proxy.evaluation import Scores, evaluate
from climb_assets.proxy.model import build_model, count_parameters, load_model, save_model
from climb_assets.proxy.spans import TrainingIndex, load_training_index
from climb_assets.proxy.train import train
from climb_assets.proxy.workers import discard_workers, require_parent, start_workers
from climb_assets.randomness import derived_seed
from climb_assets.search.simplex import DECIMALS, mixture_key
from climb_assets.tables import read_table, write_rows, write_table

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

MODELS, SCORES = "proxy_models", "proxy_scores"
CURVE_SCHEMA = pa.schema([("step", pa.int32()), ("tokens", pa.int64()), ("loss", pa.float64())])
REALISED_SCHEMA = pa.schema(
    [("domain", pa.int32()), ("weight", pa.float64()), ("tokens", pa.int64()), ("epochs", pa.float64())]
)
SCORES_SCHEMA = pa.schema(
    [("loss", pa.float64()), ("accuracy", pa.float64()), ("accuracy_norm", pa.float64()), ("items", pa.int64())]
)
ATTEMPTS = 2  # a worker that died may have been the victim of a full memory: what it left is tried once more

Progress = Callable[[int, int], None]


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
class Recipe:
    """What all jobs of a swarm share.

    Parameters
    ----------
    vocabulary, tokenizer
        Entries and file of the tokenizer.
    search_seed
        The seed that every training seed is derived from.
    train_code, evaluate_code
        Module hashes that the two stores answer for.
    device
        ``auto`` takes a GPU where there is one.
    """

    vocabulary: int
    tokenizer: Path
    search_seed: int
    train_code: Mapping[str, str]
    evaluate_code: Mapping[str, str]
    device: str = "auto"


@dataclass(frozen=True)
class ProxyOutcome:
    """What a job came to; `trained` and `evaluated` say what of it was done by this call rather than found."""

    job: ProxyJob
    model: Artifact
    scores: Mapping[str, Scores]
    trained: bool
    evaluated: int

    @property
    def diverged(self) -> bool:
        """Whether training blew up; the model and its scores are then worth nothing."""
        return bool(self.model.summary["diverged"])


@dataclass(frozen=True)
class _Work:
    """Everything a worker needs for one job."""

    lake: Path
    data: TrainingData
    recipe: Recipe
    training: Training
    tasks: Mapping[str, Artifact]
    job: ProxyJob

    def model_order(self) -> Order:
        """The seed comes from the mixture and its repeat, never from a position: equal mixtures are equal work."""
        config = {
            "weights": [round(weight, DECIMALS) for weight in self.job.weights],
            "training": self.training.model_dump(mode="json"),
            "seed": derived_seed(self.recipe.search_seed, "train", self.job.key, self.job.repeat),
            "vocabulary": self.recipe.vocabulary,
        }
        return Order(MODELS, None, {"training_tokens": self.data.version}, config, self.recipe.train_code)

    def score_order(self, model: Artifact, name: str) -> Order:
        inputs = {"proxy_model": model.data_version, f"task:{name}": self.tasks[name].data_version}
        return Order(SCORES, None, inputs, {"sequence": self.training.sequence}, self.recipe.evaluate_code)


class Swarm:
    """Trains and scores proxies on the workers of this process; see `climb_assets.proxy.workers`.

    Parameters
    ----------
    lake
        Where the two stores are.
    data
        The training index.
    recipe
        What all jobs share.
    workers
        Number of processes; default: one a core, or one where a GPU is used.
    """

    def __init__(self, lake: Lake, data: TrainingData, recipe: Recipe, workers: int | None = None) -> None:
        self._lake, self._data, self._recipe = lake, data, recipe
        self._workers = workers or _default_workers(recipe.device)

    def run(
        self,
        jobs: Sequence[ProxyJob],
        training: Training,
        tasks: Mapping[str, Artifact],
        progress: Progress | None = None,
    ) -> list[ProxyOutcome]:
        """Train and score every job that is not in the stores; return the outcomes in the order of the jobs.

        Parameters
        ----------
        tasks
            The prepared task of each name.
        progress
            Is told (done, all) whenever a job ends; what was found counts as done.

        Raises
        ------
        TransientError
            A worker died twice.
        """
        works = {job: _Work(self._lake.root, self._data, self._recipe, training, tasks, job) for job in jobs}
        kept = {job: _kept(self._lake, work) for job, work in works.items()}
        waiting = [job for job in works if kept[job] < len(tasks) + 1]
        for _ in range(ATTEMPTS):
            try:
                self._work_off([works[job] for job in waiting], len(works), progress)
                break
            except BrokenProcessPool:
                discard_workers(self._workers)
                waiting = [job for job in waiting if _kept(self._lake, works[job]) < len(tasks) + 1]
        else:
            raise TransientError(f"a worker died {ATTEMPTS} times, perhaps for want of memory; lower runtime.workers")
        return [_outcome(self._lake, works[job], kept[job]) for job in jobs]

    def _work_off(self, works: Sequence[_Work], total: int, progress: Progress | None) -> None:
        """Give the work to the pool and wait for all of it."""
        if not works:
            return
        pool = start_workers(self._workers)
        futures = [pool.submit(_carry_out, work) for work in works]
        try:
            for done, future in enumerate(as_completed(futures), total - len(works) + 1):
                future.result()
                if progress is not None:
                    progress(done, total)
        finally:
            for future in futures:
                future.cancel()


def _kept(lake: Lake, work: _Work) -> int:
    """Return how many of a job's artefacts (its model and its scores) are in the stores."""
    model = lake.find(MODELS, None, work.model_order().fingerprint)
    if model is None:
        return 0
    orders = [work.score_order(model, name) for name in work.tasks]
    return 1 + sum(lake.find(SCORES, None, order.fingerprint) is not None for order in orders)


def _outcome(lake: Lake, work: _Work, kept: int) -> ProxyOutcome:
    """Read what a job came to from the stores; `kept` of its artefacts were there before."""
    model = lake.find(MODELS, None, work.model_order().fingerprint)
    assert model is not None, "a worker returned without its model"
    scores = {name: _read_scores(lake, work.score_order(model, name)) for name in work.tasks}
    return ProxyOutcome(work.job, model, scores, kept == 0, len(scores) - max(0, kept - 1))


def _read_scores(lake: Lake, order: Order) -> Scores:
    artifact = lake.find(SCORES, None, order.fingerprint)
    assert artifact is not None, "a worker returned without its scores"
    return Scores(**read_table(artifact.file("scores.parquet")).to_pylist()[0])


def _default_workers(device: str) -> int:
    return 1 if _device(device).type == "cuda" else os.cpu_count() or 1


def _device(name: str) -> "torch.device":
    import torch

    return torch.device("cuda" if name == "auto" and torch.cuda.is_available() else "cpu" if name == "auto" else name)


def _carry_out(work: _Work) -> None:
    """Do one job in a worker: train unless the model is there, score what has no scores, commit each."""
    lake, parent = Lake(work.lake), os.getppid()
    order = work.model_order()
    model, _ = lake.put(order, lambda draft: _write_model(draft, work, order, parent))
    orders = {name: work.score_order(model, name) for name in work.tasks}
    missing = [name for name, order in orders.items() if lake.find(SCORES, None, order.fingerprint) is None]
    if missing:
        model.verify()
        loaded = load_model(model.path).to(_device(work.recipe.device))  # type: ignore[arg-type]
    for name in missing:
        lake.put(orders[name], functools.partial(_write_scores, work=work, model=loaded, task=work.tasks[name]))


def _write_model(draft: Draft, work: _Work, order: Order, parent: int) -> None:
    """Train a model and write it with its curve and what it has seen."""
    index = _open_index(work.data.folder, tuple(sorted(work.data.tokens.items())))
    seed = order.config["seed"]
    plan = plan_sequences(index, order.config["weights"], work.training, seed)
    model = build_model(work.training, work.recipe.vocabulary, seed).to(_device(work.recipe.device))  # type: ignore[arg-type]
    began = time.perf_counter()
    result = train(model, plan, work.training, lambda step, loss: require_parent(parent))
    seconds = time.perf_counter() - began
    save_model(model.cpu(), work.recipe.tokenizer, draft.path)
    size = work.training.batch * work.training.sequence
    curve = [{"step": step, "tokens": step * size, "loss": loss} for step, loss in enumerate(result.curve, 1)]
    write_rows(draft.path / "curve.parquet", curve, CURVE_SCHEMA)
    domains = pa.array(range(len(plan.weights)), pa.int32())
    realised = pa.table([domains, plan.weights, plan.realised, plan.epochs], schema=REALISED_SCHEMA)
    write_table(draft.path / "realised.parquet", realised)
    facts = {"diverged": result.diverged, "tokens": result.tokens, "parameters": count_parameters(model)}
    write_atomically(draft.path / "facts.json", canonical_json(facts).encode())
    draft.summary |= facts
    draft.run |= {"seconds": seconds, "tokens_per_second": result.tokens / seconds}


def _write_scores(draft: Draft, work: _Work, model: "LlamaForCausalLM", task: Artifact) -> None:
    """Score a model on one task."""
    task.verify()
    began = time.perf_counter()
    scores = evaluate(model, task.path, work.training.sequence)
    write_rows(draft.path / "scores.parquet", [asdict(scores)], SCORES_SCHEMA)
    draft.run |= {"seconds": time.perf_counter() - began}


@functools.lru_cache(maxsize=1)
def _open_index(folder: Path, tokens: tuple[tuple[str, Path], ...]) -> TrainingIndex:
    """Open the index once in a worker's life."""
    return load_training_index(folder, dict(tokens))
