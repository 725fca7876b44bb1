"""Swarm tables: runs that somebody has trained, as two CSV files, and a search's rows in the same form.

What belongs here: reading and writing weights and metrics, joined by run id, never by row. What a search does with
such rows is `climb_assets.search.iteration`; replaying policies on them is `climb_assets.search.policy`.

Two layouts are read (docs/sources.md). Olmix's: ``ratios.csv`` and ``metrics.csv`` with a column ``run_id`` each.
RegMix's: ``train_mixture_1m.csv`` and ``train_pile_loss_1m.csv``, and likewise ``test_*``, with a column ``index`` that
counts within its file, so that a run is named ``train-1``. Olmix's is written.
"""

import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from climb_assets.errors import ComputeError, ConfigError
from climb_assets.search.history import History
from climb_assets.simplex.mixtures import TOLERANCE, FloatArray, normalise
from climb_assets.store.files import write_atomically

RATIOS, METRICS = "ratios.csv", "metrics.csv"
RUN_COLUMNS = ("run_id", "run", "index", "name")  # Olmix's files, its data frames, RegMix; the first that is there
LABELS = {*RUN_COLUMNS, "", "Unnamed: 0"}  # the last two: a data frame's row numbers
USERS = "search.evidence"  # the source of its rows
SUM_WITHIN = 0.01  # Olmix's own tolerance; RegMix prints three decimals, which is up to 0.004 off

Columns = dict[str, dict[str, float]]  # of each column the numbers by run; NaN where a cell holds none


@dataclass(frozen=True)
class SwarmTable:
    """Runs with their mixtures and what was measured on them.

    Parameters
    ----------
    runs
        Id of each run (n), in the order of the weights file.
    domains
        Name of each domain (K).
    weights
        Share of each domain (n, K); each row sums to 1.
    metrics
        Of each metric the measurements (n,), all finite.
    quarantined
        The ids that are left out, each with the reason. With `runs` these are all ids of both files.
    """

    runs: tuple[str, ...]
    domains: tuple[str, ...]
    weights: FloatArray
    metrics: Mapping[str, FloatArray]
    quarantined: Mapping[str, str]


def read_swarm(folder: Path, metrics: Sequence[str] | None = None) -> SwarmTable:
    """Return the runs of a folder in Olmix's or RegMix's layout.

    Weights that miss 1 by at most 0.01 are renormalised. A run is left out if its id stands twice in a file or only
    in one of them, if its weights are no shares or sum to something else, or if a metric is not a finite number.
    Columns without a single number are labels.

    Parameters
    ----------
    metrics
        Names of the metrics that are needed; all where it is None. The holes of others cost no run.

    Raises
    ------
    ConfigError
        The folder has neither layout, or a metric is not there.
    ComputeError
        A file is not a table with a run id, or no run is left.
    """
    weights_of, metrics_of, quarantined = _read_layout(folder)
    absent = sorted(set(metrics or ()) - set(metrics_of))
    if absent:
        raise ConfigError(f"{folder} has no metric {absent[0]}; name some of {', '.join(sorted(metrics_of))}")
    metrics_of = {name: metrics_of[name] for name in (sorted(metrics_of) if metrics is None else metrics)}
    weighed, measured = (list(dict.fromkeys(chain(*columns.values()))) for columns in (weights_of, metrics_of))
    quarantined |= {run: "it has no metrics" for run in weighed if run not in {*measured, *quarantined}}
    quarantined |= {run: "it has no weights" for run in measured if run not in {*weighed, *quarantined}}
    for run in weighed:
        reason = quarantined.get(run) or _why_unusable(_row(weights_of, run), _row(metrics_of, run))
        if reason:
            quarantined[run] = reason
    kept = [run for run in weighed if run not in quarantined]
    if not kept or not metrics_of:
        reason = f"the first because {next(iter(quarantined.values()))}" if quarantined else "there are no numbers"
        raise ComputeError(f"{folder} has no run that can be used ({reason}); correct its tables")
    weights = np.array([[column[run] for column in weights_of.values()] for run in kept])
    exact = np.abs(weights.sum(axis=1, keepdims=True) - 1) <= TOLERANCE  # stays to the last bit
    return SwarmTable(
        tuple(kept),
        tuple(weights_of),
        np.where(exact, weights, normalise(weights)),
        {name: np.array([column[run] for run in kept]) for name, column in metrics_of.items()},
        quarantined,
    )


def metric_names(folder: Path) -> list[str]:
    """Return the metrics of a folder that `read_swarm` reads, sorted, each measured on some run.

    Raises
    ------
    ConfigError, ComputeError
        As of `read_swarm`.
    """
    return sorted(_read_layout(folder)[1])


def _row(columns: Columns, run: str) -> dict[str, float]:
    return {name: column.get(run, math.nan) for name, column in columns.items()}


def _why_unusable(weights: Mapping[str, float], metrics: Mapping[str, float]) -> str | None:
    for domain, weight in weights.items():
        if not 0 <= weight <= 1 + SUM_WITHIN:  # NaN too
            return f"its weight of {domain} is not a share"
    total = math.fsum(weights.values())
    if abs(total - 1) > SUM_WITHIN:
        return f"its weights sum to {total:.4g}, not to 1"
    lost = [name for name, value in metrics.items() if not math.isfinite(value)]
    return f"its {lost[0]} is not a finite number" if lost else None


