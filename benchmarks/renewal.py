"""What is old evidence worth after a renewal? Searches that begin with it against searches that begin with nothing.

A fifth of the corpus changes: sources go and others come. A search of the corpus before leaves its proxies; then
taxonomy and search are renewed. Of each seed one search carries that evidence and one does not; both train equal
thirds of the proxies. After each third, and before the first, each names the mixture that it holds to be best; models
of the target's size, trained side by side (`stacked_training`) on other items than the searches saw, judge them. What
a search has won is told as a share of what the one from nothing wins with all proxies over the corpus as it is.

    climb demo-corpus && climb up --to embeddings
    python benchmarks/renewal.py prepare --lake data_lake/demo --folder FOLDER
    python benchmarks/renewal.py search --folder FOLDER [--seeds 5] [--at-once 5]
    python benchmarks/renewal.py judge --folder FOLDER [--device cuda]
    python benchmarks/renewal.py report --folder FOLDER [--json]

Each seed's searches and each judgement is a file; what is there is not done again.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import yaml
from scipy.stats import t
from tabulate import tabulate

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS, ancestors
from climb_assets.graph.kept import renew
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.search.evidence import read_evidence
from climb_assets.search.search_state import Knowledge, Space, learn, read_knowledge, read_space
from climb_assets.simplex.mixtures import FloatArray

GONE, COME = ("speeches", "spam"), ("cooking", "encyclopedia", "dictionary")
THIRDS = (12, 12, 12)
PROXY = {"size": "100k", "sequence": 64, "batch": 4, "tokens": 114_688, "learning_rate": 2e-3}
EVIDENCE, NOTHING, PRIOR = "evidence", "nothing", "the corpus as it is"
BEFORE, AFTER = "before", "after"
CONFIDENCE = 0.95
NOT_READ = ("models", "embeddings", "document_signatures", "corpus_shards", "mixed_corpus", "audit_bundle")


def write_config(path: Path, lake: Path, raw: Path, seed: int, carry: bool = True, workers: int | None = None) -> Path:
    """Write the configuration of one search."""
    settings = {
        "profile": "demo",
        "lake": str(lake),
        "corpus": {"raw": str(raw)},
        "search": {"seed": seed, "iterations": list(THIRDS), "carry": carry},
        "proxy": PROXY,
        "tasks": deciding_tasks(lake / "tasks"),
        "runtime": {"device": "cpu"} | ({} if workers is None else {"workers": workers}),
    }
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def deciding_tasks(folder: Path) -> dict[str, dict]:
    """Return the demo's tasks that decide; of those that only report, some read sources that come or go here."""
    profile = resources.files("climb_assets") / "profiles" / "demo.yaml"
    tasks = yaml.safe_load(profile.read_text(encoding="utf-8"))["tasks"]
    return {
        name: task | ({"path": str(folder / task["path"])} if "path" in task else {})
        for name, task in tasks.items()
        if task.get("split") != "report_eval"
    }


def make_up_to(climb: Materializer, asset: str) -> None:
    """Make an asset and what it rests on, in this process."""
    climb.raw.wait_until_settled(lambda why: print(why, file=sys.stderr))
    wanted = ancestors(asset, climb.config)
    for spec in SPECS:  # inputs stand before what is made from them
        if spec.asset in wanted:
            for partition in climb.partitions(spec):
                climb.make(spec.asset, partition)


def prepare(lake: Path, folder: Path) -> None:
    """Make the training tokens of the corpus before and after, each in a lake of its own."""
    folder.mkdir(parents=True)
    sources = {path.name.partition(".")[0]: path for path in sorted((lake / "raw").iterdir())}
    work = folder / "lake"
    for name in ("artifacts", "refs", "models", "tasks"):
        shutil.copytree(lake / name, work / name, ignore=shutil.ignore_patterns("proxy_models", "proxy_scores"))
    from stacked_runs import copy_out

    for state, absent in ((BEFORE, COME), (AFTER, GONE)):
        raw = folder / f"raw-{state}"
        raw.mkdir()
        for source in sources.keys() - set(absent):
            shutil.copyfile(sources[source], raw / sources[source].name)
        climb = Materializer(load_config(write_config(folder / f"{state}.yaml", work, raw, 0)))
        for group in ("taxonomy", "search"):
            renew(climb.store, group)
        make_up_to(climb, "training_tokens")
        make_up_to(climb, "domain_supply")
        if state == AFTER:
            copy_out(climb, read_space(climb).prior[None], folder / "judge")
        shutil.copytree(work, folder / state, ignore=shutil.ignore_patterns(*NOT_READ))


