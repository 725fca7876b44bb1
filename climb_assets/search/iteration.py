"""What the search knows after an iteration: the history, the predictors fitted on it, and how far to trust them.

What belongs here: rows, fits and their diagnostics. The regression itself is `climb_assets.search.predictor`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets import config_search
from climb_assets.config import Config
from climb_assets.errors import ComputeError
from climb_assets.randomness import derived_seed
from climb_assets.search.noise import Noise, write_noise
from climb_assets.search.objectives import objective_loss, pareto_front
from climb_assets.search.prediction import OutOfFold, Prediction
from climb_assets.search.predictor import Predictor, new_predictor, save_predictor
from climb_assets.search.stack import rank_correlation
from climb_assets.simplex.mixtures import FloatArray, check_simplex
from climb_assets.store.files import write_atomically
from climb_assets.tables import read_table, write_table

FAMILIES = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("spearman", pa.float64()),
        pa.field("residual_sd", pa.float64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class History:
    """Every mixture that was evaluated, in order; rows are only ever added.

    Parameters
    ----------
    keys
        Name of each mixture (n).
    iteration
        Number of the iteration that evaluated it (n,).
    weights
        Share of each domain (n, K).
    losses
        For each task the loss in bits per byte (n,); NaN where the proxy diverged.
    diverged
        Whether the proxy diverged (n,); such a row enters no fit.
    """

    keys: tuple[str, ...]
    iteration: npt.NDArray[np.int32]
    weights: FloatArray
    losses: Mapping[str, FloatArray]
    diverged: npt.NDArray[np.bool_]

    @classmethod
    def empty(cls, domains: int, tasks: Sequence[str]) -> Self:
        """Return the history before the first iteration."""
        losses = {task: np.empty(0) for task in sorted(tasks)}
        return cls((), np.empty(0, dtype=np.int32), np.empty((0, domains)), losses, np.empty(0, dtype=np.bool_))

    def extend(self, keys: Sequence[str], weights: FloatArray, results: pa.Table, iteration: int) -> "History":
        """Return this history with one iteration's mixtures after it.

        Parameters
        ----------
        keys, weights
            The mixtures: names (m) and shares (m, K).
        results
            A row for each mixture and task, in any order: key, task, loss, diverged. Rows are joined by key.

        Raises
        ------
        ComputeError
            A mixture is there already, has not exactly one result for each task, or has no finite loss and is
            not flagged as diverged.
        """
        repeated = sorted(set(keys) & set(self.keys))
        if repeated or len(set(keys)) != len(keys):
            twice = repeated[0] if repeated else "one of its own"
            raise ComputeError(f"iteration {iteration} evaluates a mixture twice ({twice}); propose it again")
        check_simplex(weights, self.weights.shape[1])
        row_of = {key: row for row, key in enumerate(keys)}
        losses = {task: np.full(len(keys), np.nan) for task in self.losses}
        seen = {task: np.zeros(len(keys), dtype=np.int64) for task in self.losses}
        diverged = np.zeros(len(keys), dtype=np.bool_)
        for result in results.select(["key", "task", "loss", "diverged"]).to_pylist():
            row, task = row_of.get(result["key"]), result["task"]
            if row is None or task not in losses:
                continue
            losses[task][row] = np.nan if result["loss"] is None or result["diverged"] else result["loss"]
            seen[task][row] += 1
            diverged[row] |= result["diverged"]
        for task, loss in losses.items():
            wrong = (seen[task] != 1) | (~np.isfinite(loss) & ~diverged)
            if wrong.any():
                key = keys[int(np.argmax(wrong))]
                raise ComputeError(
                    f"mixture {key} has no single finite loss of {task}; evaluate iteration {iteration} again"
                )
        return History(
            (*self.keys, *keys),
            np.concatenate([self.iteration, np.full(len(keys), iteration, dtype=np.int32)]),
            np.concatenate([self.weights, weights]),
            {task: np.concatenate([self.losses[task], losses[task]]) for task in losses},
            np.concatenate([self.diverged, diverged]),
        )

    def objective(self, weights: Mapping[str, float]) -> FloatArray:
        """Return the measured objective (n,) of every row; NaN where the proxy diverged."""
        return np.where(self.diverged, np.nan, objective_loss(self.losses, weights))

    def save(self, path: Path) -> None:
        """Write one row for each mixture: key, iteration, weights, diverged and one column for each task."""
        columns: dict[str, pa.Array] = {
            "key": pa.array(self.keys, pa.string()),
            "iteration": pa.array(self.iteration),
            "weights": pa.array(list(self.weights), pa.list_(pa.float64())),
            "diverged": pa.array(self.diverged),
        }
        columns |= {task: pa.array(loss, mask=np.isnan(loss)) for task, loss in self.losses.items()}
        write_table(path, pa.table(columns))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        table = read_table(path)
        column = {name: table[name].to_numpy() for name in table.column_names if name not in ("key", "weights")}
        iteration, diverged = column.pop("iteration"), column.pop("diverged").astype(np.bool_)
        losses = {task: loss.astype(np.float64) for task, loss in column.items()}
        return cls(tuple(table["key"].to_pylist()), iteration, np.array(table["weights"].to_pylist()), losses, diverged)


def first_models(results: pa.Table) -> pa.Table:
    """Return the results of the first model of each mixture: one a mixture, so that all rows are alike."""
    return results.filter(pc.equal(results["repeat"], 0))


@dataclass(frozen=True)
class Fit:
    """How far a task's predictor, or the objective made of them, can be trusted.

    Parameters
    ----------
    rows
        Number of mixtures that it is fitted on.
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


