"""How wide is the interval of a difference with common random numbers, and how wide with seeds of each mixture's own?

The same mixtures are trained with as many seeds at the same size, twice: as a search does it, where all models of one
repeat share their first weights and the order of each domain's text, and with a training seed of each mixture's own.
Both share the part of each domain that simulates the target's epochs. A half width is Student's t for the mean of as
many differences as `target.seeds` has, from the noise that is pooled over pairs of a kind: the answer and mixtures near
it, as on a short list, and the answer and the baselines. What items add is the same for both, and left out.

    climb up --to optimal_mixture
    python benchmarks/paired_intervals.py --lake data_lake/demo [--seeds 6] [--json]

The lake is only read, and nothing that is trained here is kept. 84 proxies of the demo: minutes on two cores.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.stats import t
from tabulate import tabulate

from climb_assets.config import Config
from climb_assets.config_file import load_config
from climb_assets.randomness import derived_seed
from climb_assets.search.baselines import read_baselines
from climb_assets.search.noise import two_way_noise
from climb_assets.search.objectives import objective_loss
from climb_assets.simplex.mixtures import FloatArray, floor_and_round, mixture_key
from climb_assets.store.artifacts import Artifact
from climb_assets.store.local import LocalStore
from climb_assets.store.store import Store
from climb_assets.training.evaluation import evaluate
from climb_assets.training.proxy_orders import supply_seed, training_seed
from climb_assets.training.proxy_training import make_model
from climb_assets.training.sequence_plan import plan_sequences, simulate_supply
from climb_assets.training.token_index import load_training_index
from climb_assets.training.train import train

Seeding = Literal["common", "own"]
NEAR = (0.05, 0.1, 0.2)  # shares of uniform weights that are mixed into the answer: mixtures as on a short list
REPEAT = 1000  # the first of the repeats here, which no search uses
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Run:
    """One model to train and score: a mixture, its name, a repeat, and how it is seeded."""

    lake: Path
    config: Config
    name: str
    weights: tuple[float, ...]
    repeat: int
    seeding: Seeding

    @property
    def seed(self) -> int:
        """The training seed; before there were common random numbers it came from the mixture too."""
        search = self.config.search.seed
        if self.seeding == "common":
            return training_seed(search, self.repeat)
        return derived_seed(search, "train", mixture_key(self.weights), self.repeat)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", type=Path, default=Path("data_lake/demo"), help="a lake with an answer")
    parser.add_argument("--profile", default="demo", help="the profile that the lake was made with")
    parser.add_argument("--seeds", type=int, default=6, help="models of each mixture")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    lake, config = LocalStore(arguments.lake), load_config(profile=arguments.profile)
    objective = next(iter(config.objectives))
    if lake.current("optimal_mixture", objective) is None:
        print(f"skipped: {lake.root} holds no answer; run `climb up --to optimal_mixture` first")
        return
    rows = compare_widths(lake, config, objective, arguments.seeds, arguments.workers)
    if arguments.json:
        print(json.dumps(summarise(rows)))
    else:
        print(tabulate(rows, "keys", floatfmt=".4f"))


def compare_widths(lake: LocalStore, config: Config, objective: str, seeds: int, workers: int) -> list[dict]:
    """Return the half widths (bits per byte) of both kinds of pairs on every objective, for either seeding."""
    answer = tuple(lake.get("optimal_mixture", objective).json("selection.json")["weights"])
    named = read_baselines(lake.get("baseline_mixtures", objective).file("baselines.parquet"))
    baselines = {name: weights for weights, name in {weights: name for name, weights in named.items()}.items()}
    near = mixtures_near(np.array(answer), config)
    mixtures = {"answer": answer} | near | baselines
    seedings: tuple[Seeding, ...] = ("common", "own")
    runs = [
        Run(lake.root, config, name, weights, REPEAT + repeat, seeding)
        for seeding in seedings
        for repeat in range(seeds)
        for name, weights in mixtures.items()
    ]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        losses = list(zip(runs, pool.map(measure, runs), strict=True))
    rows = []
    for measured in config.objectives:
        for kind, others in (("alike", near), ("answer and baselines", baselines)):
            widths = {
                seeding: half_width(
                    {
                        (run.name, run.repeat): loss[measured]
                        for run, loss in losses
                        if run.seeding == seeding and run.name in {"answer", *others}
                    },
                    len(config.target.seeds),
                )
                for seeding in seedings
            }
            rows.append({"objective": measured, "mixtures": kind, **widths, "ratio": widths["own"] / widths["common"]})
    return rows


def mixtures_near(answer: FloatArray, config: Config) -> dict[str, tuple[float, ...]]:
    """Return mixtures (K,) about as far from the answer as those of a short list are from each other."""
    uniform = np.full(len(answer), 1 / len(answer))
    near = floor_and_round(
        np.array([(1 - share) * answer + share * uniform for share in NEAR]), config.search.min_weight
    )
    return {f"near {share}": tuple(row.tolist()) for share, row in zip(NEAR, near, strict=True)}


def measure(run: Run) -> dict[str, float]:
    """Train one proxy on one thread and return its loss on each objective."""
    import torch

    torch.set_num_threads(1)
    lake, config = LocalStore(run.lake), run.config
    made, tokenizer = lake.get("training_tokens"), lake.get("tokenizer")
    shards = [record["shard"] for record in made.json("shards.json")]
    index = load_training_index(
        made.path, {shard: lake.get("tokenized_shards", shard).file("tokens.npy") for shard in shards}
    )
    supply = simulate_supply(index, config.proxy, config.mixture.tokens, supply_seed(config.search.seed, run.repeat))
    plan = plan_sequences(index, run.weights, config.proxy, run.seed, supply)
    vocabulary, file = int(tokenizer.summary["vocabulary"]), tokenizer.file("tokenizer.json")
    model = make_model(config.proxy, vocabulary, file, run.seed, "cpu")
    train(model, plan, config.proxy)
    wanted = {task for weights in config.objectives.values() for task in weights}
    prepared = prepared_tasks(lake, made.data_version)
    losses = {task: evaluate(model, prepared[task].path, config.proxy.sequence).scores.loss for task in sorted(wanted)}
    return {name: objective_loss(losses, weights) for name, weights in config.objectives.items()}


def prepared_tasks(lake: Store, training_tokens: str) -> dict[str, Artifact]:
    """Return the tasks that were prepared for this version of the training tokens, the part that confirms if cut."""
    return {
        str(task.partition): task
        for task in lake.all_of("proxy_tasks")
        if task.manifest["inputs"].get("training_tokens", training_tokens) == training_tokens
        and task.manifest["config"].get("part", "confirm") == "confirm"
    }


def half_width(losses: Mapping[tuple[str, int], float], count: int) -> float:
    """Return the half width of the interval of a mean of `count` differences, given losses by mixture and repeat."""
    noise = two_way_noise(losses)
    assert noise is not None and noise.paired is not None, "two mixtures with two seeds have a paired noise"
    deviation, degrees = noise.paired
    return float(t.ppf((1 + CONFIDENCE) / 2, degrees) * deviation * np.sqrt(2 / count))


def summarise(rows: Sequence[Mapping]) -> dict:
    """Return the benchmark's record: the mean half width over objectives and kinds of pairs."""
    ours, peer = (float(np.mean([row[seeding] for row in rows])) for seeding in ("common", "own"))
    return {
        "name": "paired_intervals",
        "ours": ours,
        "peer": peer,
        "ratio": peer / ours,
        "unit": "bits per byte",
        "details": {"peer": "training seeds of each mixture's own", "rows": list(rows)},
    }


if __name__ == "__main__":
    main()
