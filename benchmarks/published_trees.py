"""Our LightGBM with RegMix's settings against the numbers that RegMix's notebook prints: rank correlation a domain.

The table is RegMix's own, 512 models to fit and 256 to test (MIT licence); it is published in the folder data of
sail-sg/regmix and no part of this repository. Without --table it is the folder regmix of $CLIMB_SWARM_TABLES.

    python benchmarks/published_trees.py --table FOLDER [--json]

Exits with 1 where a number differs in the second digit after the point.
"""

import argparse
import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from climb_assets.config_search import LightGBM
from climb_assets.search.trees import stop_early

NAME = "LightGBM with RegMix's settings against RegMix's notebook"
# Spearman times 100 of each domain, as the notebook prints them.
NOTEBOOK = [99.60, 99.71, 99.08, 99.45, 97.20, 99.77, 99.73, 99.18, 98.92, 96.87, 98.51, 99.19, 99.12]
LAST_DIGIT = 0.01
SEED = 42
REGMIX = LightGBM(
    trees=1000,
    learning_rate=0.01,
    max_depth=31,  # as many as 31 leaves can have: no bound
    min_leaf=20,
    l1=0,
    l2=0,
    early_stopping=3,
    metrics=("l1", "l2"),
)


def read_table(path: Path) -> NDArray[np.float64]:
    """Return one of RegMix's files (models, columns), without the column that numbers the models."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    return np.array(rows[1:], dtype=np.float64)[:, 1:]


def rank_correlations(folder: Path) -> list[float]:
    """Return Spearman's correlation times 100 of predicted and measured losses of the unseen models, of each domain."""
    weights, losses = (read_table(folder / f"train_{name}_1m.csv") for name in ("mixture", "pile_loss"))
    unseen, truth = (read_table(folder / f"test_{name}_1m.csv") for name in ("mixture", "pile_loss"))
    return [
        100
        * float(spearmanr(stop_early((weights, loss), (unseen, true), REGMIX, SEED).predict(unseen), true).statistic)
        for loss, true in zip(losses.T, truth.T, strict=True)
    ]


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="folder of RegMix's four files")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    tables = os.environ.get("CLIMB_SWARM_TABLES")
    if arguments.table is None and tables is None:
        print("skipped: give RegMix's table with --table (--help says where it is published)")
        return 0
    ours = rank_correlations(arguments.table or Path(str(tables)) / "regmix")
    apart = float(np.abs(np.subtract(ours, NOTEBOOK)).max())
    found = {"name": NAME, "ours": [round(value, 2) for value in ours], "peer": NOTEBOOK, "largest_difference": apart}
    print(json.dumps(found) if arguments.json else f"{NAME}: at most {apart:.4f} apart in {len(ours)} domains")
    return int(apart > LAST_DIGIT)


if __name__ == "__main__":
    sys.exit(main())