def judge(folder: Path, device: str) -> None:
    """Train models of the target's size on every mixture that was named; write the losses of each objective."""
    from concurrent.futures import ProcessPoolExecutor

    from stacked_runs import JUDGE, Study, average_items, run
    from stacked_training import Setting

    picks = [
        pick for path in sorted(folder.glob("picks-*.json")) for pick in json.loads(path.read_text(encoding="utf-8"))
    ]
    study = Study(folder / "judge")
    prior = study.index.supply / study.index.supply.sum()
    named = {json.dumps(weights): weights for weights in [prior.tolist(), *(pick["weights"] for pick in picks)]}
    study.mixtures = np.array(list(named.values()))
    with ProcessPoolExecutor() as pool:
        losses = average_items(run(study, Setting(JUDGE), device, pool, "confirm"))
    place = {text: row for row, text in enumerate(named)}
    of_objective = {
        name: sum(weight * losses[task][:, :, 0] for task, weight in weights.items()) / sum(weights.values())
        for name, weights in study.objectives.items()
    }
    of_prior = [{"arm": PRIOR, "objective": name, "weights": prior.tolist()} for name in study.objectives]
    judged = [
        pick | {"losses": of_objective[pick["objective"]][place[json.dumps(pick["weights"])]].tolist()}
        for pick in of_prior + picks
    ]
    (folder / "judged.json").write_text(json.dumps(judged), encoding="utf-8")


def search_seed(folder: Path, seed: int, workers: int | None) -> None:
    """Run the searches of one seed; write the mixtures that they name."""
    kept, picks = folder / f"picks-{seed}.json", []
    if kept.exists():
        return

    def open_lake(name: str, state: str, carry: bool) -> Materializer:
        lake = folder / f"lake-{seed}-{name}"
        if not lake.exists():
            shutil.copytree(folder / state, lake.with_suffix(".part"))
            lake.with_suffix(".part").rename(lake)
        config = write_config(folder / f"{seed}-{name}.yaml", lake, folder / f"raw-{state}", seed, carry, workers)
        climb = Materializer(load_config(config))
        climb.raw.wait_until_settled(lambda why: None)  # where the folder was copied a moment ago
        return climb

    earlier = open_lake(BEFORE, BEFORE, carry=True)
    for _ in follow(earlier):
        pass
    for arm in (EVIDENCE, NOTHING):
        climb = open_lake(arm, AFTER, carry=arm == EVIDENCE)
        models = earlier.config.lake / "artifacts" / "proxy_models"
        if arm == EVIDENCE:
            for asset in ("proxy_models", "training_tokens", "tokenized_shards"):
                source = models.parent / asset
                shutil.copytree(source, climb.config.lake / "artifacts" / asset, dirs_exist_ok=True)
        for trained, known in follow(climb):
            for objective in climb.config.objectives:
                weights = name_best(known, objective) if isinstance(known, Knowledge) else known.prior
                record = {"seed": seed, "arm": arm, "objective": objective, "trained": trained}
                picks.append(record | {"weights": weights.tolist(), "rows": _rows(known)})
    kept.write_text(json.dumps(picks), encoding="utf-8")


def _rows(known: Knowledge | Space) -> int:
    return len(known.history.keys) if isinstance(known, Knowledge) else 0


def follow(climb: Materializer) -> Iterator[tuple[int, Knowledge | Space]]:
    """Yield how many proxies a search has trained and what it knows then, before the first iteration and after each."""
    climb.make("carried_evidence")
    space = read_space(climb)
    yield 0, learn(space, read_evidence(climb, space)) or space
    for number, key in enumerate(iteration_keys(climb.config), 1):
        for asset in ("mixture_candidates", "proxy_results", "predictor_state"):
            climb.make(asset, key)
        yield sum(THIRDS[:number]), read_knowledge(space, climb.get("predictor_state", key))


