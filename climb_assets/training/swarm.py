"""The swarm: many small models trained and scored at once, each job done once.

What belongs here: the two content-addressed stores and the pool of workers. Models live in one store (weights,
training data, training configuration, seed, code), their scores in the other (model, task, code): a new task is scored
on kept models and trains nothing. What happens inside a job is `train` and `evaluation`.

Each worker commits what it has finished by itself, so a kill loses only what was running.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from climb_assets.config import Training
from climb_assets.errors import TransientError
from climb_assets.executor.local import Layout, choose_layout, discard_workers, start_workers
from climb_assets.store.artifacts import Artifact, Order
from climb_assets.store.store import Store
from climb_assets.tables import read_table
from climb_assets.training.evaluation import Scores
from climb_assets.training.job import (
    Conditions,
    PreparedTask,
    ProxyJob,
    TrainingData,
    Work,
    carry_out,
    find_kept,
    pick_device,
    snapshots_of,
)

START_BYTES = 2  # of a parameter of a model that is continued, at least: most are kept in bfloat16
ATTEMPTS = 2  # deaths in a row after which nothing was finished; one may have been the victim of a full memory

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ProxyOutcome:
    """What a job came to.

    Parameters
    ----------
    model
        The artefact of the trained model.
    points
        Scores of each task by the number of tokens trained on: at every snapshot, and at the end.
    trained, evaluated
        What of it was done by this call rather than found: the training, and the number of tasks.
    """

    job: ProxyJob
    model: Artifact
    points: Mapping[int, Mapping[str, Scores]]
    trained: bool
    evaluated: int

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
    """Trains and scores proxies on the workers of this process; see `climb_assets.executor.local`.

    Parameters
    ----------
    lake
        Where the two stores are.
    data
        The training index.
    conditions
        What all jobs share.
    """

    def __init__(self, store: Store, data: TrainingData, conditions: Conditions) -> None:
        self._store, self._data, self._conditions = store, data, conditions

    def run(
        self,
        jobs: Sequence[ProxyJob],
        training: Training,
        tasks: Mapping[str, PreparedTask],
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
        layout = self._layout(training)
        works = {
            job: Work(self._store, self._data, self._conditions, training, tasks, job, layout.threads) for job in jobs
        }
        kept = {job: _kept(self._store, work) for job, work in works.items()}
        waiting = [job for job in works if kept[job] < len(tasks) + 1]
        deaths = 0
        while waiting:
            try:
                self._work_off([works[job] for job in waiting], layout, len(works), progress)
                break
            except BrokenProcessPool:
                discard_workers(layout)
                left = [job for job in waiting if _kept(self._store, works[job]) < len(tasks) + 1]
                deaths = deaths + 1 if len(left) == len(waiting) else 0
                waiting = left
            if deaths == ATTEMPTS:
                raise TransientError(f"a worker died {deaths} times, perhaps for want of memory; lower runtime.workers")
        return [_outcome(self._store, works[job], kept[job]) for job in jobs]

    def _layout(self, training: Training) -> Layout:
        runtime = self._conditions.runtime
        if training.start is None:
            parameters = training.shape.parameters + self._conditions.vocabulary * training.shape.hidden
        else:
            parameters = sum(file.stat().st_size for file in training.start.glob("*.safetensors")) // START_BYTES
        return choose_layout(parameters, runtime.workers, gpu=pick_device(runtime.device).type == "cuda")

    def _work_off(self, works: Sequence[Work], layout: Layout, total: int, progress: Progress | None) -> None:
        """Give the work to the pool and wait for all of it."""
        if not works:
            return
        pool = start_workers(layout)
        futures = [pool.submit(carry_out, work) for work in works]
        try:
            for done, future in enumerate(as_completed(futures), total - len(works) + 1):
                future.result()
                if progress is not None:
                    progress(done, total)
        finally:
            for future in futures:
                future.cancel()


def _kept(store: Store, work: Work) -> int:
    """Return how many of a job's artefacts (its model and its scores) are in the stores, whole."""
    model = find_kept(store, work.model_order())
    if model is None:
        return 0
    return 1 + sum(find_kept(store, work.score_order(model, name)) is not None for name in work.tasks)


def _outcome(store: Store, work: Work, kept: int) -> ProxyOutcome:
    """Read what a job came to from the stores; `kept` of its artefacts were there before."""
    model = find_kept(store, work.model_order())
    assert model is not None, "a worker returned without its model"
    read = {name: _read_scores(store, work.score_order(model, name)) for name in work.tasks}
    counts = [*snapshots_of(model), int(model.summary["tokens"])]
    points = {tokens: {name: rows[tokens] for name, rows in read.items()} for tokens in counts}
    return ProxyOutcome(work.job, model, points, kept == 0, len(read) - max(0, kept - 1))


def _read_scores(store: Store, order: Order) -> dict[int, Scores]:
    """Return the scores of one task by the number of tokens trained on."""
    artifact = find_kept(store, order)
    assert artifact is not None, "a worker returned without its scores"
    return {row.pop("tokens"): Scores(**row) for row in read_table(artifact.file("scores.parquet")).to_pylist()}
