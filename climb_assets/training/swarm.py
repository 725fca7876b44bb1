"""The swarm: many small models trained and scored at once, each proxy done once.

What belongs here: whose turn it is, and what came of it. Models live in one store (weights, training data, training
configuration, seed, code), their scores in the other (model, task, code): a new task is scored on kept models and
trains nothing. What one proxy is made from is `proxy_orders`, what is done with it is `proxy_unit`.

Each worker commits what it has finished by itself, so a kill loses only what was running.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import pyarrow.compute as pc

from climb_assets.config_trainer import Trainer
from climb_assets.config_training import Training
from climb_assets.environment import resolve_device
from climb_assets.executor.backends import make_executor
from climb_assets.executor.executor import Executor, Progress, Resources
from climb_assets.search.item_sampling import ItemLosses, TaskItems
from climb_assets.sizes import estimate_parameters
from climb_assets.store.artifacts import Artifact, Order
from climb_assets.store.store import Store
from climb_assets.tables import read_table
from climb_assets.training.evaluation import Scores
from climb_assets.training.proxy_orders import (
    Conditions,
    PreparedTask,
    Proxy,
    ProxyOrders,
    TrainingData,
    find_kept,
    snapshots_of,
)
from climb_assets.training.proxy_unit import ProxyUnit, ScoringUnit

BYTES_PER_PARAMETER = 20  # float32 weight, gradient, two moments of AdamW, and a copy while it is saved
WORKER_BYTES = 2 * 2**30  # torch and transformers, the activations of a step


@dataclass(frozen=True)
class ProxyOutcome:
    """What a proxy came to.

    Parameters
    ----------
    model
        The artefact of the trained model.
    points
        Scores of each task by the number of tokens trained on: at every snapshot, and at the end.
    items
        For each task the losses of its items at the end of the training.
    trained, evaluated
        What of it was done by this call rather than found: the training, and the number of tasks.
    scoring_seconds
        How long scoring it on all tasks took, at all points, whenever that was.
    """

    proxy: Proxy
    model: Artifact
    points: Mapping[int, Mapping[str, Scores]]
    items: TaskItems
    trained: bool
    evaluated: int
    scoring_seconds: float

    @property
    def scores(self) -> Mapping[str, Scores]:
        """Scores of each task at the end of the training."""
        return self.points[max(self.points)]

    @property
    def diverged(self) -> bool:
        """Whether training blew up, or ended in weights without a finite loss; its scores are then worth nothing."""
        finite = all(math.isfinite(scores.loss) for scores in self.scores.values())
        return bool(self.model.summary["diverged"]) or not finite


class Swarm:
    """Trains and scores proxies on an executor.

    Parameters
    ----------
    store
        Where models and scores lie.
    data
        The training index.
    conditions
        What all proxies share.
    executor
        Whose workers do it; None: those of `runtime.backend`.
    """

    def __init__(
        self, store: Store, data: TrainingData, conditions: Conditions, executor: Executor | None = None
    ) -> None:
        self._store, self._data, self._conditions = store, data, conditions
        self._executor = executor or make_executor(conditions.runtime)

    def run(
        self,
        proxies: Sequence[Proxy],
        training: Training,
        tasks: Mapping[str, PreparedTask],
        progress: Progress | None = None,
    ) -> list[ProxyOutcome]:
        """Train and score every proxy that is not in the stores; return the outcomes in the order of the proxies.

        Parameters
        ----------
        tasks
            The prepared task of each name.
        progress
            Is told (done, all) at the start and whenever a proxy is done; what was found counts as done.

        Raises
        ------
        TransientError
            A worker died twice.
        """
        units = {
            proxy: ProxyUnit(self._store, ProxyOrders(self._data, self._conditions, training, tasks, proxy))
            for proxy in proxies
        }
        kept = {proxy: _kept(self._store, unit.orders) for proxy, unit in units.items()}
        waiting = [unit for proxy, unit in units.items() if kept[proxy] < len(tasks) + 1]

        def tell(done: int, asked: int) -> None:
            if progress is not None:
                progress(len(units) - asked + done, len(units))

        if waiting:
            tell(0, len(waiting))
        with closing(self._executor.map(waiting, self._resources(training), tell)) as finished:
            for _ in finished:
                pass
        return [_outcome(self._store, units[proxy].orders, kept[proxy]) for proxy in proxies]

    def score(
        self,
        models: Sequence[Artifact],
        training: Training,
        tasks: Mapping[str, PreparedTask],
        progress: Progress | None = None,
    ) -> list[Mapping[str, float]]:
        """Score kept models on every task that has no scores of them; return each one's losses after its training.

        Parameters
        ----------
        tasks, progress
            See `run`.

        Raises
        ------
        TransientError
            A worker died twice.
        """
        orders = ProxyOrders(self._data, self._conditions, training, tasks, Proxy(()))
        units = [
            ScoringUnit(self._store, orders, model.fingerprint)
            for model in models
            if any(find_kept(self._store, orders.of_scores(model, name)) is None for name in tasks)
        ]
        with closing(self._executor.map(units, self._resources(training), progress)) as finished:
            for _ in finished:
                pass
        return [
            {
                name: _read_scores(_done(self._store, orders.of_scores(model, name)))[int(model.summary["tokens"])].loss
                for name in tasks
            }
            for model in models
        ]

    def _resources(self, training: Training) -> Resources:
        """Return what one proxy needs; its threads follow from that, and so do its last bits."""
        gpu = resolve_device(self._conditions.runtime.device) == "cuda"
        if isinstance(training.trainer, Trainer) and training.trainer.memory_gigabytes is not None:
            return Resources(round(training.trainer.memory_gigabytes * 1e9), gpu=gpu)
        parameters = estimate_parameters(training, self._conditions.vocabulary)
        return Resources(WORKER_BYTES + BYTES_PER_PARAMETER * parameters, gpu=gpu)


def _kept(store: Store, orders: ProxyOrders) -> int:
    """Return how many of a proxy's artefacts (its model and its scores) are in the stores, whole."""
    model = find_kept(store, orders.of_model())
    if model is None:
        return 0
    return 1 + sum(find_kept(store, orders.of_scores(model, name)) is not None for name in orders.tasks)