def write_swarm(folder: Path, history: History, domains: Sequence[str]) -> None:
    """Write a search's rows as ``ratios.csv`` and ``metrics.csv`` for Olmix; the run ids are the mixtures' keys.

    A mixture whose proxy diverged stands in ``ratios.csv`` alone.

    Raises
    ------
    ComputeError
        A domain or task is called like a column of run ids, or two have one name.
    """
    for names in (domains, tuple(history.losses)):
        wrong = [name for name, count in Counter(names).items() if count > 1 or name in LABELS]
        if wrong:
            raise ComputeError(f"a column of a swarm table cannot be called {wrong[0]!r}; give it a name of its own")
    kept = ~history.diverged
    columns = dict(zip(domains, history.weights.T, strict=True))
    measured = {task: loss[kept] for task, loss in history.losses.items()}
    _write_columns(folder / RATIOS, history.keys, columns)
    _write_columns(folder / METRICS, [key for key, keep in zip(history.keys, kept, strict=True) if keep], measured)


def _write_columns(path: Path, runs: Sequence[str], columns: Mapping[str, FloatArray]) -> None:
    buffer = io.BytesIO()
    table = {RUN_COLUMNS[0]: pa.array(runs, pa.string())} | {name: pa.array(values) for name, values in columns.items()}
    pa.csv.write_csv(pa.table(table), buffer)
    write_atomically(path, buffer.getvalue())


def as_history(table: SwarmTable, domains: Sequence[str], tasks: Sequence[str]) -> History:
    """Return a swarm as rows that a search can learn from, as of iteration 0.

    A mixture that was run several times becomes one row with the mean of its measurements.

    Parameters
    ----------
    domains
        The domains of the search, in its order; the table may have them in another.
    tasks
        The metrics that are taken, losses in bits per byte.

    Raises
    ------
    ComputeError
        The table's domains are not these, or a task is not among its metrics.
    """
    if set(table.domains) != set(domains):
        odd = sorted(set(table.domains) ^ set(domains))[0]
        raise ComputeError(
            f"the swarm and the search differ in domain {odd}; bring runs over the "
            "search's own domains, or a domains.csv that says where theirs lie"
        )
    absent = sorted(set(tasks) - set(table.metrics))
    if absent:
        raise ComputeError(f"the swarm has no metric {absent[0]}; name its column like the task")
    weights = table.weights[:, [table.domains.index(domain) for domain in domains]]
    return History.of_evidence(USERS, weights, {task: table.metrics[task] for task in tasks})


def _read_layout(folder: Path) -> tuple[Columns, Columns, dict[str, str]]:
    """Return the weights, the metrics, and the ids that cannot be joined with the reasons."""
    if (folder / RATIOS).exists() and (folder / METRICS).exists():
        (weights, odd), (metrics, also) = _read_columns(folder / RATIOS), _read_columns(folder / METRICS)
        return weights, metrics, odd | also
    found = {(path.name.split("_")[0], path.stem.split("_")[-1]): path for path in folder.glob("*_mixture_*.csv")}
    sizes = {size for split, size in found if split == "train"} or {size for _, size in found}
    if len(sizes) != 1:
        raise ConfigError(
            f"{folder} is not a swarm table; put {RATIOS} and {METRICS} there, or RegMix's files of one model size"
        )
    weights, metrics, odd = Columns(), Columns(), {}
    for (split, size), path in sorted(found.items(), reverse=True):  # train before test
        if size not in sizes:
            continue
        measured = sorted(folder.glob(f"{split}_*loss_{size}.csv"))
        if not measured:
            raise ConfigError(f"{path} has no {split}_..._loss_{size}.csv beside it; add the losses of its runs")
        for file, into in ((path, weights), (measured[0], metrics)):
            columns, failed = _read_columns(file, f"{split}-")
            odd |= failed
            for name, column in columns.items():
                short = name.removeprefix("train_").removeprefix("metric/").removesuffix("_val_loss")
                into.setdefault(short, {}).update(column)
    return weights, metrics, odd


def _read_columns(path: Path, prefix: str = "") -> tuple[Columns, dict[str, str]]:
    """Return the columns that hold numbers, and the run ids that cannot be joined with the reasons."""
    try:
        names = pa.csv.open_csv(path).schema.names
        options = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True)
        table = pa.csv.read_csv(path, convert_options=options)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise ComputeError(f"{path} is not a table of comma-separated values ({error}); correct it") from None
    run_column = next((name for name in RUN_COLUMNS if name in names), None)
    if run_column is None or len(set(names)) != len(names):
        raise ComputeError(f"{path} needs one column {RUN_COLUMNS[0]} and no name twice; correct its first line")
    given = table[run_column].to_pylist()
    runs = [f"{prefix}{run}" if run else f"{path.name} row {number}" for number, run in enumerate(given, 1)]
    odd = {run: "it has no id" for run, id_ in zip(runs, given, strict=True) if not id_}
    odd |= {run: f"its id stands {count} times in {path.name}" for run, count in Counter(runs).items() if count > 1}
    columns = {name: list(map(_number, table[name].to_pylist())) for name in names if name not in LABELS}
    return {
        name: dict(zip(runs, numbers, strict=True))
        for name, numbers in columns.items()
        if not all(map(math.isnan, numbers))
    }, odd


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
