"""Swarm tables of others: each run is used or left out with a reason, or the tables are refused in one sentence."""

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.random import Generator

from climb_assets.search.swarm_table import as_history, metric_names, read_swarm
from tests.fuzz.hostile import chance, damage, hostile_text, pick

LAYOUTS = (("ratios.csv", "metrics.csv", "run_id"), ("train_mixture_1m.csv", "train_pile_loss_1m.csv", "index"))
CELLS = ("nan", "inf", "-inf", "-0.0", "1e400", "1e-400", "", " ", "0x1", "1_0", "١", "1,5", "NULL", "true", "9" * 400)
NAMES = (
    "",
    "Unnamed: 0",
    "name",
    "index",
    "run",
    "train_web",
    "metric/x_val_loss",
    "a,b",
    'q"',
    "two words",
    "x" * 5000,
    "nan",
)
BOM = b"\xef\xbb\xbf"


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Read a swarm as `search.evidence` does, and give it to a search over its domains."""
    weights_file, metrics_file, id_column = pick(random, LAYOUTS)
    ids = [
        f"{hostile_text(random, 1)}{number}" if chance(random, 0.3) else str(number)
        for number in range(int(random.integers(1, 7)))
    ]
    domains, metrics = _names(random), _names(random)
    weights = random.dirichlet(np.ones(len(domains)), len(ids)).tolist()
    losses = random.normal(3, 1, (len(ids), len(metrics))).tolist()
    whole = _write(random, folder / weights_file, [id_column, *domains], ids, weights)
    whole = _write(random, folder / metrics_file, [id_column, *metrics], ids, losses) and whole
    table = read_swarm(folder)
    for run, reason in table.quarantined.items():
        assert run and reason
    assert not {*table.runs} & table.quarantined.keys()
    if whole:
        found = {run.removeprefix("train-") for run in (*table.runs, *table.quarantined)}
        assert {*ids} <= found, f"{ {*ids} - found } are unaccounted for"
    assert np.allclose(table.weights.sum(axis=1), 1) and (table.weights >= 0).all()
    assert all(np.isfinite(values).all() for values in table.metrics.values())
    assert metric_names(folder) == sorted(table.metrics)
    history = as_history(table, table.domains[::-1], tuple(table.metrics))
    assert len(history.keys) == len({*history.keys}) <= len(table.runs)
    runs, left_out = len(table.runs), len(table.quarantined)
    return Counter(accepted=1, read=runs + left_out, kept=runs, quarantined=left_out)


def _names(random: Generator) -> list[str]:
    names = [f"column {number}" for number in range(int(random.integers(1, 5)))]
    return [pick(random, NAMES) if chance(random, 0.1) else f"{hostile_text(random, 1)}{name}" for name in names]


def _write(random: Generator, path: Path, names: list[str], ids: list[str], rows: list[list[float]]) -> bool:
    """Write a table; return whether it still holds every id in a cell of its own."""
    cells = [
        [run, *(pick(random, CELLS) if chance(random, 0.03) else repr(value) for value in row)]
        for run, row in zip(ids, rows, strict=True)
    ]
    order = random.permutation(len(cells))
    if chance(random, 0.1):
        cells.append([*cells[0]])
    if chance(random, 0.05):
        cells[0] = cells[0][:-1]
    buffer = io.StringIO()
    quoting = pick(random, (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    csv.writer(buffer, quoting=quoting, lineterminator=pick(random, ("\n", "\r\n"))).writerows(
        [names, *(cells[row] for row in order)]
    )
    data = buffer.getvalue().encode("utf-8", "surrogatepass")
    damaged = chance(random, 0.35)
    path.write_bytes((BOM if chance(random, 0.1) else b"") + (damage(random, data) if damaged else data))
    return not damaged
