"""What the search knows after an iteration: the history, the predictors fitted on it, and how far to trust them.

What belongs here: fits and their diagnostics. The rows are `climb_assets.search.history`, the regression itself is
`climb_assets.search.predictor`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from climb_assets import config_search
from climb_assets.config import Config
from climb_assets.randomness import derived_seed
from climb_assets.search.history import History
from climb_assets.search.noise import Noise, write_noise
from climb_assets.search.objectives import objective_loss, pareto_front
from climb_assets.search.prediction import OutOfFold, Prediction
from climb_assets.search.predictor import Predictor, new_predictor, save_predictor
from climb_assets.search.stack import rank_correlation
from climb_assets.search.trust import Trust, judge_sources
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.store.files import write_atomically
from climb_assets.tables import write_table

FAMILIES = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("spearman", pa.float64()),
        pa.field("residual_sd", pa.float64(), nullable=False),
    ]
)
EVIDENCE = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("believed", pa.float64()),
        pa.field("trust", pa.float64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Fit:
    """How far a task's predictor, or the objective made of them, can be trusted.

    Parameters
    ----------
    rows
        Number of mixtures that it is fitted on and judged by; those that are hardly believed are not counted.
    spearman
        Rank correlation of out-of-fold predictions and measurements; None where a fold's predictor is constant,
        because the means of folds rank against the left-out rows.
    residual_sd
        Root mean square of the out-of-fold residuals, bits per byte; None where the rows teach only their mean.
    constant
        Whether the final predictor says the same of every mixture.
    families
        Weight of each family in a task's predictor; empty for an objective.
    """

    rows: int
    spearman: float | None
    residual_sd: float | None
    constant: bool
    families: Mapping[str, float] = field(default_factory=dict)


def judge_evidence(history: History, noise: Sequence[Noise] = ()) -> dict[str, Trust]:
    """Return for each task how far the rows that did not diverge are believed.

    Parameters
    ----------
    noise
        Of the tasks, where it was measured.
    """
    kept = ~history.diverged
    sources = [source for source, keep in zip(history.sources, kept, strict=True) if keep]
    between = {row.measure: row.within_repeat.deviation for row in noise if row.kind == "task"}
    return {
        task: judge_sources(history.weights[kept], loss[kept], sources, history.doubt[kept], between.get(task))
        for task, loss in history.losses.items()
    }


def least_trust(history: History, trust: Mapping[str, Trust]) -> FloatArray:
    """Return how far each row (n,) is believed by the task that believes it least; 0 where its proxy diverged."""
    least = np.zeros(len(history.keys))
    least[~history.diverged] = np.min([one.rows for one in trust.values()], axis=0)
    return np.where(history.own, 1.0, least)


def fit_predictors(
    history: History,
    tasks: Sequence[str],
    settings: config_search.Predictor,
    seed: int,
    trust: Mapping[str, Trust] | None = None,
) -> dict[str, Predictor]:
    """Return one predictor for each task, fitted on every row that did not diverge (paper equation 4).

    Parameters
    ----------
    trust
        For each task how far those rows are believed; None: all are.

    Raises
    ------
    ComputeError
        All proxies diverged.
    """
    kept = ~history.diverged
    return {
        task: new_predictor(settings, derived_seed(seed, "predictor", task)).fit(
            history.weights[kept], history.losses[task][kept], None if trust is None else trust[task].rows
        )
        for task in sorted(tasks)
    }


def predict_objective(
    predictors: Mapping[str, Predictor], weights: Mapping[str, float], mixtures: FloatArray
) -> Prediction:
    """Return the predicted objective of mixtures (n, K), in bits per byte.

    Its deviation is the weighted mean of the tasks' deviations: what holds if their errors go together, and too much
    otherwise.
    """
    predicted = {task: predictors[task].predict(mixtures) for task in sorted(weights)}
    mean = objective_loss({task: one.mean for task, one in predicted.items()}, weights)
    return Prediction(mean, objective_loss({task: one.deviation for task, one in predicted.items()}, weights))


def rank_objective(
    predictors: Mapping[str, Predictor], weights: Mapping[str, float], mixtures: FloatArray, caution: float
) -> FloatArray:
    """Return what mixtures (n, K) are ranked by where one is chosen unmeasured (n,), in bits per byte.

    See `climb_assets.search.stack.Stack.predict_cautiously`.
    """
    return objective_loss(
        {task: predictors[task].predict_cautiously(mixtures, caution) for task in sorted(weights)}, weights
    )


def diagnose(
    history: History, predictors: Mapping[str, Predictor], objectives: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, Fit]]:
    """Return the `Fit` of each task and each objective: ``{"tasks": {...}, "objectives": {...}}``.

    They are of the rows that are believed.

    Parameters
    ----------
    predictors
        What `fit_predictors` made of this history: each has predicted every row by members that had not seen it.
    objectives
        For each the weights of its tasks.
    """
    kept = ~history.diverged
    believed = history.believed[kept]
    tasks = {}
    for task, predictor in predictors.items():
        families = {name: member["weight"] for name, member in predictor.diagnostics["members"].items()}
        measured = history.losses[task][kept]
        tasks[task] = _assess(predictor.out_of_fold, measured, believed, predictor.constant, families)
    of_objectives = {}
    for name, weights in objectives.items():
        constant = all(tasks[task].constant for task in weights)
        held_out = _join({task: predictors[task].out_of_fold for task in weights}, weights)
        of_objectives[name] = _assess(held_out, history.objective(weights)[kept], believed, constant, {})
    return {"tasks": tasks, "objectives": of_objectives}


def _join(tasks: Mapping[str, OutOfFold | None], weights: Mapping[str, float]) -> OutOfFold | None:
    """Return the objective's out-of-fold predictions; None where those of a task are missing."""
    known = {task: held_out for task, held_out in tasks.items() if held_out is not None}
    if len(known) < len(tasks):
        return None
    mean = objective_loss({task: held_out.mean for task, held_out in known.items()}, weights)
    return OutOfFold(mean, any(held_out.blind for held_out in known.values()))