def _outcome(store: Store, orders: ProxyOrders, kept: int) -> ProxyOutcome:
    """Read what a proxy came to from the stores; `kept` of its artefacts were there before."""
    model = _done(store, orders.of_model())
    scored = {name: _done(store, orders.of_scores(model, name)) for name in orders.tasks}
    read = {name: _read_scores(artifact) for name, artifact in scored.items()}
    end = int(model.summary["tokens"])
    points = {tokens: {name: rows[tokens] for name, rows in read.items()} for tokens in [*snapshots_of(model), end]}
    items = {name: _read_items(artifact, end) for name, artifact in scored.items()}
    scoring = sum(float(artifact.run.get("seconds", 0.0)) for artifact in scored.values())
    return ProxyOutcome(orders.proxy, model, points, items, kept == 0, len(read) - max(0, kept - 1), scoring)


def _done(store: Store, order: Order) -> Artifact:
    found = find_kept(store, order)
    assert found is not None, f"a worker returned without its {order.asset}"
    return found


def _read_scores(artifact: Artifact) -> dict[int, Scores]:
    """Return the scores of one task by the number of tokens trained on."""
    return {row.pop("tokens"): Scores(**row) for row in read_table(artifact.file("scores.parquet")).to_pylist()}


def _read_items(artifact: Artifact, tokens: int) -> ItemLosses:
    """Return the losses of one task's items after so many tokens."""
    table = read_table(artifact.file("items.parquet"))
    table = table.filter(pc.equal(table["tokens"], tokens))
    return ItemLosses(table["bits"].to_numpy(), table["bytes"].to_numpy())
