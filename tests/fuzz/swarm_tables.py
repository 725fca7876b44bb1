"""Swarm tables of others: each run is used or left out with a reason, or the tables are refused in one sentence."""

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.random import Generator

from climb_assets.search.swarm_table import as_history, metric_names, read_swarm
from tests.fuzz.hostile import BOM, chance, damage, hostile_text, pick

LAYOUTS = (("ratios.csv", "metrics.csv", "run_id"), ("train_mixture_1m.csv", "train_pile_loss_1m.csv", "index"))
CELLS = ("nan", "inf", "-inf", "-0.0", "1e400", "1e-400", "", " ", "0x1", "1_0", "١", "1,5", "NULL", "true", "9" * 400)
NAMES = ("", "Unnamed: 0", "name", "index", "run", "train_web", "metric/x_val_loss", "a,b", 'q"', "x" * 5000, "nan")


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Read a swarm as `search.evidence` does, and give it to a search over its domains."""
    weights_file, metrics_file, run_column = pick(random, LAYOUTS)
    ids = [f"{hostile_text(random, 1)}{number}" for number in range(int(random.integers(1, 7)))]
    domains, metrics = _names(random), _names(random)
    weights = random.dirichlet(np.ones(len(domains)), len(ids))
    losses = random.normal(3, 1, (len(ids), len(metrics)))
    whole = [
        _write(random, folder / weights_file, [run_column, *domains], ids, weights),
        _write(random, folder / metrics_file, [run_column, *metrics], ids, losses),
    ]
    table = read_swarm(folder)
    left_out = table.quarantined
    assert all(left_out.values()) and not left_out.keys() & {*table.runs}
    lost = {*ids} - {run.removeprefix("train-") for run in (*table.runs, *left_out)}
    assert not all(whole) or not lost, f"{lost} are unaccounted for"
    assert np.allclose(table.weights.sum(axis=1), 1) and (table.weights >= 0).all()
    assert all(np.isfinite(values).all() for values in table.metrics.values())
    assert metric_names(folder) == sorted(table.metrics)
    history = as_history(table, table.domains[::-1], tuple(table.metrics))
    assert len(history.keys) == len({*history.keys}) <= len(table.runs)
    return Counter(accepted=1, read=len(table.runs) + len(left_out), kept=len(table.runs), quarantined=len(left_out))


def _names(random: Generator) -> list[str]:
    names = [f"{hostile_text(random, 1)}{number}" for number in range(int(random.integers(1, 5)))]
    return [pick(random, NAMES) if chance(random, 0.1) else name for name in names]


def _write(random: Generator, path: Path, names: list[str], ids: list[str], numbers: np.ndarray) -> bool:
    """Write a table, its rows in any order; return whether it holds every id as it is."""
    rows = [[run, *map(repr, row)] for run, row in zip(ids, numbers.tolist(), strict=True)]
    if chance(random, 0.3):
        pick(random, rows)[-1] = pick(random, CELLS)
    if chance(random, 0.1):
        rows.append(rows[0])
    if chance(random, 0.05):
        rows[0] = rows[0][:-1]
    buffer = io.StringIO()
    quoting, line_end = pick(random, (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)), pick(random, ("\n", "\r\n"))
    writer = csv.writer(buffer, quoting=quoting, lineterminator=line_end)
    writer.writerows([names, *(rows[place] for place in random.permutation(len(rows)))])
    data = (BOM if chance(random, 0.1) else b"") + buffer.getvalue().encode("utf-8", "surrogatepass")
    damaged = chance(random, 0.35)
    path.write_bytes(damage(random, data) if damaged else data)
    return not damaged