def _assess(
    held_out: OutOfFold | None,
    measured: FloatArray,
    believed: npt.NDArray[np.bool_],
    constant: bool,
    families: Mapping[str, float],
) -> Fit:
    rows = int(believed.sum())
    if held_out is None or not rows:
        return Fit(rows, None, None, constant, families)
    measured, predicted = measured[believed], held_out.mean[believed]
    residual_sd = float(np.sqrt(np.mean((measured - predicted) ** 2)))
    spearman = None if held_out.blind else rank_correlation(predicted, measured)
    return Fit(rows, spearman, residual_sd, constant, families)


def tabulate_front(history: History, objectives: Mapping[str, Mapping[str, float]]) -> pa.Table:
    """Return the measured mixtures that no other beats on every objective: key and one column of losses for each."""
    losses = {name: history.objective(weights) for name, weights in objectives.items()}
    measured = np.where(history.believed[:, None], np.stack(list(losses.values()), axis=1), np.nan)
    front = pareto_front(measured)
    columns = {name: pa.array(loss[front]) for name, loss in losses.items()}
    return pa.table({"key": pa.array([history.keys[row] for row in front]), **columns})


def tabulate_families(predictors: Mapping[str, Predictor]) -> pa.Table:
    """Return for each task and family its weight in the predictor, and how its out-of-fold predictions fared."""
    rows = [
        {"task": task, "family": family, **facts}
        for task, predictor in sorted(predictors.items())
        for family, facts in predictor.diagnostics["members"].items()
    ]
    return pa.Table.from_pylist(rows, FAMILIES)


def tabulate_evidence(history: History, trust: Mapping[str, Trust]) -> pa.Table:
    """Return for each source of evidence and each task how many rows it has and how far they are believed."""
    kept = [source for source, gone in zip(history.sources, history.diverged, strict=True) if not gone]
    rows = [
        {
            "source": source,
            "task": task,
            "rows": kept.count(source),
            "believed": believed,
            "trust": float(np.mean([trusted for name, trusted in zip(kept, one.rows, strict=True) if name == source])),
        }
        for task, one in sorted(trust.items())
        for source, believed in sorted(one.sources.items())
    ]
    return pa.Table.from_pylist(rows, EVIDENCE)


def source_beliefs(evidence: pa.Table) -> dict[str, float | None]:
    """Return how far each source of a table of `tabulate_evidence` is believed, the mean over the tasks.

    None where the search had too few rows of its own to tell.
    """
    rows = evidence.to_pylist()
    beliefs: dict[str, float | None] = {}
    for source in sorted({row["source"] for row in rows}):
        told = [row["believed"] for row in rows if row["source"] == source and row["believed"] is not None]
        beliefs[source] = float(np.mean(told)) if told else None
    return beliefs


def write_state(history: History, noise: Sequence[Noise], config: Config, out: Path) -> dict[str, Any]:
    """Fit a predictor of each task on all rows so far and write everything that is known then into `out`.

    Returns
    -------
    Facts: rows, and the out-of-fold rank correlation of each objective.

    Raises
    ------
    ComputeError
        All proxies diverged.
    """
    trust = judge_evidence(history, noise)
    history = history.believed_as(least_trust(history, trust))
    predictors = fit_predictors(history, sorted(history.losses), config.search.predictor, config.search.seed, trust)
    diagnostics = diagnose(history, predictors, config.objectives)
    history.save(out / "history.parquet")
    for task, predictor in predictors.items():
        save_predictor(out / f"{task}.json", predictor)
    write_diagnostics(out / "diagnostics.json", diagnostics)
    write_table(out / "evidence.parquet", tabulate_evidence(history, trust))
    write_table(out / "families.parquet", tabulate_families(predictors))
    write_table(out / "front.parquet", tabulate_front(history, config.objectives))
    write_noise(out / "noise.parquet", noise)
    skill = {name: found.spearman for name, found in diagnostics["objectives"].items()}
    return {"rows": len(history.keys), "out_of_fold_spearman": skill}


def write_diagnostics(path: Path, diagnostics: Mapping[str, Mapping[str, Fit]]) -> None:
    """Write diagnostics as JSON."""
    record = {kind: {name: asdict(fit) for name, fit in fits.items()} for kind, fits in diagnostics.items()}
    write_atomically(path, json.dumps(record, indent=1, sort_keys=True, allow_nan=False).encode())


def read_diagnostics(path: Path) -> dict[str, dict[str, Fit]]:
    """Read what `write_diagnostics` wrote."""
    record = json.loads(path.read_text(encoding="utf-8"))
    return {kind: {name: Fit(**fit) for name, fit in fits.items()} for kind, fits in record.items()}