def fit_predictors(
    history: History, tasks: Sequence[str], settings: config_search.Predictor, seed: int
) -> dict[str, Predictor]:
    """Return one predictor for each task, fitted on every row that did not diverge (paper equation 4).

    Raises
    ------
    ComputeError
        All proxies diverged.
    """
    kept = ~history.diverged
    return {
        task: new_predictor(settings, derived_seed(seed, "predictor", task)).fit(
            history.weights[kept], history.losses[task][kept]
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


def diagnose(
    history: History, predictors: Mapping[str, Predictor], objectives: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, Fit]]:
    """Return the `Fit` of each task and each objective: ``{"tasks": {...}, "objectives": {...}}``.

    Parameters
    ----------
    predictors
        What `fit_predictors` made of this history: each has predicted every row by members that had not seen it.
    objectives
        For each the weights of its tasks.
    """
    kept = ~history.diverged
    tasks = {}
    for task, predictor in predictors.items():
        families = {name: member["weight"] for name, member in predictor.diagnostics["members"].items()}
        tasks[task] = _assess(predictor.out_of_fold, history.losses[task][kept], predictor.constant, families)
    of_objectives = {}
    for name, weights in objectives.items():
        constant = all(tasks[task].constant for task in weights)
        held_out = _join({task: predictors[task].out_of_fold for task in weights}, weights)
        of_objectives[name] = _assess(held_out, history.objective(weights)[kept], constant, {})
    return {"tasks": tasks, "objectives": of_objectives}


def _join(tasks: Mapping[str, OutOfFold | None], weights: Mapping[str, float]) -> OutOfFold | None:
    """Return the objective's out-of-fold predictions; None where those of a task are missing."""
    known = {task: held_out for task, held_out in tasks.items() if held_out is not None}
    if len(known) < len(tasks):
        return None
    mean = objective_loss({task: held_out.mean for task, held_out in known.items()}, weights)
    return OutOfFold(mean, any(held_out.blind for held_out in known.values()))


def _assess(held_out: OutOfFold | None, measured: FloatArray, constant: bool, families: Mapping[str, float]) -> Fit:
    if held_out is None:
        return Fit(len(measured), None, None, constant, families)
    residual_sd = float(np.sqrt(np.mean((measured - held_out.mean) ** 2)))
    spearman = None if held_out.blind else rank_correlation(held_out.mean, measured)
    return Fit(len(measured), spearman, residual_sd, constant, families)


def tabulate_front(history: History, objectives: Mapping[str, Mapping[str, float]]) -> pa.Table:
    """Return the measured mixtures that no other beats on every objective: key and one column of losses for each."""
    losses = {name: history.objective(weights) for name, weights in objectives.items()}
    front = pareto_front(np.stack(list(losses.values()), axis=1))
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
    predictors = fit_predictors(history, sorted(history.losses), config.search.predictor, config.search.seed)
    diagnostics = diagnose(history, predictors, config.objectives)
    history.save(out / "history.parquet")
    for task, predictor in predictors.items():
        save_predictor(out / f"{task}.json", predictor)
    write_diagnostics(out / "diagnostics.json", diagnostics)
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