def name_best(known: Knowledge, objective: str) -> FloatArray:
    """Return the mixture of the pool that is predicted to be best (K,)."""
    pool = known.space.draw()
    predicted = known.predict_worth(objective, pool).mean + known.space.penalty(pool)
    best: FloatArray = pool[int(np.argmin(predicted))]
    return best


def interval(values: np.ndarray) -> dict[str, float]:
    """Return the mean of values, one a seed, and the ends of Student's t interval."""
    half = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return {"mean": float(values.mean()), "low": float(values.mean() - half), "high": float(values.mean() + half)}


def summarise(rows: Sequence[Mapping]) -> dict:
    """Return what each arm won at each budget over the corpus as it is, and what a third with evidence leaves open."""
    won = []
    for objective in dict.fromkeys(row["objective"] for row in rows):
        prior = np.mean([row["losses"] for row in rows if row["arm"] == PRIOR and row["objective"] == objective])
        searches = [row for row in rows if row["arm"] != PRIOR and row["objective"] == objective]
        gain = {
            (arm, trained): np.array(
                [prior - np.mean(row["losses"]) for row in searches if (row["arm"], row["trained"]) == (arm, trained)]
            )
            for arm in (EVIDENCE, NOTHING)
            for trained in sorted({row["trained"] for row in searches})
        }
        whole = gain[NOTHING, sum(THIRDS)]
        for (arm, trained), values in gain.items():
            won.append(
                {"objective": objective, "arm": arm, "trained": trained}
                | {"gain": interval(values), "share": float(values.mean() / whole.mean())}
                | {"behind the whole": interval(whole - values)}
            )
    third = {
        arm: np.mean([row["share"] for row in won if (row["arm"], row["trained"]) == (arm, THIRDS[0])])
        for arm in (EVIDENCE, NOTHING)
    }
    return {
        "name": "what a third of the proxies reaches after a renewal, of what all reach from nothing",
        "ours": float(third[EVIDENCE]),
        "peer": float(third[NOTHING]),
        "ratio": float(third[EVIDENCE] / third[NOTHING]),
        "unit": "share of the gain",
        "details": {"peer": "a search from nothing", "seeds": len(whole), "won": won},
    }


def describe(record: Mapping) -> str:
    """Return the table of a record."""

    headers = ["objective", "arm", "trained", "won, bits per byte", "share", "all from nothing win more"]

    def written(found: Mapping[str, float]) -> str:
        return f"{found['mean']:+.4f} ({found['low']:+.4f} .. {found['high']:+.4f})"

    table = [
        [*(row[key] for key in headers[:3]), written(row["gain"]), row["share"], written(row["behind the whole"])]
        for row in record["details"]["won"]
    ]
    return tabulate(table, headers, floatfmt=".2f")


def search(folder: Path, seeds: int, at_once: int) -> None:
    """Run the searches of all seeds, some at once, each in a process of its own."""
    workers = max(1, (os.cpu_count() or 1) // at_once)
    waiting = list(range(seeds))
    while waiting:
        some, waiting = waiting[:at_once], waiting[at_once:]
        command = [sys.executable, __file__, "seed", "--folder", str(folder), "--workers", str(workers), "--seed"]
        running = [subprocess.Popen([*command, str(seed)]) for seed in some]
        failed = [seed for seed, process in zip(some, running, strict=True) if process.wait()]
        if failed:
            raise SystemExit(f"seeds {failed} failed; see above, then run again")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["prepare", "search", "seed", "judge", "report"])
    parser.add_argument("--lake", type=Path, default=Path("data_lake/demo"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    match arguments.stage:
        case "prepare":
            prepare(arguments.lake.resolve(), folder)
        case "search":
            search(folder, arguments.seeds, arguments.at_once)
        case "seed":
            search_seed(folder, arguments.seed, arguments.workers)
        case "judge":
            judge(folder, arguments.device)
        case "report":
            rows = json.loads((folder / "judged.json").read_text(encoding="utf-8"))
            print(json.dumps(summarise(rows)) if arguments.json else describe(summarise(rows)))


if __name__ == "__main__":
    main()
