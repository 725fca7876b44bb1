"""Is the answer of a search better than those of other rules? The demo's search, again and again, judged by targets.

Each seed is a whole search of the demo's size. Every baseline that searches has as many candidates; ours shares them
among its objectives, where each baseline has them for one, and trains its short list again. The baselines: RegMix,
Olmix and CLIMB as published over the same pool of mixtures, DoReMi with two models, UniMax, uniform and proportional
weights. The answers are trained at the target's size with the seeds of `target.seeds`, and compared within each search
seed; intervals are Student's t over search seeds, not corrected for their number.

    climb demo-corpus && climb up --to training_tokens
    python benchmarks/search_comparison.py --lake data_lake/demo [--seeds 5] [--json]

Everything goes through `climb up` and its lake, so what was interrupted goes on and what was done is only read. The
lake is left with the last seed's search as the current one; `climb up` brings back your own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import yaml
from scipy.stats import t
from tabulate import tabulate

from climb_assets.config import Config
from climb_assets.config_baselines import Baseline
from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.mixture.comparison import average_measures
from climb_assets.search.baselines import read_baselines
from climb_assets.search.objectives import objective_loss
from climb_assets.simplex.mixtures import mixture_key
from climb_assets.tables import read_table

OURS, BEST_PEER = "default", "climb"
CONFIDENCE = 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--lake", type=Path, default=Path("data_lake/demo"), help="a lake in which training_tokens was made"
    )
    parser.add_argument("--seeds", type=int, default=5, help="searches, each with a seed of its own")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if not (arguments.lake / "refs" / "training_tokens").exists():
        print(f"skipped: {arguments.lake} holds no training_tokens; run `climb up --to training_tokens` first")
        return
    rows = [row for seed in range(arguments.seeds) for row in run_seed(arguments.lake.resolve(), seed)]
    if arguments.json:
        print(json.dumps(summarise(rows)))
    else:
        print(describe(rows))


def run_seed(lake: Path, seed: int) -> list[dict]:
    """Bring one seed's search and its target models up to date; return the loss of each rule on each measure."""
    settings = {
        "profile": "demo",
        "lake": str(lake),
        "search": {"seed": seed},
        "baselines": {"mixtures": list(get_args(Baseline))},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "climb.yaml"
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "dagster_project.cli",
            "--config",
            str(path),
            "up",
            "--to",
            "target_comparison",
        ]
        subprocess.run(command, check=True, stdout=sys.stderr)
        materializer = Materializer(load_config(path))
        return [row for objective in materializer.config.objectives for row in _read(materializer, objective, seed)]


def _read(materializer: Materializer, objective: str, seed: int) -> list[dict]:
    """Return the mean loss of each rule's target models on the objective and on the tasks never searched on."""
    config: Config = materializer.config
    selection = materializer.get("optimal_mixture", objective).json("selection.json")
    baselines = read_baselines(materializer.get("baseline_mixtures", objective).file("baselines.parquet"))
    keys = {OURS: selection["key"]} | {name: mixture_key(weights) for name, weights in baselines.items()}
    losses: dict[str, dict[int, dict[str, float]]] = {}
    for row in read_table(materializer.get("target_comparison", objective).file("results.parquet")).to_pylist():
        losses.setdefault(row["key"], {}).setdefault(row["repeat"], {})[row["task"]] = row["loss"]
    measures = average_measures(objective, config.objectives[objective], config.tasks)
    return [
        {
            "seed": seed,
            "objective": objective,
            "measure": measure.removesuffix(f" {objective}"),
            "rule": rule,
            "loss": float(np.mean([objective_loss(tasks, weights) for tasks in losses[key].values()])),
            "claim": selection["evidence"]["conclusion"] if rule == OURS else None,
        }
        for rule, key in keys.items()
        for measure, weights in measures.items()
    ]


def differences(rows: Sequence[Mapping], objective: str, measure: str, rule: str) -> np.ndarray:
    """Return ours minus a rule's mean loss, one number a seed (bits per byte, negative is better for us)."""
    loss = {
        (row["seed"], row["rule"]): row["loss"]
        for row in rows
        if row["objective"] == objective and row["measure"] == measure
    }
    return np.array([loss[seed, OURS] - loss[seed, rule] for seed in sorted({seed for seed, _ in loss})])


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return mean, low and high of Student's t interval."""
    if len(values) < 2:
        return float(values.mean()), float("nan"), float("nan")
    half = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def _groups(rows: Sequence[Mapping]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["objective"], row["measure"]) for row in rows))


def _rules(rows: Sequence[Mapping]) -> list[str]:
    return sorted({row["rule"] for row in rows} - {OURS})


def summarise(rows: Sequence[Mapping]) -> dict:
    """Return the benchmark's record: mean losses over objectives and seeds, CLIMB as published over ours."""
    mine, peer = (
        float(np.mean([row["loss"] for row in rows if row["rule"] == rule and row["measure"] == "objective"]))
        for rule in (OURS, BEST_PEER)
    )
    gaps = [
        dict(zip(("difference", "low", "high"), interval(differences(rows, *group, rule)), strict=True))
        | {"objective": group[0], "measure": group[1], "against": rule}
        for group in _groups(rows)
        for rule in _rules(rows)
    ]
    details = {"peer": "CLIMB as published", "gaps": gaps, "rows": list(rows)}
    return {
        "name": "search_comparison",
        "ours": mine,
        "peer": peer,
        "ratio": peer / mine,
        "unit": "bits per byte",
        "details": details,
    }


def describe(rows: Sequence[Mapping]) -> str:
    """Return the table of differences, and what the searches had claimed."""
    seeds = len({row["seed"] for row in rows})
    table = []
    for objective, measure in _groups(rows):
        for rule in _rules(rows):
            values = differences(rows, objective, measure, rule)
            mean, low, high = interval(values)
            won = f"{int((values < 0).sum())} of {seeds}"
            table.append([objective, measure, rule, f"{mean:+.4f}", f"{low:+.4f} .. {high:+.4f}", won])
    claims = [f"seed {row['seed']}, {row['objective']}: {row['claim']}" for row in rows if row["claim"]]
    headers = ["objective", "measured on", "ours minus", "mean", f"{CONFIDENCE:.0%} interval", "lower in"]
    return "\n".join([tabulate(table, headers), "", *dict.fromkeys(claims)])


if __name__ == "__main__":
    main()
